//! Through a router to the outside, by translated addresses.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use kuryr_tests::stories::overlapping::overlapping;
use kuryr_tests::{Host, World, until, with_rig};

#[test]
fn containers_reach_the_outside_by_the_machines_address() -> Result<()> {
    with_rig(|rig| {
        let before = rig.cloud.inventory()?;
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        let mirror = rig.host.world()?.mirror(World::ADDRESS)?;
        let port = mirror.address.port();
        ensure!(!rig.engine.reaches("one", World::ADDRESS, port)?, "the outside is reached without a router");

        let subnet = rig.cloud.subnet("10.10.0.0/24")?.id;
        let edge = rig.cloud.router(&[subnet])?;
        rig.engine.ping("one", World::ADDRESS)?;
        let uplink: IpAddr = Host::ADDRESS.parse()?;
        ensure!(rig.engine.fetch("one", World::ADDRESS, port)? == uplink.to_string());
        ensure!(mirror.seen() == [uplink], "{:?}", mirror.seen());

        rig.engine.docker(&["rm", "--force", "one"])?;
        rig.cloud.remove_router(&edge, &[subnet])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        let after = rig.cloud.inventory()?;
        ensure!(after == before, "before: {before:?}; after: {after:?}");
        until("the kernel to be clean", || {
            let left = rig.kernel()?;
            ensure!(left.is_empty(), "{left:?}");
            let rules = rig.host.run(&["nft", "list", "ruleset"])?;
            ensure!(!rules.contains("172.24.4"), "{rules}");
            Ok(())
        })
    })
}

#[test]
fn a_router_joins_two_networks() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.create_network("red", &["--subnet", "10.20.0.0/24", "--gateway", "10.20.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        rig.engine.container("two", "red", &[])?;
        let two = rig.engine.endpoint("two", "red")?;
        rig.engine.serve("two", 80)?;
        ensure!(!rig.engine.reaches("one", &two.address, 80)?);
        rig.cloud.router(&[rig.cloud.subnet("10.10.0.0/24")?.id, rig.cloud.subnet("10.20.0.0/24")?.id])?;
        // The container's kernel may still be waiting for the answer of a gateway that was not there: its first packet is
        // lost with that.
        until("the gateway to be found", || rig.engine.ping("one", &two.address))?;
        ensure!(rig.engine.fetch("one", &two.address, 80)? == "two");
        Ok(())
    })
}

#[test]
fn networks_with_the_same_addresses() -> Result<()> {
    with_rig(overlapping)
}
