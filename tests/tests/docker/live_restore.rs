//! `dockerd --live-restore`: the engine goes, in order or by a kill, its containers run on, and it comes back to them.

use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use kuryr_tests::{Host, Rig, stories::restart, until, with_rig};

/// Where the pings tell how they did, and what ends them.
const TOLD: &str = "/run/pings";
const ENOUGH: &str = "/run/enough";

/// Ports of containers.
fn ports(rig: &Rig) -> Result<usize> {
    Ok(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len())
}

/// The pid of a container's first process, on the machine.
fn pid(rig: &Rig, container: &str) -> Result<u32> {
    let inspect = rig.engine.inspect("container", container)?;
    inspect["State"]["Pid"].as_u64().and_then(|pid| pid.try_into().ok()).context("the container has no process")
}

/// Ping all the time, from within a container and without the engine, while something happens; all must come back.
fn without_loss(rig: &mut Rig, pid: u32, address: &str, event: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    let script = format!(
        "while [ ! -e {ENOUGH} ]; do nsenter --target {pid} --net busybox ping -q -c 20 -i 0.05 -W 5 {address}; done"
    );
    let mut pings = rig.host.start(&["sh", "-c", &script], &[], TOLD)?;
    let some = |host: &Host| {
        let told = fs::read_to_string(host.path(TOLD)).unwrap_or_default();
        told.lines().filter(|line| line.contains("packet loss")).map(str::to_owned).collect::<Vec<_>>()
    };
    until("the first pings", || {
        ensure!(!some(&rig.host).is_empty());
        Ok(())
    })?;
    event(rig)?;
    fs::write(rig.host.path(ENOUGH), "")?;
    pings.wait()?;
    let told = some(&rig.host);
    ensure!(told.iter().all(|line| line.contains(" 0% packet loss")), "{told:?}");
    Ok(())
}

/// The engine ends by this signal and is started again. Meanwhile a container dies that nobody minds.
fn comes_back(rig: &mut Rig, signal: &str) -> Result<()> {
    let address = restart::two_containers(rig)?;
    rig.engine.container("three", "blue", &["--stop-signal", "KILL"])?;
    fs::create_dir_all(rig.host.path("/etc/docker"))?;
    fs::write(rig.host.path("/etc/docker/daemon.json"), r#"{"live-restore": true}"#)?;
    rig.host.signal(rig.engine.pid(), "-HUP")?;
    until("the engine to read its configuration", || {
        ensure!(rig.engine.docker(&["info", "--format", "{{.LiveRestoreEnabled}}"])? == "true");
        Ok(())
    })?;
    let (one, three) = (pid(rig, "one")?, pid(rig, "three")?);
    without_loss(rig, one, &address, |rig| {
        let engine = rig.engine.pid();
        rig.host.signal(engine, signal)?;
        until("dockerd to end", || {
            ensure!(!rig.host.path(format!("/proc/{engine}")).exists());
            Ok(())
        })?;
        rig.host.signal(three, "-KILL")?;
        rig.engine.start_again(&rig.host)
    })?;
    ensure!(pid(rig, "one")? == one, "the containers ran on");
    until("the engine to notice who died", || {
        ensure!(pid(rig, "three")? == 0 && ports(rig)? == 2, "{} ports", ports(rig)?);
        Ok(())
    })?;
    // Everything works as before, for those who ran on and for new ones.
    rig.engine.ping("one", &address)?;
    rig.engine.container("four", "blue", &[])?;
    rig.engine.ping("four", &address)?;
    rig.engine.docker(&["start", "three"])?;
    rig.engine.ping("three", &address)?;
    ensure!(ports(rig)? == 4, "{} ports", ports(rig)?);
    until("Docker, Neutron and the kernel to agree", || {
        let (status, differences) = rig.differences()?;
        ensure!(status == Some(0) && differences.is_empty(), "{status:?} {differences:?}");
        Ok(())
    })?;
    rig.engine.docker(&["stop", "one"])?;
    rig.engine.docker(&["rm", "one"])?;
    rig.engine.docker(&["rm", "--force", "two", "three", "four"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
    rig.is_clean()
}

#[test]
fn containers_run_on_while_the_engine_is_started_again() -> Result<()> {
    with_rig(|rig| comes_back(rig, "-TERM"))
}

#[test]
fn containers_run_on_while_the_engine_was_killed() -> Result<()> {
    with_rig(|rig| comes_back(rig, "-KILL"))
}
