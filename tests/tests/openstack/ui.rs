//! The picture of a real OpenStack: what `kuryr ui` tells of Neutron with OVN and of containers on it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{FloatingIp, FloatingIpUpdate, Network, Router, RouterInterface};
use kuryr_openstack::Query;
use kuryr_tests::{Browser, Chromium, Release, Rig, Ui, skip, until, with_openstack};
use serde_json::{Value, json};

fn topology(rig: &Rig, ui: &Ui) -> Result<(Value, String)> {
    let answer = ui.get(&rig.host, "/api/topology", "")?;
    ensure!(answer.status == 200, "{answer:?}");
    let etag = answer.headers.lines().find_map(|line| line.strip_prefix("etag: ")).context("no entity tag")?;
    Ok((answer.json()?, etag.to_owned()))
}

fn one<'a>(topology: &'a Value, kind: &str, key: &str, value: &str) -> Result<&'a Value> {
    let all = topology[kind].as_array().with_context(|| format!("no {kind}"))?;
    let found = all.iter().find(|one| one[key] == value || one[key]["name"] == value);
    found.with_context(|| format!("no {kind} with {key} {value} in {all:?}"))
}

/// The same as people see it.
fn looked_at(rig: &Rig, ui: &Ui, chromium: &Chromium) -> Result<()> {
    let mut browser = Browser::start(&rig.host, chromium, 1440, 900)?;
    ui.open(&mut browser)?;
    let address = rig.engine.endpoint("one", "blue")?.address;
    let labels = "[...document.querySelectorAll('.port')].map((port) => port.getAttribute('aria-label'))";
    let is_drawn = format!("{labels}.includes('one, {address}, active')");
    browser.until("the container to be drawn", &is_drawn, &json!(true))?;
    browser.click(&format!("[aria-label^=\"one, {address}\"]"))?;
    browser.until("the panel", "document.querySelector('#panel-title')?.textContent", &json!("one"))?;
    browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui-openstack.png"))?;
    ensure!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    Ok(())
}

#[test]
fn a_real_cloud_is_drawn() -> Result<()> {
    let chromium = Chromium::find();
    with_openstack(Ok(Release::Installed), "", |rig| {
        let ui = Ui::start(&rig.host)?;
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        let public: Vec<Network> =
            rig.cloud.call(async |neutron| neutron.list(&Query::new().eq("name", "public")).await)?;
        let public = public.first().context("there is no external network")?.id;
        let router: Router =
            rig.cloud.make(json!({"name": "edge", "external_gateway_info": {"network_id": public}}))?;
        let interface = RouterInterface { subnet_id: Some(rig.cloud.subnet("10.10.0.0/24")?.id), ..Default::default() };
        rig.cloud.call(async |neutron| neutron.add_router_interface(router.id, interface).await)?;
        let floating: FloatingIp = rig.cloud.make(json!({"floating_network_id": public}))?;

        let endpoint = rig.engine.endpoint("one", "blue")?;
        let etag = until("the container's port to be drawn", || {
            let (all, etag) = topology(rig, &ui)?;
            let port = one(&all, "ports", "container", "one")?;
            ensure!(port["status"] == "ACTIVE" && port["used_by"] == "container", "{port}");
            ensure!(port["fixed_ips"][0]["ip_address"] == endpoint.address.as_str(), "{port}");
            ensure!(port["interface"].as_str().is_some_and(|name| name.starts_with("tap")), "{port}");
            let network = one(&all, "networks", "id", port["network_id"].as_str().unwrap_or_default())?;
            ensure!(network["docker_networks"][0]["name"] == "blue", "{network}");
            let group = one(&all, "security_groups", "id", port["security_groups"][0].as_str().unwrap_or_default())?;
            ensure!(group["security_group_rules"].as_array().is_some_and(|rules| !rules.is_empty()), "{group}");
            let id = router.id.to_string();
            let ports = all["ports"].as_array().context("no ports")?;
            let of_router = |port: &&Value| port["router"] == id.as_str() && port["network_id"] == network["id"];
            ensure!(ports.iter().any(|port| of_router(&port)), "the router has no interface in {ports:?}");
            one(&all, "routers", "id", &id)?;
            one(&all, "floating_ips", "id", &floating.id.to_string())?;
            Ok(etag)
        })?;

        // Whoever waits hears of a change.
        let headers = format!("If-None-Match: {etag}\r\nPrefer: wait=20\r\n");
        let update: FloatingIpUpdate = serde_json::from_value(json!({"description": "changed"}))?;
        let (heard, changed) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| ui.get(&rig.host, "/api/topology", &headers));
            let changed = rig.cloud.update::<FloatingIp>(floating.id, &update);
            (waiting.join(), changed)
        });
        changed?;
        let heard = heard.ok().context("the one who waits panicked")??;
        ensure!(heard.status == 200, "{heard:?}");
        until("the change to be told", || {
            let (all, _) = topology(rig, &ui)?;
            ensure!(one(&all, "floating_ips", "id", &floating.id.to_string())?["description"] == "changed");
            Ok(())
        })?;

        let outcome = match &chromium {
            Ok(chromium) => looked_at(rig, &ui, chromium),
            Err(reason) => skip(&format!("told, and not looked at: there is no Chromium: {reason:#}")),
        };
        outcome?;
        ui.stop(&rig.host)?;
        rig.cloud.delete::<FloatingIp>(floating.id)?;
        rig.cloud.call(async |neutron| neutron.remove_router_interface(router.id, interface).await)?;
        rig.cloud.delete::<Router>(router.id)?;
        rig.engine.docker(&["rm", "--force", "one"])?;
        rig.engine.docker(&["network", "rm", "blue"]).map(drop)
    })
}
