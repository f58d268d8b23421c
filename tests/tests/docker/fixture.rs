//! The private machine itself, proved with the engine's own bridge driver.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use kuryr_tests::{Host, World, with_host};

#[test]
fn containers_reach_each_other_and_the_outside() -> Result<()> {
    with_host(|host, engine| {
        engine.docker(&["network", "create", "--driver", "bridge", "--subnet", "10.99.0.0/24", "plain"])?;
        engine.container("one", "plain", &[])?;
        engine.container("two", "plain", &[])?;
        let two = engine.endpoint("two", "plain")?;
        engine.ping("one", &two.address)?;
        engine.serve("two", 80)?;
        ensure!(engine.fetch("one", &two.address, 80)? == "two");
        engine.ping("one", World::ADDRESS)?;

        let mirror = host.world()?.mirror(World::ADDRESS)?;
        let seen = engine.fetch("one", World::ADDRESS, mirror.address.port())?;
        let uplink: IpAddr = Host::ADDRESS.parse()?;
        ensure!(seen == uplink.to_string(), "the outside saw {seen}");
        ensure!(mirror.seen() == [uplink], "{:?}", mirror.seen());
        Ok(())
    })
}

#[test]
fn a_machine_leaves_nothing_behind() -> Result<()> {
    let mut name = String::new();
    let mut first = String::new();
    with_host(|host, engine| {
        name = host.name().to_owned();
        first = host.path("/run").display().to_string();
        engine.container("one", "bridge", &[])?;
        ensure!(std::path::Path::new(&first).exists());
        Ok(())
    })?;
    if name.is_empty() {
        return Ok(());
    }
    ensure!(!std::path::Path::new(&first).exists(), "{first} is still there");
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")?.flatten() {
        ensure!(!hierarchy.path().join(&name).exists(), "{name} is left in {}", hierarchy.path().display());
    }
    Ok(())
}
