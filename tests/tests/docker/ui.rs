//! The picture, in a real browser: what it draws of real containers, that it lives, and that it keeps to itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{NewPort, Port, PortUpdate, Subnet};
use kuryr_tests::{Browser, Chromium, Rig, Ui, skip, with_rig};
use serde_json::{Value, json};

/// Every network with its name and its ports' labels.
const DRAWN: &str = "Object.fromEntries([...document.querySelectorAll('.band')].map((band) => \
                     [band.querySelector('.title .name').textContent, \
                     [...band.querySelectorAll('.port')].map((port) => port.getAttribute('aria-label'))]))";
/// Names of the ports that are to be seen.
const SHOWN: &str = "[...document.querySelectorAll('.port .name')].map((name) => name.textContent).sort()";
const PANEL: &str = "document.querySelector('#panel').hidden ? null : document.querySelector('#panel').innerText";
const FOCUS: &str = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id";
/// A name of somebody who wishes us ill.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&amp;";

/// A rig, the page and a browser on it; says so where there is no browser.
fn with_page(test: impl FnOnce(&mut Rig, &Ui, &mut Browser) -> Result<()>) -> Result<()> {
    let chromium = match Chromium::find() {
        Ok(chromium) => chromium,
        Err(reason) => return skip(&format!("no Chromium to look with: {reason:#}")),
    };
    with_rig(|rig| {
        let ui = Ui::start(&rig.host)?;
        let mut browser = Browser::start(&rig.host, &chromium, 1440, 900)?;
        let outcome = test(rig, &ui, &mut browser);
        if outcome.is_err() {
            drop(browser.screenshot(&pictures("failed")));
        }
        outcome?;
        let complaints = browser.complaints();
        ensure!(complaints.is_empty(), "{complaints:?}");
        let page = format!("http://{}/", ui.address);
        let asked = browser.asked();
        ensure!(asked.len() > 10 && asked.iter().all(|url| url.starts_with(&page)), "{asked:?}");
        ensure!(asked.iter().all(|url| !url[page.len()..].contains(&ui.token[..])), "the token was sent: {asked:?}");
        ui_ends(rig)
    })
}

/// It ends at once although a browser waits for news, and what it left is nothing.
fn ui_ends(rig: &Rig) -> Result<()> {
    let ui = Ui::start(&rig.host)?;
    let etag = ui.get(&rig.host, "/api/topology", "")?.headers;
    let etag = etag.lines().find_map(|line| line.strip_prefix("etag: ")).context("no entity tag")?.to_owned();
    let waiting = format!("If-None-Match: {etag}\r\nPrefer: wait=25\r\n");
    let host = &rig.host;
    let (address, token) = (ui.address, ui.token.clone());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let headers = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n{waiting}");
            Ui::ask_at(host, address, "/api/topology", &headers)
        });
        ui.stop(host)?;
        let answer = asking.join().map_err(|_| anyhow::anyhow!("the one who waits panicked"))?;
        // It may have been refused, answered, or have come too late: in no case does it wait on.
        ensure!(answer.as_ref().map_or(true, |answer| [200, 304, 503].contains(&answer.status)), "{answer:?}");
        Ok(())
    })
}

/// Where people find the pictures.
fn pictures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ui-{name}.png"))
}

fn port_of(rig: &Rig, container: &str, network: &str) -> Result<Port> {
    rig.cloud.port_by_mac(&rig.engine.endpoint(container, network)?.mac)
}

fn text(browser: &mut Browser, expression: &str) -> Result<String> {
    let value = browser.evaluate(expression)?;
    Ok(value.as_str().with_context(|| format!("{expression} is {value}"))?.to_owned())
}

