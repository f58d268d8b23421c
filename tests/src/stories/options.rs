//! Options of `docker network create`, and networks without a way out.

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Subnet};
use serde_json::json;

use crate::Rig;

/// `--aux-address`: no container gets it, also when it is the last one that is free.
pub fn auxiliary(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    let range = ["--subnet", "10.10.0.0/29", "--gateway", "10.10.0.1"];
    rig.create_network("blue", &[&range[..], &["--aux-address", "router=10.10.0.3"]].concat())?;
    let mut addresses = Vec::new();
    for name in ["one", "two", "three", "four"] {
        rig.engine.container(name, "blue", &[])?;
        addresses.push(rig.engine.endpoint(name, "blue")?.address);
    }
    addresses.sort();
    ensure!(addresses == ["10.10.0.2", "10.10.0.4", "10.10.0.5", "10.10.0.6"], "{addresses:?}");
    let run = ["run", "-d", "--name", "five", "--network", "blue"];
    rig.engine.refused(&[&run[..], &["kuryr-busybox", "sleep", "9"]].concat())?;
    rig.engine.docker(&["rm", "--force", "five", "four"])?;
    let told = rig.engine.refused(&[&run[..], &["--ip", "10.10.0.3", "kuryr-busybox", "sleep", "9"]].concat())?;
    ensure!(told.contains("10.10.0.3"), "the error does not name the address: {told}");
    rig.engine.docker(&["rm", "--force", "one", "two", "three", "five"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

/// Two containers that reach each other and have no way out.
fn talk_but_stay(rig: &Rig) -> Result<()> {
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "blue", &[])?;
    let two = rig.engine.endpoint("two", "blue")?;
    ensure!(two.gateway.is_empty(), "{two:?}");
    rig.ping("one", &two.address)?;
    let routes = rig.engine.exec("one", &["ip", "route"])?;
    ensure!(!routes.contains("default"), "{routes}");
    let links = rig.engine.exec("one", &["ip", "-o", "link"])?;
    ensure!(!links.contains("eth1"), "Docker added a way out: {links}");
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"]).map(drop)
}

/// `--internal`: no gateway in the containers, although the subnet has one.
pub fn internal(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    rig.create_network("blue", &["--internal", "--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    talk_but_stay(rig)?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

/// An existing subnet that has no gateway.
pub fn without_gateway(rig: &mut Rig) -> Result<()> {
    let network: Network = rig.cloud.make(json!({ "name": "mine" }))?;
    let subnet: Subnet = rig.cloud.make(json!({
        "name": "my-subnet", "network_id": network.id, "ip_version": 4, "cidr": "10.30.0.0/24", "gateway_ip": null,
    }))?;
    let before = rig.cloud.inventory()?;
    let (net, sub) = (format!("neutron.net.uuid={}", network.id), format!("neutron.subnet.uuid={}", subnet.id));
    rig.create_network("blue", &["--subnet", "10.30.0.0/24", "-o", &net, "-o", &sub, "--ipam-opt", &sub])?;
    talk_but_stay(rig)?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}
