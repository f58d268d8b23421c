//! Two networks with the same addresses, side by side and to the outside.

use anyhow::{Result, ensure};
use kuryr_neutron::{FloatingIp, Router, RouterInterface};
use serde_json::json;

use super::floating::{answers, public};
use crate::Rig;

/// The two networks.
const NETWORKS: [&str; 2] = ["blue", "green"];
const CIDR: &[&str] = &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];
/// In both, a client and a server.
const CLIENT: &str = "10.10.0.5";
const SERVER: &str = "10.10.0.6";

/// Everybody reaches those of the own network, and the others only by their floating IPs.
pub fn overlapping(rig: &mut Rig) -> Result<()> {
    for network in NETWORKS {
        rig.create_network(network, CIDR)?;
        rig.engine.container(&format!("{network}-client"), network, &["--ip", CLIENT])?;
        rig.engine.container(&format!("{network}-server"), network, &["--ip", SERVER, "--expose", "80"])?;
        rig.engine.serve(&format!("{network}-server"), 80)?;
    }
    rig.engine.container("blue-only", "blue", &["--ip", "10.10.0.7", "--expose", "80"])?;
    rig.engine.serve("blue-only", 80)?;
    within(rig)?;

    let outside = public(rig)?.id;
    let mut edges = Vec::new();
    for network in NETWORKS {
        let port = rig.port(&format!("{network}-server"), network)?;
        let router: Router = rig.cloud.make(json!({
            "name": format!("edge-{network}"), "external_gateway_info": { "network_id": outside },
        }))?;
        let interface = RouterInterface { subnet_id: Some(port.fixed_ips[0].subnet_id), ..Default::default() };
        rig.cloud.call(async |neutron| neutron.add_router_interface(router.id, interface).await)?;
        let floating_ip: FloatingIp = rig.cloud.make(json!({ "floating_network_id": outside, "port_id": port.id }))?;
        ensure!(floating_ip.fixed_ip_address.is_some_and(|ip| ip.to_string() == SERVER), "{floating_ip:?}");
        edges.push((network, router, interface, floating_ip));
    }
    for (network, _, _, floating_ip) in &edges {
        answers(rig, floating_ip.floating_ip_address, 80, &format!("{network}-server"))?;
    }
    // Through its own router and the other's, to the address that it knows as a neighbour's.
    for (client, (server, _, _, floating_ip)) in NETWORKS.into_iter().rev().zip(&edges) {
        let address = floating_ip.floating_ip_address.to_string();
        crate::until("the other network's server to answer", || {
            let told = rig.engine.fetch(&format!("{client}-client"), &address, 80)?;
            ensure!(told == format!("{server}-server"), "{client} asked {address}, and {told:?} answers");
            Ok(())
        })?;
    }
    within(rig)?;

    for (_, router, interface, floating_ip) in edges {
        rig.cloud.delete::<FloatingIp>(floating_ip.id)?;
        rig.cloud.call(async |neutron| neutron.remove_router_interface(router.id, interface).await)?;
        rig.cloud.delete::<Router>(router.id)?;
    }
    // One goes, and the other does not notice.
    rig.engine.docker(&["rm", "--force", "blue-client", "blue-server", "blue-only"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.engine.fetch("green-client", SERVER, 80)? == "green-server");
    rig.engine.docker(&["rm", "--force", "green-client", "green-server"])?;
    rig.engine.docker(&["network", "rm", "green"])?;
    Ok(())
}

/// Each network has its own of an address, and nobody is seen from the other one.
fn within(rig: &Rig) -> Result<()> {
    for network in NETWORKS {
        let client = format!("{network}-client");
        rig.ping(&client, SERVER)?;
        rig.ping(&format!("{network}-server"), CLIENT)?;
        let told = rig.engine.fetch(&client, SERVER, 80)?;
        ensure!(told == format!("{network}-server"), "{client} asked {SERVER}, and {told:?} answers");
    }
    ensure!(rig.engine.fetch("blue-client", "10.10.0.7", 80)? == "blue-only");
    ensure!(!rig.engine.reaches("green-client", "10.10.0.7", 80)?, "green sees what is in blue");
    Ok(())
}