#[test]
fn networks_routers_and_containers_are_drawn_and_live() -> Result<()> {
    with_page(|rig, ui, browser| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.create_network("red", &["--subnet", "10.20.0.0/24", "--gateway", "10.20.0.1"])?;
        rig.engine.container("web-1", "blue", &["--ip", "10.10.0.11"])?;
        rig.engine.container("web-2", "blue", &["--ip", "10.10.0.12"])?;
        rig.engine.container("cart-1", "blue", &["--ip", "10.10.0.14"])?;
        rig.engine.container("db-1", "red", &["--ip", "10.20.0.21"])?;
        let subnets = [rig.cloud.subnet("10.10.0.0/24")?.id, rig.cloud.subnet("10.20.0.0/24")?.id];
        let edge = rig.cloud.router(&subnets)?;
        guarded(rig, ui)?;

        ui.open(browser)?;
        let gateway: Port = rig.cloud.one(
            &kuryr_openstack::Query::new().eq("device_owner", "network:router_gateway").eq("device_id", edge.router),
        )?;
        let outside = gateway.fixed_ips.first().context("no gateway address")?.ip_address;
        let drawn = json!({
            "public": [format!("edge, {outside}, active")],
            "blue": ["edge, 10.10.0.1, active", "web-1, 10.10.0.11, active", "web-2, 10.10.0.12, active",
                     "cart-1, 10.10.0.14, active"],
            "red": ["edge, 10.20.0.1, active", "db-1, 10.20.0.21, active"],
        });
        browser.until("all to be drawn", DRAWN, &drawn)?;
        let lines = "document.querySelectorAll('#lines path').length";
        browser.until("lines from the router to its networks", lines, &json!(3))?;
        ensure!(!text(browser, "location.href")?.contains(&ui.token), "the token stays in the address");
        browser.screenshot(&pictures("three-networks"))?;

        selected(rig, browser)?;
        living(rig, browser)?;
        searched(browser)?;
        hostile(rig, browser)?;

        // Ports of three states, and one of them new.
        for scheme in ["dark", "light"] {
            browser.prefer(scheme)?;
            contrasts(browser, scheme)?;
        }

        // A cloud that is away is told, and what was seen last stays.
        rig.kuryr.kill(&rig.host)?;
        browser.until(
            "the page to be no longer live",
            "document.querySelector('#live').dataset.state",
            &json!("stale"),
        )?;
        ensure!(browser.evaluate(SHOWN)?.as_array().is_some_and(|all| all.len() > 5), "the picture is gone");
        rig.kuryr.start(&rig.host)?;
        browser.until("the page to be live again", "document.querySelector('#live').dataset.state", &json!("live"))?;
        // That an answer said 502 is what the browser complained about.
        browser.forget_refused();
        Ok(())
    })
}

/// Without the token there is nothing, whatever a browser is made to send.
fn guarded(rig: &Rig, ui: &Ui) -> Result<()> {
    let host = format!("Host: {}\r\n", ui.address);
    for headers in [host.clone(), format!("{host}Authorization: Bearer {}x\r\n", ui.token)] {
        let answer = ui.ask(&rig.host, "/api/topology", &headers)?;
        ensure!(answer.status == 401 && !answer.body.contains("10.10"), "{answer:?}");
    }
    let rebound = format!("Host: rebound.example\r\nAuthorization: Bearer {}\r\n", ui.token);
    ensure!(ui.ask(&rig.host, "/api/topology", &rebound)?.status == 421);
    ensure!(ui.ask(&rig.host, "/", &host)?.status == 200);
    let refused = rig.kuryr.command(&rig.host, &["ui", "--listen", "0.0.0.0:9695"])?;
    let told = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(2) && told.contains("--expose"), "{refused:?}");
    Ok(())
}

/// Everything about one port is in the panel, and the panel leads on.
fn selected(rig: &Rig, browser: &mut Browser) -> Result<()> {
    let port = port_of(rig, "web-1", "blue")?;
    browser.click(&format!("[data-open=\"port:{}\"]", port.id))?;
    let image = rig.engine.inspect("container", "web-1")?["Config"]["Image"].as_str().unwrap_or_default().to_owned();
    let told = text(browser, PANEL)?;
    for part in ["web-1", "10.10.0.11", &port.mac_address.to_string(), &image, &port.id.to_string(), "default", "blue"]
    {
        ensure!(told.contains(part), "{part} is not in {told}");
    }
    ensure!(told.contains(&port.binding_host_id.0) && told.contains(&port.id.tap_name()), "{told}");
    browser.screenshot(&pictures("port"))?;
    browser.click("#panel .rules summary")?;
    let rules = text(browser, "document.querySelector('#panel .rules').innerText")?;
    ensure!(rules.contains("anything IPv4") && rules.contains("ports of default"), "{rules}");
    browser.screenshot(&pictures("rules"))?;
    browser.click(&format!("#panel [data-open=\"network:{}\"]", port.network_id))?;
    let told = text(browser, PANEL)?;
    ensure!(told.contains("10.10.0.0/24") && told.contains("MTU") && told.contains("edge"), "{told}");
    browser.click(".router")?;
    let told = text(browser, PANEL)?;
    ensure!(told.contains("Source NAT") && told.contains("10.20.0.1") && told.contains("public"), "{told}");
    browser.press("Escape")?;
    browser.until("the panel to close", PANEL, &Value::Null)
}

