//! Networks and subnets that were there before Docker came, and stay when it goes.

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Subnet};
use kuryr_openstack::Query;
use serde_json::json;

use crate::Rig;

const CREATE: &[&str] = &["--subnet", "10.30.0.0/24", "--gateway", "10.30.0.1"];

fn prepare(rig: &Rig) -> Result<(Network, Subnet)> {
    let network: Network = rig.cloud.make(json!({ "name": rig.own("mine"), "mtu": 1400 }))?;
    let subnet: Subnet = rig.cloud.make(json!({
        "name": rig.own("my-subnet"), "network_id": network.id, "ip_version": 4, "cidr": "10.30.0.0/24", "gateway_ip": "10.30.0.1",
    }))?;
    Ok((network, subnet))
}

/// Use it from Docker, remove it from Docker; it must be as it was.
fn use_and_leave(rig: &Rig, network: &Network, subnet: &Subnet, options: &[&str]) -> Result<()> {
    let before = rig.cloud.inventory()?;
    rig.create_network("blue", &[CREATE, options].concat())?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "blue", &[])?;
    let two = rig.engine.endpoint("two", "blue")?;
    let port = rig.cloud.port_by_mac(&two.mac)?;
    ensure!(port.network_id == network.id && port.fixed_ips[0].subnet_id == subnet.id, "{port:?}");
    rig.ping("one", &two.address)?;
    let inside = rig.engine.exec("two", &["ip", "link", "show", "eth0"])?;
    let outside = rig.host_interface(&port)?;
    ensure!(inside.contains(" mtu 1400 ") && outside.contains(" mtu 1400 "), "{inside} {outside}");
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    let left: Network = rig.cloud.one(&Query::new().eq("id", network.id))?;
    ensure!(left.name == network.name && left.tags == network.tags, "before: {network:?}; after: {left:?}");
    let left: Subnet = rig.cloud.one(&Query::new().eq("id", subnet.id))?;
    ensure!(left.name == subnet.name && left.tags == subnet.tags, "before: {subnet:?}; after: {left:?}");
    Ok(())
}

/// Named by their ids.
pub fn by_uuid(rig: &mut Rig) -> Result<()> {
    let (network, subnet) = prepare(rig)?;
    let net = format!("neutron.net.uuid={}", network.id);
    let sub = format!("neutron.subnet.uuid={}", subnet.id);
    use_and_leave(rig, &network, &subnet, &["-o", &net, "-o", &sub, "--ipam-opt", &sub])
}

/// Named by their names.
pub fn by_name(rig: &mut Rig) -> Result<()> {
    let (network, subnet) = prepare(rig)?;
    let net = format!("neutron.net.name={}", network.name);
    let sub = format!("neutron.subnet.name={}", subnet.name);
    let options = ["-o", &net, "-o", &sub, "--ipam-opt", &sub];
    use_and_leave(rig, &network, &subnet, &options)
}

/// Nobody says what the gateway is: it is the subnet's own, which is not the first address.
pub fn its_gateway(rig: &mut Rig) -> Result<()> {
    const GATEWAY: &str = "10.30.0.254";
    let network: Network = rig.cloud.make(json!({ "name": rig.own("mine") }))?;
    let subnet: Subnet = rig.cloud.make(json!({
        "name": rig.own("my-subnet"), "network_id": network.id, "ip_version": 4, "cidr": "10.30.0.0/24",
        "gateway_ip": GATEWAY,
    }))?;
    let before = rig.cloud.inventory()?;
    let sub = format!("neutron.subnet.uuid={}", subnet.id);
    rig.create_network("blue", &["--subnet", "10.30.0.0/24", "-o", &sub, "--ipam-opt", &sub])?;
    rig.engine.container("one", "blue", &[])?;
    let told = rig.engine.endpoint("one", "blue")?.gateway;
    let routes = rig.engine.exec("one", &["ip", "route"])?;
    ensure!(told == GATEWAY && routes.contains(&format!("default via {GATEWAY} ")), "{told}: {routes}");
    rig.engine.docker(&["rm", "--force", "one"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

/// Under two networks of Docker.
pub fn shared(rig: &mut Rig) -> Result<()> {
    let (network, subnet) = prepare(rig)?;
    let sub = format!("neutron.subnet.uuid={}", subnet.id);
    let net = format!("neutron.net.uuid={}", network.id);
    let options = ["-o", net.as_str(), "-o", &sub, "--ipam-opt", &sub];
    rig.create_network("blue", &[CREATE, &options].concat())?;
    rig.create_network("red", &[CREATE, &options].concat())?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    rig.engine.container("one", "red", &[])?;
    rig.engine.container("two", "red", &[])?;
    rig.ping("one", &rig.engine.endpoint("two", "red")?.address)
}

/// What does not exist is refused by its name.
pub fn missing(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
    for option in ["neutron.net.name=nowhere", "neutron.net.uuid=00000000-0000-0000-0000-00000000dead"] {
        let told = rig.engine.refused(&[&create[..], CREATE, &["-o", option, "blue"]].concat())?;
        ensure!(told.contains(option.split('=').nth(1).unwrap_or_default()), "{option}: {told}");
        let after = rig.cloud.inventory()?;
        ensure!(after == before, "{option}: before: {before:?}; after: {after:?}");
    }
    Ok(())
}
