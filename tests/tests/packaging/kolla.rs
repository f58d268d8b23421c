//! Settings as Kolla passes them: its kuryr.conf, its plugin description below /usr/lib/docker, its unprivileged user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use anyhow::{Context, Result, ensure};
use kuryr_tests::packaging::{Booted, Login};
use kuryr_tests::{Paths, until};

use crate::with_booted;

/// Kolla's user and group for Kuryr.
const USER: u32 = 42474;
const CONFIG: &str = "/etc/kuryr/kuryr.conf";
const SPEC: &str = "/usr/lib/docker/plugins/kuryr/kuryr.spec";
const LOGS: &str = "/var/log/kolla/kuryr";

/// What kolla-ansible writes, filled in: one key of an older release and one section of another program among it.
fn config(login: &Login) -> String {
    format!(
        "[DEFAULT]\nkuryr_uri = http://127.0.0.1:23750\ndebug = False\nlog_dir = {LOGS}\n\ncapability_scope = \
         global\nbindir = /var/lib/kolla/venv/libexec/kuryr\n\n[binding]\ndefault_driver = \
         kuryr.lib.binding.drivers.veth\n\n[neutron]\nauth_uri = {url}/v3\nauth_url = {url}\nauth_type = \
         password\nendpoint_type = internal\nproject_domain_name = Default\nproject_name = {project}\nuser_domain_name = \
         Default\nproject_domain_id = default\nuser_domain_id = default\npassword = {password}\nusername = \
         {user}\n\n[oslo_policy]\npolicy_file = policy.yaml\n",
        url = login.url.trim_end_matches("/v3"),
        project = login.project,
        password = login.password,
        user = login.user,
    )
}

fn install(machine: &Booted) -> Result<()> {
    machine.install()?;
    machine.run("systemctl", &["disable", "--now", "kuryr.service", "kuryr.socket"])?;
    machine.run("systemd-run", &["--unit=cloud", "--service-type=notify", "kuryr", "cloud"])?;
    let login = Login::read(&machine.path(Paths::CLOUDS))?;
    for (path, text) in [(CONFIG, config(&login)), (SPEC, "http://127.0.0.1:23750\n".to_owned())] {
        machine.write(path, &text)?;
        fs::set_permissions(machine.path(path), fs::Permissions::from_mode(0o600))?;
    }
    fs::create_dir_all(machine.path(LOGS))?;
    for path in [CONFIG, LOGS] {
        chown(machine.path(path), Some(USER), Some(USER))?;
    }
    Ok(())
}

/// Start the server as Kolla's image does, and wait until its health check would be content; the answer is its pid.
fn start(machine: &Booted) -> Result<String> {
    let user = USER.to_string();
    let words = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let rights = ["--inh-caps=+net_admin,+sys_admin", "--ambient-caps=+net_admin,+sys_admin"];
    let server = ["kuryr-server", "--config-file", CONFIG];
    machine.run("systemd-run", &[&["--unit=kolla"][..], &words, &rights, &server].concat())?;
    until("kuryr-server to listen", || {
        let sockets = machine.run("ss", &["-Hlntp", "sport = :23750"])?;
        ensure!(sockets.contains("\"kuryr-server\""), "{sockets}");
        let pid = sockets.split("pid=").nth(1).and_then(|rest| rest.split(',').next());
        Ok(pid.context("no pid")?.to_owned())
    })
}

#[test]
fn a_container_of_kolla_is_served() -> Result<()> {
    with_booted(|machine| {
        install(machine)?;
        let pid = start(machine)?;
        let status = fs::read_to_string(machine.path(format!("/proc/{pid}/status")))?;
        ensure!(status.contains(&format!("Uid:\t{USER}")), "{status}");
        ensure!(!machine.path(Paths::PLUGIN).exists());

        let engine = machine.engine()?;
        let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.10.0.0/24", "blue"];
        // Docker keeps networks of a global driver for swarms; this machine is in none.
        let told = engine.refused(&create)?;
        ensure!(told.contains("swarm"), "capability_scope has no effect: {told}");
        let text = fs::read_to_string(machine.path(CONFIG))?;
        fs::write(machine.path(CONFIG), text.replace("capability_scope = global", "capability_scope = local"))?;
        machine.run("systemctl", &["stop", "kolla"])?;
        start(machine)?;
        machine.run("systemctl", &["restart", "docker"])?;
        let engine = machine.engine()?;
        engine.docker(&create)?;
        engine.container("one", "blue", &[])?;
        engine.container("two", "blue", &[])?;
        engine.ping("one", &engine.endpoint("two", "blue")?.address)?;
        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = machine.cloud()?.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        let log = fs::read_to_string(machine.path(format!("{LOGS}/kuryr-server.log")))?;
        ensure!(log.contains("Neutron answers") && log.contains("no unix socket for Docker"), "{log}");
        Ok(())
    })
}