/// What changes is seen without a reload; what is selected and focused stays as it is.
fn living(rig: &Rig, browser: &mut Browser) -> Result<()> {
    let port = port_of(rig, "web-2", "blue")?;
    let node = format!("document.querySelector('[data-open=\"port:{}\"]')", port.id);
    browser.click(&format!("[data-open=\"port:{}\"]", port.id))?;
    browser.evaluate(&format!("void ({node}.isTheSame = true)"))?;
    rig.engine.container("web-3", "blue", &["--ip", "10.10.0.13"])?;
    let last = "[...document.querySelectorAll('.port')].map((port) => port.getAttribute('aria-label')).includes";
    browser.until("a new container", &format!("{last}('web-3, 10.10.0.13, active')"), &json!(true))?;
    let update = PortUpdate { admin_state_up: Some(false), ..PortUpdate::default() };
    rig.cloud.update::<Port>(port.id, &update)?;
    browser.until("another state", &format!("{node}.dataset.state"), &json!("off"))?;
    ensure!(browser.evaluate(&format!("{node}.isTheSame && {node}.dataset.selected"))? == "true", "it was made anew");
    let told = text(browser, PANEL)?;
    ensure!(told.contains("set down"), "{told}");
    rig.engine.docker(&["rm", "--force", "web-2"])?;
    browser.until("a container to go", &format!("{node} === null"), &json!(true))?;
    browser.until("the panel to say so", "document.querySelector('#panel .gone') !== null", &json!(true))?;
    let told = text(browser, "document.querySelector('#news').textContent")?;
    ensure!(told.contains("web-2 is gone"), "{told}");
    browser.press("Escape")?;
    browser.until("the panel to close", PANEL, &Value::Null)
}

/// By keyboard alone: search, walk, open, close.
fn searched(browser: &mut Browser) -> Result<()> {
    browser.press("/")?;
    browser.write("web 10.10.0.1")?;
    browser.until("what is searched", SHOWN, &json!(["web-1", "web-3"]))?;
    let marked = text(browser, "[...document.querySelectorAll('.port mark')].map((mark) => mark.textContent).join()")?;
    ensure!(marked == "web,10.10.0.1,web,10.10.0.1", "{marked}");
    let found = text(browser, "document.querySelector('#found').textContent")?;
    ensure!(found.starts_with("2 of "), "{found}");
    browser.evaluate("document.querySelector('.ports').querySelector('[tabindex=\"0\"]').focus()")?;
    ensure!(text(browser, FOCUS)?.starts_with("web-1"), "the focus is elsewhere");
    browser.press("ArrowRight")?;
    ensure!(text(browser, FOCUS)?.starts_with("web-3"), "the arrow key does not lead on");
    browser.press("Enter")?;
    browser.until("the panel to have the focus", FOCUS, &json!("panel-title"))?;
    browser.press("Escape")?;
    ensure!(text(browser, FOCUS)?.starts_with("web-3"), "the focus did not come back");
    browser.press("Escape")?;
    browser.until("the search to be cleared", "document.querySelector('#query').value", &json!(""))?;
    browser.evaluate("document.querySelector('#query').focus()")?;
    browser.write("nothing of this name")?;
    browser.until("nothing to be found", SHOWN, &json!([]))?;
    browser.press("Escape")
}

