//! From the original to this Kuryr, on one machine, under containers that run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use kuryr_tests::packaging::Login;
use kuryr_tests::{Host, Kuryr, Original, Paths, Started, binary, skip, until, until_within, with_host};

use crate::managed::cloud;

const CONFIG: &str = "/etc/kuryr/kuryr.conf";
const ORIGINAL_LOG: &str = "/run/original.log";
const SERVER_LOG: &str = "/run/kuryr-server.log";

/// A binding script for the original: the embedded cloud's bridges are in a namespace, of which its own knows nothing.
const SCRIPT: &str = r#"#!/bin/sh
set -e
case $1 in
    bind)
        ip link set "$3" netns kuryr
        ip -n kuryr link set "$3" master "brq$(echo "$6" | cut -c1-11)" up
        ;;
    unbind) ip -n kuryr link delete "$3" ;;
    *) exit 1 ;;
esac
"#;

/// A kuryr.conf that both understand. Docker keeps the address at which it found a driver until it is restarted, so
/// the new server listens where the original did.
fn configure(host: &Host, login: &Login) -> Result<()> {
    let scripts = host.scratch().join("binding");
    fs::create_dir_all(&scripts)?;
    let script = scripts.join("bridge");
    fs::write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(host.path("/etc/kuryr"))?;
    fs::create_dir_all(host.path("/etc/docker/plugins"))?;
    fs::write(host.path("/etc/docker/plugins/kuryr.spec"), "http://127.0.0.1:23750\n")?;
    let text = format!(
        "[DEFAULT]\nkuryr_uri = http://127.0.0.1:23750\nbindir = {}\n\n[neutron]\nauth_type = password\nauth_url = \
         {}\nusername = {}\npassword = {}\nproject_name = {}\nproject_domain_name = Default\nuser_domain_name = \
         Default\n",
        scripts.display(),
        login.url,
        login.user,
        login.password,
        login.project
    );
    Ok(fs::write(host.path(CONFIG), text)?)
}

fn serve(host: &Host, program: &Path, log: &str) -> Result<Started> {
    let mut process = host.start(&[&program.to_string_lossy(), "--config-file", CONFIG], &[], log)?;
    let told = || fs::read_to_string(host.path(log)).unwrap_or_default();
    until_within(std::time::Duration::from_secs(40), "a server to listen", || {
        ensure!(process.ended()?.is_none(), "it ended: {}", told());
        ensure!(host.run(&["ss", "-Hltn", "sport = :23750"])?.contains("23750"), "{}", told());
        Ok(())
    })?;
    Ok(process)
}

fn check(host: &Host, program: &Path) -> Result<String> {
    let output = host.output(&[&program.to_string_lossy(), "--config-file", CONFIG, "upgrade", "check"])?;
    ensure!(output.status.code() != Some(255), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn containers_of_the_original_keep_running_and_can_be_removed() -> Result<()> {
    let original = match Original::environment(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(original) => original,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    with_host(|host, engine| {
        let _cloud = cloud(host)?;
        configure(host, &Login::read(&host.path(Paths::CLOUDS))?)?;
        let names = host.scratch().join("names");
        fs::create_dir(&names)?;
        for name in ["kuryr-server", "kuryr-status"] {
            symlink(binary()?, names.join(name))?;
        }

        let mut old = serve(host, &original.join("bin/kuryr-server"), ORIGINAL_LOG)?;
        let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
        let created = engine
            .docker(&[&create[..], &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"]].concat())
            .and_then(|_| engine.container("one", "blue", &[]))
            .and_then(|()| engine.container("two", "blue", &["--expose", "80"]));
        created.with_context(|| fs::read_to_string(host.path(ORIGINAL_LOG)).unwrap_or_default())?;
        let two = engine.endpoint("two", "blue")?;
        engine.ping("one", &two.address)?;
        let cloud = Kuryr::cloud(host)?;
        let ours = || cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"));
        let before = ours()?;
        ensure!(before.len() >= 2, "{before:?}");
        let told = check(host, &names.join("kuryr-status"))?;
        ensure!(told.contains(&format!("process {}", old.pid)), "{told}");

        host.signal(old.pid, "-TERM")?;
        old.wait()?;
        engine.ping("one", &two.address)?;
        let _new = serve(host, &names.join("kuryr-server"), SERVER_LOG)?;
        let told = check(host, &names.join("kuryr-status"))?;
        ensure!(!told.contains("Failure") && told.contains("it does not run here"), "{told}");
        engine.ping("one", &two.address)?;
        let after = ours()?;
        ensure!(before.iter().map(|port| port.id).eq(after.iter().map(|port| port.id)), "{before:?} {after:?}");

        // Old and new containers on the original's network, stopped and started by the new one.
        engine.container("three", "blue", &[])?;
        engine.ping("three", &two.address)?;
        engine.docker(&["restart", "--time", "0", "two"])?;
        engine.ping("one", &engine.endpoint("two", "blue")?.address)?;
        engine.docker(&["rm", "--force", "one", "two", "three"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = cloud.inventory()?;
        ensure!(left.is_empty(), "{left:?}\n{}", fs::read_to_string(host.path(SERVER_LOG)).unwrap_or_default());
        until("the interfaces to be gone", || {
            let links = host.run(&["ip", "-o", "link"])? + &host.run(&["ip", "-n", "kuryr", "-o", "link"])?;
            ensure!(!links.contains("tap") && !links.contains("t_c"), "{links}");
            Ok(())
        })
    })
}
