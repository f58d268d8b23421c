//! The process goes and comes back; the containers do not notice.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use kuryr_tests::{Rig, until, with_rig};

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

fn two_containers(rig: &Rig) -> Result<String> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "blue", &[])?;
    Ok(rig.engine.endpoint("two", "blue")?.address)
}

#[test]
fn containers_lose_no_packet_when_the_process_is_killed_and_started_again() -> Result<()> {
    with_rig(|rig| {
        let address = two_containers(rig)?;
        without_loss(rig, "one", &address, |rig| {
            rig.kuryr.kill(&rig.host)?;
            rig.kuryr.start(&rig.host)
        })?;
        // What was answered before is still there, and everything still works.
        ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
        rig.engine.container("three", "blue", &[])?;
        rig.engine.ping("three", &address)?;
        rig.engine.docker(&["rm", "--force", "one", "two", "three"])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        until("the kernel to be clean", || {
            let left = rig.kernel()?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
    })
}

#[test]
fn containers_lose_no_packet_when_the_process_is_stopped_in_order() -> Result<()> {
    with_rig(|rig| {
        let address = two_containers(rig)?;
        without_loss(rig, "one", &address, |rig| {
            let status = rig.kuryr.stop(&rig.host)?;
            ensure!(status.success(), "kuryr ended with {status}");
            rig.kuryr.start(&rig.host)
        })?;
        rig.engine.container("three", "blue", &[])?;
        rig.engine.ping("three", &address)
    })
}

#[test]
fn a_restart_of_the_engine_finds_its_networks_again() -> Result<()> {
    with_rig(engine_restart)
}

pub(crate) fn engine_restart(rig: &mut Rig) -> Result<()> {
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
    rig.engine.ping("one", &again)?;
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    Ok(())
}

#[test]
fn containers_start_again_after_a_reboot() -> Result<()> {
    with_rig(|rig| {
        two_containers(rig)?;
        // Everything that lives in memory goes at once: processes, interfaces, namespaces, sockets.
        rig.kuryr.kill(&rig.host)?;
        // One of them may end by itself before its turn, when the one that started it is gone.
        drop(rig.host.output(&[
            "busybox",
            "killall",
            "-9",
            "dockerd",
            "containerd",
            "containerd-shim-runc-v2",
            "sleep",
        ])?);
        rig.host.run(&["ip", "netns", "delete", "kuryr"])?;
        rig.host.run(&[
            "sh",
            "-c",
            "nft flush ruleset; rm -f /run/docker.pid /run/docker.sock /run/docker/plugins/*",
        ])?;
        rig.kuryr.start(&rig.host)?;
        rig.engine.start_again(&rig.host)?;
        rig.engine.docker(&["start", "one", "two"])?;
        let two = rig.engine.endpoint("two", "blue")?;
        rig.engine.ping("one", &two.address)?;
        ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
        rig.engine.docker(&["rm", "--force", "one", "two"])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        Ok(())
    })
}
