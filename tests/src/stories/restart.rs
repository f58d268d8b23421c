//! Processes go and come back; the containers do not notice.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use crate::{Rig, until};

/// Ping all the time while something happens; not one packet may be lost.
fn without_loss(rig: &mut Rig, from: &str, address: &str, event: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    let engine = (*rig.engine).clone();
    std::thread::scope(|scope| {
        let pings =
            scope.spawn(move || engine.exec(from, &["ping", "-q", "-c", "60", "-i", "0.05", "-W", "2", address]));
        // Some packets must be on their way before.
        std::thread::sleep(Duration::from_millis(500));
        let happened = event(rig);
        let text = pings.join().map_err(|_| anyhow!("a thread panicked"))?;
        happened?;
        let text = text?;
        ensure!(text.contains("60 packets received"), "{text}");
        Ok(())
    })
}

/// A network with the containers `one` and `two`; the answer is the address of `two`.
pub fn two_containers(rig: &Rig) -> Result<String> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    // The first process of a container ignores other signals, and Docker would wait for it.
    for name in ["one", "two"] {
        rig.engine.container(name, "blue", &["--stop-signal", "KILL"])?;
    }
    let address = rig.engine.endpoint("two", "blue")?.address;
    rig.ping("one", &address)?;
    Ok(address)
}

/// Not one packet is lost while the process is killed and started again.
pub fn process_killed(rig: &mut Rig) -> Result<()> {
    let address = two_containers(rig)?;
    without_loss(rig, "one", &address, |rig| {
        rig.kuryr.kill(&rig.host)?;
        rig.kuryr.start(&rig.host)
    })?;
    // What was answered before is still there, and everything still works.
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    rig.engine.container("three", "blue", &[])?;
    rig.ping("three", &address)?;
    rig.engine.docker(&["rm", "--force", "one", "two", "three"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
    rig.is_clean()
}

/// Not one packet is lost while the process is stopped and started again.
pub fn process_stopped(rig: &mut Rig) -> Result<()> {
    let address = two_containers(rig)?;
    without_loss(rig, "one", &address, |rig| {
        let status = rig.kuryr.stop(&rig.host)?;
        ensure!(status.success(), "kuryr ended with {status}");
        rig.kuryr.start(&rig.host)
    })?;
    rig.engine.container("three", "blue", &[])?;
    rig.ping("three", &address)
}

/// A restart of the engine finds its networks again.
pub fn engine_restart(rig: &mut Rig) -> Result<()> {
    let address = two_containers(rig)?;
    rig.host.signal(rig.engine.pid(), "-TERM")?;
    until("dockerd to end", || {
        ensure!(rig.engine.try_docker(&["version"]).is_ok_and(|output| !output.status.success()));
        ensure!(!rig.host.path("/run/docker.pid").exists());
        Ok(())
    })?;
    rig.engine.start_again(&rig.host)?;
    rig.engine.docker(&["start", "one", "two"])?;
    let again = rig.engine.endpoint("two", "blue")?.address;
    ensure!(!again.is_empty(), "it had {address}");
    rig.ping("one", &again)?;
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    Ok(())
}

/// The engine and its containers die at once. When it comes back it ends what they had, and they start again.
pub fn dead_sandbox(rig: &mut Rig) -> Result<()> {
    two_containers(rig)?;
    let before = (rig.port("one", "blue")?.id, rig.port("two", "blue")?.id);
    rig.host.kill(&["dockerd", "containerd", "containerd-shim-runc-v2", "docker-init", "sleep"])?;
    ensure!(!rig.engine.try_docker(&["version"])?.status.success(), "dockerd survived");
    // The sandboxes of a machine that crashed are gone with their interfaces.
    rig.host.run(&[
        "sh",
        "-c",
        "umount /run/docker/netns/* 2> /dev/null; rm -rf /run/docker/netns /run/docker.pid /run/docker.sock; \
         rm -rf /run/docker/containerd/*.pid",
    ])?;
    rig.engine.start_again(&rig.host)?;
    let ours = Query::new().eq("device_owner", "compute:kuryr");
    until("the ports of dead containers to be gone", || {
        let left = rig.cloud.list::<Port>(&ours)?;
        ensure!(!left.iter().any(|port| port.id == before.0 || port.id == before.1), "{left:?}");
        Ok(())
    })?;
    rig.engine.docker(&["start", "one", "two"])?;
    let address = rig.engine.endpoint("two", "blue")?.address;
    rig.ping("one", &address)?;
    ensure!(rig.cloud.list::<Port>(&ours)?.len() == 2);
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
    rig.is_clean()
}
