//! Processes go and come back; the containers do not notice.

use anyhow::{Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use kuryr_tests::stories::restart;
use kuryr_tests::with_rig;

#[test]
fn containers_lose_no_packet_when_the_process_is_killed_and_started_again() -> Result<()> {
    with_rig(restart::process_killed)
}

#[test]
fn containers_lose_no_packet_when_the_process_is_stopped_in_order() -> Result<()> {
    with_rig(restart::process_stopped)
}

#[test]
fn a_restart_of_the_engine_finds_its_networks_again() -> Result<()> {
    with_rig(restart::engine_restart)
}

#[test]
fn an_engine_that_died_with_its_containers_ends_what_they_had() -> Result<()> {
    with_rig(restart::dead_sandbox)
}

#[test]
fn containers_start_again_after_a_reboot() -> Result<()> {
    with_rig(|rig| {
        restart::two_containers(rig)?;
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
