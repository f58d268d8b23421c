//! Docker's managed plugin, made from the binary, enabled on a real engine, used by containers.

use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_tests::packaging::{Login, Managed};
use kuryr_tests::{Engine, Host, Kuryr, Paths, PrivateEngine, Release, Started, binary, get, skip, until, with_host};

/// Start the embedded cloud alone, as an OpenStack beside the plugin.
pub fn cloud(host: &Host) -> Result<Started> {
    let process = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], Paths::LOG)?;
    until("the API to answer", || {
        ensure!(get(&host.path(Paths::API), "/")?.status < 400);
        Ok(())
    })?;
    Ok(process)
}

/// Another cloud; comparisons follow each other quickly.
const ELSEWHERE: &str = "[neutron]\nauth_url = http://127.0.0.1:1\nusername = nobody\npassword = x\n\
                         [metrics]\nlisten = 127.0.0.1:9698\n[docker]\nreconcile_interval = 1\n";

/// Wait for so many comparisons with this result since the plugin was enabled.
fn compared(host: &Host, result: &str, times: u32) -> Result<()> {
    let sample = format!("kuryr_reconciliations_total{{result=\"{result}\"}} ");
    until("a comparison", || {
        let text = host.run(&["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9698/metrics"])?;
        let number = text.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<u32>().ok());
        ensure!(number.is_some_and(|number| number >= times), "{number:?}");
        Ok(())
    })
}

/// Create the plugin and enable it for the embedded cloud. A file is there and names another one: what is set on the
/// plugin wins.
fn install<'a>(host: &Host, engine: &'a Engine, folder: &str, more: &[&str]) -> Result<Managed<'a>> {
    fs::create_dir_all(host.path(folder))?;
    fs::write(host.path(folder).join("kuryr.conf"), ELSEWHERE)?;
    let plugin = Managed::create(host, engine)?;
    plugin.set(&Login::read(&host.path(Paths::CLOUDS))?, more)?;
    plugin.enable()?;
    Ok(plugin)
}

#[test]
fn containers_use_the_managed_plugin_with_a_cloud_outside() -> Result<()> {
    with_host(|host, engine| {
        let mut first = cloud(host)?;
        let login = Login::read(&host.path(Paths::CLOUDS))?;
        let plugin = install(host, engine, "/etc/kuryr", &["CAPABILITY_SCOPE=global"])?;
        // Docker keeps networks of a global driver for swarms.
        let told =
            plugin.create_network("blue", "10.10.0.0/24").err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(told.contains("swarm"), "CAPABILITY_SCOPE has no effect: {told}");
        plugin.disable()?;
        engine.docker(&["plugin", "set", Managed::NAME, "CAPABILITY_SCOPE="])?;
        // The cloud's network namespace is made anew when the plugin is there already, and the plugin sees it.
        host.signal(first.pid, "-TERM")?;
        first.wait()?;
        host.run(&["ip", "netns", "delete", "kuryr"])?;
        plugin.enable()?;
        let _cloud = cloud(host)?;
        plugin.create_network("blue", "10.10.0.0/24")?;
        ensure!(PrivateEngine::log(host).contains("DEBUG"), "LOG_LEVEL has no effect");
        ensure!(!PrivateEngine::log(host).contains(&login.password), "the password is in the log");
        engine.container("one", "blue", &[])?;
        engine.container("two", "blue", &[])?;
        let two = engine.endpoint("two", "blue")?;
        engine.ping("one", &two.address)?;
        let port = Kuryr::cloud(host)?.port_by_mac(&two.mac)?;
        ensure!(port.fixed_ips.iter().any(|ip| ip.ip_address.to_string() == two.address), "{port:?}");

        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = Kuryr::cloud(host)?.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        plugin.remove()
    })
}

/// The same on the current engine, with its settings in another folder; a port is published, and Docker itself is asked
/// what it has.
#[test]
fn the_current_engine_takes_the_managed_plugin() -> Result<()> {
    let release = match Release::current() {
        Ok(release) => release,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let host = Host::boot()?;
    let engine = PrivateEngine::start_release(&host, release)?;
    let _cloud = cloud(&host)?;
    let plugin = install(&host, &engine, "/run/settings", &["config.source=/run/settings"])?;
    let used = || {
        plugin.create_network("blue", "10.10.0.0/24")?;
        let network = engine.inspect("network", "blue")?;
        ensure!(network["Driver"] == Managed::NAME && network["Scope"] == "local", "{network}");
        engine.container("one", "blue", &["--publish", "8080:80"])?;
        engine.container("two", "blue", &[])?;
        engine.ping("one", &engine.endpoint("two", "blue")?.address)?;
        engine.serve("one", 80)?;
        let told = host.run(&["busybox", "nc", "-w", "3", "127.0.0.1", "8080"])?;
        ensure!(told == "one", "{told}");
        compared(&host, "complete", 1)?;

        // Without Docker's socket it goes on, and says so once.
        plugin.disable_by_force()?;
        let without = format!("{ELSEWHERE}docker_socket = /run/nowhere.sock\n");
        fs::write(host.path("/run/settings/kuryr.conf"), without)?;
        plugin.enable()?;
        compared(&host, "incomplete", 3)?;
        let log = PrivateEngine::log(&host);
        let told: Vec<&str> =
            log.lines().filter(|line| line.contains("/run/nowhere.sock") && !line.contains("DEBUG")).collect();
        ensure!(matches!(told[..], [one] if one.contains("WARN")), "{told:?}");
        engine.ping("one", &engine.endpoint("two", "blue")?.address)?;
        until("the published port to be back", || {
            let told = host.run(&["busybox", "nc", "-w", "3", "127.0.0.1", "8080"])?;
            ensure!(told == "one", "{told}");
            Ok(())
        })?;
        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])
    };
    used().with_context(|| PrivateEngine::log(&host))?;
    let left = Kuryr::cloud(&host)?.inventory()?;
    ensure!(left.is_empty(), "{left:?}");
    plugin.remove()
}
