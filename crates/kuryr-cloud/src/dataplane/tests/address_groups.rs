//! Rules that name address groups.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_neutron::{AddressGroup, AddressGroupId, NewAddressGroup};
use serde_json::json;
use std::collections::BTreeSet;

async fn addresses(world: &World, ranges: &[String]) -> AddressGroup {
    let new: NewAddressGroup = read(json!({ "addresses": ranges }));
    world.write(move |txn, context| engine::address_group::create(txn, context, new)).await
}

fn set(ranges: &[String]) -> BTreeSet<ipnet::IpNet> {
    ranges.iter().map(|range| range.parse().unwrap()).collect()
}

async fn add(world: &World, id: AddressGroupId, ranges: &[String]) {
    let ranges = set(ranges);
    world.write(move |txn, context| engine::address_group::add_addresses(txn, context, id, &ranges)).await;
}

async fn remove(world: &World, id: AddressGroupId, ranges: &[String]) {
    let ranges = set(ranges);
    world.write(move |txn, context| engine::address_group::remove_addresses(txn, context, id, &ranges)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_lets_in_whom_its_address_group_has_at_the_time() {
    let world = World::new().await;
    let network = world.net("10.0.1.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let client = world
        .container(
            network.id,
            json!({"fixed_ips": [
        {"ip_address": "10.0.1.130"}, {"ip_address": "fd00:1::130"}]}),
        )
        .await;
    let other = world.container(network.id, json!({"fixed_ips": [{"ip_address": "10.0.1.20"}]})).await;
    let group = world.group().await;
    let server = world.container(network.id, json!({"security_groups": [group.id]})).await;
    let _echo = serve(&server.namespace, 80);
    let named = addresses(&world, &[]).await;
    for version in ["IPv4", "IPv6"] {
        let rule = json!({
            "direction": "ingress", "ethertype": version, "protocol": "tcp", "port_range_min": 80, "port_range_max": 80,
            "remote_address_group_id": named.id,
        });
        world.allow(&group, rule).await;
    }
    let (v4, v6) = (server.ip4().into(), server.ip6());
    assert_tcp(&client.namespace, v4, 80, false);

    // A single address, then a range beside it, then the other IP version.
    let host = ["10.0.1.130/32".to_owned()];
    add(&world, named.id, &host).await;
    assert_tcp(&client.namespace, v4, 80, true);
    assert_tcp(&other.namespace, v4, 80, false);
    assert_tcp(&client.namespace, v6, 80, false);
    let range = ["10.0.1.0/25".to_owned()];
    add(&world, named.id, &range).await;
    assert_tcp(&other.namespace, v4, 80, true);
    add(&world, named.id, &["fd00:1::/64".to_owned()]).await;
    assert_tcp(&client.namespace, v6, 80, true);

    // Who leaves is shut out at once, with what was open.
    let mut ending = connect(&client.namespace, v4, 80, true).unwrap();
    let mut staying = connect(&other.namespace, v4, 80, true).unwrap();
    remove(&world, named.id, &host).await;
    assert!(!still_open(&mut ending, false), "an open connection outlives its permission");
    assert!(still_open(&mut staying, true));
    assert_tcp(&client.namespace, v4, 80, false);
    remove(&world, named.id, &range).await;
    assert!(!still_open(&mut staying, false));
    assert_tcp(&other.namespace, v4, 80, false);
}
