//! The Debian package on a clean machine: installed, upgraded, removed, purged, under containers that run.

use anyhow::{Context, Result, ensure};
use kuryr_tests::packaging::{Booted, PACKAGE, package};
use kuryr_tests::{Engine, Paths, skip, until};

use crate::with_booted;

/// Two containers on a network of Kuryr's; the answer is the second one's address.
fn two_containers(engine: &Engine) -> Result<String> {
    engine.docker(&[
        "network",
        "create",
        "-d",
        "kuryr",
        "--ipam-driver",
        "kuryr",
        "--subnet",
        "10.10.0.0/24",
        "--gateway",
        "10.10.0.1",
        "blue",
    ])?;
    engine.container("one", "blue", &[])?;
    engine.container("two", "blue", &[])?;
    Ok(engine.endpoint("two", "blue")?.address)
}

fn is_gone(machine: &Booted, path: &str) -> Result<()> {
    ensure!(!machine.path(path).exists(), "{path} is still there");
    Ok(())
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged_under_running_containers() -> Result<()> {
    with_booted(|machine| {
        machine.install()?;
        ensure!(machine.run("kuryr", &["--version"])?.starts_with("kuryr "));
        ensure!(machine.run("kuryr", &["config", "check"])?.contains("read /etc/kuryr/kuryr.conf"));
        let usage = machine.output("kuryr-server", &["--nonsense"])?;
        ensure!(usage.status.code() == Some(2), "kuryr-server ended with {}", usage.status);
        // Nothing is configured: the embedded cloud will do, with a word about it.
        let check = machine.output("kuryr-status", &["upgrade", "check"])?;
        ensure!(check.status.code() == Some(1), "{}", String::from_utf8_lossy(&check.stdout));
        let mut check = machine.command("kuryr-status");
        check.args(["upgrade", "check"]).env("OS_CLOUD", "kuryr").env("OS_CLIENT_CONFIG_FILE", Paths::CLOUDS);
        let check = check.output().context("cannot run kuryr-status")?;
        ensure!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        for unit in ["kuryr.service", "kuryr.socket"] {
            ensure!(machine.active(unit)? == "active", "{unit} is {}", machine.active(unit)?);
            ensure!(machine.run("systemctl", &["is-enabled", unit])? == "enabled", "{unit}");
        }
        ensure!(machine.property("kuryr.service", "Before")?.contains("docker.service"));

        let engine = machine.engine()?;
        let address = two_containers(&engine)?;
        engine.ping("one", &address)?;
        machine.write("/etc/kuryr/kuryr.conf", "[DEFAULT]\ndebug = true\n")?;
        let before = machine.property("kuryr.service", "MainPID")?;

        machine.run("dpkg", &["--force-confold", "--install", PACKAGE])?;
        ensure!(machine.property("kuryr.service", "MainPID")? != before, "the old program still runs");
        ensure!(machine.active("kuryr.service")? == "active");
        ensure!(machine.run("kuryr", &["config", "check"]).is_ok());
        ensure!(
            std::fs::read_to_string(machine.path("/etc/kuryr/kuryr.conf"))?.contains("debug = true"),
            "the administrator's settings are gone"
        );
        engine.ping("one", &address)?;
        engine.container("three", "blue", &[])?;
        engine.ping("three", &address)?;

        machine.run("dpkg", &["--remove", "kuryr"])?;
        is_gone(machine, "/usr/bin/kuryr")?;
        is_gone(machine, "/run/docker/plugins/kuryr.sock")?;
        engine.ping("one", &address)?;
        ensure!(machine.path("/var/lib/kuryr/kuryr.db").exists(), "a removed package has lost its state");

        // Installed again it takes up where it was.
        machine.run("dpkg", &["--force-confold", "--install", PACKAGE])?;
        engine.docker(&["rm", "--force", "one", "two", "three"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = machine.cloud()?.inventory()?;
        ensure!(left.is_empty(), "{left:?}");

        machine.run("dpkg", &["--purge", "kuryr"])?;
        for path in [
            "/var/lib/kuryr",
            "/var/log/kuryr",
            "/etc/kuryr",
            "/lib/systemd/system/kuryr.service",
            "/usr/share/doc/kuryr",
        ] {
            is_gone(machine, path)?;
        }
        ensure!(!machine.run("systemctl", &["list-unit-files", "--no-pager"])?.contains("kuryr"));
        Ok(())
    })
}

#[test]
fn docker_s_first_request_starts_the_service() -> Result<()> {
    with_booted(|machine| {
        machine.install()?;
        let engine = machine.engine()?;
        let address = two_containers(&engine)?;
        // The socket alone, as after a boot in which Docker was faster.
        machine.run("systemctl", &["stop", "kuryr.service"])?;
        ensure!(machine.active("kuryr.socket")? == "active");
        engine.ping("one", &address)?;
        engine.container("three", "blue", &[])?;
        ensure!(machine.active("kuryr.service")? == "active");
        engine.ping("three", &address)?;
        // A reload is over when systemd says so; what was said is in the journal.
        machine.run("systemctl", &["reload", "kuryr.service"])?;
        ensure!(machine.active("kuryr.service")? == "active");
        until("the journal to have it", || {
            let told = machine.run("journalctl", &["--unit", "kuryr", "--output", "cat"])?;
            ensure!(told.contains("the configuration was read anew"), "{told}");
            Ok(())
        })?;
        // A restart of the engine with Kuryr stopped: its containers come back.
        machine.run("systemctl", &["stop", "kuryr.service"])?;
        machine.run("systemctl", &["restart", "docker"])?;
        until("the engine to answer", || engine.docker(&["version"]).map(drop))?;
        engine.docker(&["start", "one", "two"])?;
        let address = engine.endpoint("two", "blue")?.address;
        engine.ping("one", &address)
    })
}

#[test]
fn a_package_starts_nothing_that_an_administrator_has_masked() -> Result<()> {
    with_booted(|machine| {
        // As on a host that still has the original: its settings are there before the package.
        let settings = "[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = p\n";
        machine.write("/etc/kuryr/kuryr.conf", settings)?;
        machine.run("systemctl", &["mask", "kuryr.service", "kuryr.socket"])?;
        machine.install()?;
        ensure!(machine.active("kuryr.service")? != "active" && machine.active("kuryr.socket")? != "active");
        ensure!(std::fs::read_to_string(machine.path("/etc/kuryr/kuryr.conf"))? == settings);
        let failed = machine.output("kuryr-status", &["upgrade", "check"])?;
        ensure!(failed.status.code() == Some(2), "{}", String::from_utf8_lossy(&failed.stdout));
        machine.run("systemctl", &["unmask", "kuryr.service", "kuryr.socket"])?;
        machine.run("systemctl", &["enable", "--now", "kuryr.service"])?;
        // It serves although its cloud does not.
        ensure!(machine.active("kuryr.service")? == "active" && machine.active("kuryr.socket")? == "active");
        machine.run("dpkg", &["--purge", "kuryr"])?;
        is_gone(machine, "/etc/kuryr")
    })
}

#[test]
fn lintian_finds_no_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = package(folder.path())?;
    let Ok(output) = std::process::Command::new("lintian").args(["--fail-on", "error,warning"]).arg(&package).output()
    else {
        return skip("no lintian on this machine");
    };
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
