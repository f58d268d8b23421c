//! Who has an address now is known to its neighbours at once.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_netlink::sysctl;
use kuryr_neutron::Status;
use serde_json::json;
use std::{net::IpAddr, process::Command, time::Instant};

/// For as long as an address may be tentative, on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// True as soon as it answers: an IPv6 address does so once the kernel has seen that nobody else has it.
fn answers(from: &Container, to: IpAddr) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut pinger = Pinger::new(&from.namespace, to);
    while Instant::now() < end {
        if pinger.ping(false) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_used_again_is_reached_by_who_remembers_the_former_holder() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00::/64").await;
    let neighbour = world.container(network.id, json!({})).await;
    // It believes what it knows for as long as this test may take.
    for family in ["ipv4", "ipv6"] {
        let setting = format!("net.{family}.neigh.eth0.base_reachable_time_ms");
        sysctl::write(&neighbour.namespace, &setting, "3600000").unwrap();
    }
    let former = world.container(network.id, json!({})).await;
    let (ip4, ip6) = (IpAddr::V4(former.ip4()), former.ip6());
    assert!(answers(&neighbour, ip4) && answers(&neighbour, ip6), "the former holder");
    let (id, mac) = (former.port.id, former.port.mac_address);
    drop(former);
    world.write(move |txn, context| engine::port::delete(txn, context, id)).await;
    let same = json!({"fixed_ips": [{"ip_address": ip4}, {"ip_address": ip6}]});
    let holder = world.container(network.id, same).await;
    assert_ne!(holder.port.mac_address, mac);
    world.status(holder.port.id, Status::Active).await;
    assert_ping(&neighbour.namespace, ip4, true);
    assert!(answers(&neighbour, ip6), "the new holder by IPv6");
    // It has heard nothing that it would take for another holder.
    let addresses = holder.namespace.run(|| Command::new("ip").args(["-6", "address"]).output()).unwrap().unwrap();
    let addresses = String::from_utf8(addresses.stdout).unwrap();
    assert!(addresses.contains(&ip6.to_string()) && !addresses.contains("dadfailed"), "{addresses}");
}
