//! The service's limits under a real systemd: enough for all it does, and not more.

use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_tests::packaging::Booted;
use kuryr_tests::{Engine, until};

use crate::with_booted;

/// CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE as the kernel prints them.
const ALL: &str = "0000000000203400";
/// CAP_NET_ADMIN alone.
const NET_ADMIN: &str = "0000000000001000";
/// An address of the machine that containers reach through a router only.
const OUTSIDE: &str = "198.51.100.1";
const DROP_IN: &str = "/etc/systemd/system/kuryr.service.d/limits.conf";

/// One line of the service's process in /proc.
fn process(machine: &Booted, key: &str) -> Result<String> {
    let pid = machine.property("kuryr.service", "MainPID")?;
    let status = fs::read_to_string(machine.path(format!("/proc/{pid}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("the process has no {key}"))?.trim().to_owned())
}

/// Whether the service sees the machine's own mounts.
fn shares_mounts(machine: &Booted) -> Result<bool> {
    let pid = machine.property("kuryr.service", "MainPID")?;
    let of = |pid: &str| fs::read_link(machine.path(format!("/proc/{pid}/ns/mnt")));
    Ok(of(&pid)? == of("1")?)
}

fn restarted(machine: &Booted, limits: &str) -> Result<bool> {
    machine.write(DROP_IN, limits)?;
    machine.run("systemctl", &["daemon-reload"])?;
    let works = machine.output("systemctl", &["restart", "kuryr.service"])?.status.success();
    if !works {
        machine.run("systemctl", &["stop", "kuryr.service"])?;
        drop(machine.output("systemctl", &["reset-failed", "kuryr.service", "kuryr.socket"])?);
        machine.run("systemctl", &["start", "kuryr.socket"])?;
    }
    Ok(works)
}

/// What is answered at port 80 of the machine.
fn published(machine: &Booted) -> Result<String> {
    let told = machine.run("busybox", &["nc", "-w", "3", "127.0.0.1", "80"])?;
    Ok(told.trim().to_owned())
}

fn network(engine: &Engine) -> Result<()> {
    let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
    engine.docker(&[&create[..], &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"]].concat()).map(drop)
}

#[test]
fn the_service_does_all_it_does_with_four_capabilities() -> Result<()> {
    with_booted(|machine| {
        machine.install()?;
        for unit in ["kuryr.service", "kuryr.socket"] {
            let output = machine.output("systemd-analyze", &["verify", "--man=no", unit])?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.success() && !said.contains("kuryr"), "{unit}: {said}");
        }
        machine.run("systemd-analyze", &["security", "--no-pager", "--threshold=45", "kuryr.service"])?;
        for (key, value) in [("CapEff", ALL), ("CapBnd", ALL), ("CapAmb", "0000000000000000"), ("NoNewPrivs", "1")] {
            ensure!(process(machine, key)? == value, "{key} is {}", process(machine, key)?);
        }
        ensure!(process(machine, "Seccomp")? == "2", "system calls are not filtered");
        ensure!(shares_mounts(machine)?, "network namespaces would end with the service");

        // Everything the embedded cloud does in the kernel: bridges, rules, routers, translation, and their end.
        let engine = machine.engine()?;
        machine.run("ip", &["address", "add", &format!("{OUTSIDE}/32"), "dev", "lo"])?;
        network(&engine)?;
        engine.container("one", "blue", &["--publish", "80:80"])?;
        engine.serve("one", 80)?;
        ensure!(published(machine)? == "one");
        let cloud = machine.cloud()?;
        let subnet = cloud.subnet("10.10.0.0/24")?.id;
        let edge = cloud.router(&[subnet])?;
        engine.ping("one", OUTSIDE)?;
        engine.docker(&["rm", "--force", "one"])?;
        cloud.remove_router(&edge, &[subnet])?;
        engine.docker(&["network", "rm", "blue"])?;
        until("the kernel to be clean", || {
            let namespaces = machine.run("ip", &["netns", "list"])?;
            ensure!(!namespaces.contains("qrouter-"), "{namespaces}");
            Ok(())
        })?;
        ensure!(!machine.log().contains("ERROR"), "{}", machine.log());
        ensure!(!machine.log().contains("will not be announced"), "{}", machine.log());

        // Neither of the first two can be spared; without CAP_NET_RAW addresses are not announced, and without the last no
        // port below 1024 is published.
        for less in ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"] {
            machine.run("systemctl", &["stop", "kuryr.service"])?;
            machine.output("ip", &["netns", "delete", "kuryr"])?;
            let limits = format!("[Service]\nRestart=no\nCapabilityBoundingSet=\nCapabilityBoundingSet={less}\n");
            ensure!(!restarted(machine, &limits)?, "{less} alone is enough");
        }
        ensure!(restarted(machine, "[Service]\n")?, "with all it starts again");
        Ok(())
    })
}

#[test]
fn with_an_openstack_one_capability_and_no_view_of_the_machine_are_enough() -> Result<()> {
    with_booted(|machine| {
        machine.install()?;
        machine
            .write("/etc/kuryr/kuryr.conf", "[DEFAULT]\nlog_dir = /var/log/kuryr\n[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = p\n")?;
        let limits = fs::read_to_string(machine.path("/usr/share/doc/kuryr/examples/openstack.conf"))?;
        ensure!(restarted(machine, &limits)?, "it does not start");
        ensure!(process(machine, "CapEff")? == NET_ADMIN, "CapEff is {}", process(machine, "CapEff")?);
        ensure!(!shares_mounts(machine)?);
        machine.run("systemd-analyze", &["security", "--no-pager", "--threshold=25", "kuryr.service"])?;
        // It serves, and says what is wrong with its cloud.
        let told = machine.engine()?.refused(&[
            "network",
            "create",
            "-d",
            "kuryr",
            "--ipam-driver",
            "kuryr",
            "--subnet",
            "10.10.0.0/24",
            "blue",
        ])?;
        ensure!(!told.contains("plugin \"kuryr\" not found"), "{told}");
        ensure!(machine.active("kuryr.service")? == "active");
        ensure!(fs::read_to_string(machine.path("/var/log/kuryr/kuryr-server.log"))?.contains("cannot be used"));

        // A wrong configuration is told, and not tried again and again.
        machine.write("/etc/kuryr/kuryr.conf", "[DEFAULT]\ncapability_scope = nowhere\n")?;
        ensure!(!restarted(machine, &limits)?);
        ensure!(machine.property("kuryr.service", "NRestarts")? == "0");
        ensure!(machine.log().contains("nowhere"), "{}", machine.log());
        Ok(())
    })
}