/// Names are text, whatever is in them.
fn hostile(rig: &Rig, browser: &mut Browser) -> Result<()> {
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    rig.cloud.make::<Port>(json!({"network_id": subnet.network_id, "name": HOSTILE}))?;
    let named = format!(
        "[...document.querySelectorAll('.port .name')].some((name) => name.textContent === {})",
        Value::from(HOSTILE)
    );
    browser.until("a hostile name", &named, &json!(true))?;
    ensure!(browser.evaluate("document.querySelectorAll('img, .port b').length")? == 0);
    Ok(())
}

/// Labels must neither be cut, nor be too small to hit, nor lie upon each other; nothing is wider than the window.
const READABLE: &str = "(() => {
  const ports = [...document.querySelectorAll('.port')];
  const boxes = ports.map((port) => port.getBoundingClientRect());
  const wrong = [];
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window');
  ports.forEach((port, index) => {
    const { left, top, right, width, height } = boxes[index];
    if (width < 24 || height < 24) wrong.push(`small ${width}x${height}`);
    const next = boxes[index + 1];
    if (next && next.top === top && next.left < right) wrong.push('overlap');
    const label = port.querySelector('.short');
    const text = label.getBoundingClientRect();
    const isCut = label.scrollWidth > label.clientWidth + 1 || text.right > right || text.left < left;
    if (text.width > 0 && isCut) wrong.push(`cut ${label.textContent}`);
  });
  return wrong;
})()";

/// Contrast of every port's text with its ground, as the Web Content Accessibility Guidelines reckon it: the least.
const CONTRAST: &str = "(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => { const [r, g, b] = parts(colour).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (node) => { for (; node; node = node.parentElement) { const colour = getComputedStyle(node).backgroundColor;
    if (parts(colour)[3] !== 0) return colour; } return 'rgb(255, 255, 255)'; };
  const texts = [...document.querySelectorAll('.port .short, .port .name, .port .more, .badge, .filter, .count, dt, dd')];
  const all = texts.filter((node) => node.offsetParent && !node.closest('[data-dim=\"true\"], [data-external=\"true\"]')).map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
  return Math.min(...all);
})()";

fn contrasts(browser: &mut Browser, scheme: &str) -> Result<()> {
    let contrast = browser.evaluate(CONTRAST)?;
    ensure!(contrast.as_f64().is_some_and(|contrast| contrast >= 4.5), "{scheme}: {contrast}");
    Ok(())
}

#[test]
fn five_hundred_ports_are_readable() -> Result<()> {
    with_page(|rig, ui, browser| {
        rig.create_network("batch", &["--subnet", "10.30.0.0/22", "--gateway", "10.30.0.1"])?;
        rig.engine.container("worker", "batch", &["--ip", "10.30.2.200"])?;
        let subnet: Subnet = rig.cloud.subnet("10.30.0.0/22")?;
        let port = |number: usize| {
            let name = format!("vm-{number}");
            serde_json::from_value::<NewPort>(json!({"network_id": subnet.network_id, "name": name}))
                .map_err(Into::into)
        };
        let all = (0..500).map(port).collect::<Result<Vec<_>>>()?;
        rig.cloud.call(async |neutron| neutron.create_many::<Port>(&all).await)?;
        rig.cloud.router(&[subnet.id])?;

        ui.open(browser)?;
        let count = "document.querySelectorAll('[data-density=dense] .port').length";
        browser.until("500 ports", count, &json!(502))?;
        for (scheme, width) in [("light", 1440), ("dark", 1024), ("light", 600)] {
            browser.prefer(scheme)?;
            browser.resize(width, 900)?;
            let wrong = browser.evaluate(READABLE)?;
            ensure!(wrong == json!([]), "{width} pixels: {wrong}");
            contrasts(browser, scheme)?;
            browser.screenshot(&pictures(&format!("500-ports-{scheme}-{width}")))?;
        }
        browser.resize(1440, 900)?;

        // A state and a name lead to the one among them, with all that a card tells.
        browser.click("[data-filter=active]")?;
        browser.until("active ports only", SHOWN, &json!(["edge", "edge", "worker"]))?;
        browser.click("[data-filter=active]")?;
        browser.press("/")?;
        browser.write("vm-499")?;
        browser.until("one port of 500", SHOWN, &json!(["vm-499"]))?;
        browser.click(".port")?;
        ensure!(text(browser, PANEL)?.contains("vm-499"));
        browser.screenshot(&pictures("one-of-500"))
    })
}
