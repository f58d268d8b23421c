//! What passes between containers of one network.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_neutron::{SecurityGroup, Status};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn groups_decide_and_replies_pass() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let group = world.group().await;
    let web = world.container(network.id, json!({"security_groups": [group.id]})).await;
    let client = world.container(network.id, json!({})).await;
    world.status(web.port.id, Status::Active).await;
    let _server = serve(&web.namespace, 80);
    let (ip4, ip6) = (web.ip4().into(), web.ip6());

    for ip in [ip4, ip6] {
        assert_ping(&client.namespace, ip, false);
        assert_tcp(&client.namespace, ip, 80, false);
        assert_udp(&client.namespace, ip, 80, false);
    }
    let open = world
        .allow(&group, json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}))
        .await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6", "protocol": "udp", "port_range_min": 70, "port_range_max": 90})).await;
    world.allow(&group, json!({"direction": "ingress", "protocol": "icmp"})).await;
    assert_tcp(&client.namespace, ip4, 80, true);
    assert_udp(&client.namespace, ip4, 80, false);
    assert_ping(&client.namespace, ip4, true);
    assert_tcp(&client.namespace, ip6, 80, false);
    assert_udp(&client.namespace, ip6, 80, true);
    assert_ping(&client.namespace, ip6, false);

    // A rule that goes takes its open connections along, and no others.
    let mut stream = connect(&client.namespace, ip4, 80, true).unwrap();
    let mut pinger = Pinger::new(&client.namespace, ip4);
    assert!(still_open(&mut stream, true) && pinger.ping(true));
    world.forbid(&open).await;
    assert!(!still_open(&mut stream, false), "its rule has gone");
    assert!(pinger.ping(true), "its rule is still there");
    assert_tcp(&client.namespace, ip4, 80, false);
}

/// A group that allows nothing, not even what Neutron gives each new one.
async fn empty_group(world: &World) -> SecurityGroup {
    let group = world.group().await;
    let rules = world.engine.read(|s| s.rules_of_group(group.id).map(|r| r.id).collect::<Vec<_>>());
    for rule in rules {
        world.write(move |txn, context| engine::security_group_rule::delete(txn, context, rule)).await;
    }
    group
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_rule_opens_what_it_says_and_no_more() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let (all, none) = (world.group().await, empty_group(&world).await);
    world.allow(&all, json!({"direction": "ingress"})).await;
    world.allow(&all, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let mut body = json!({"security_groups": [all.id]});
    body["allowed_address_pairs"] = json!([{"ip_address": "10.0.0.128/25"}]);
    let open = world.container(network.id, body).await;
    let other = world.container(network.id, json!({"security_groups": []})).await;
    let shut = world.container(network.id, json!({"security_groups": [none.id]})).await;
    let _servers = [&open, &shut].map(|c| [80, 81, 82].map(|port| serve(&c.namespace, port)));

    type Probe<'a> = Box<dyn Fn(bool) -> bool + 'a>;
    let tcp = |from: &'_ Container, to: IpAddr, port: u16| -> Probe<'_> {
        let namespace = from.namespace.try_clone().unwrap();
        Box::new(move |expected| connect(&namespace, to, port, expected).is_some())
    };
    let ping = |from: &'_ Container, to: IpAddr| -> Probe<'_> {
        let namespace = from.namespace.try_clone().unwrap();
        Box::new(move |expected| Pinger::new(&namespace, to).ping(expected))
    };
    let (open4, open6, shut4, shut6) = (open.ip4().into(), open.ip6(), shut.ip4().into(), shut.ip6());
    let ingress = |more: Value| (json!({"direction": "ingress"}), more);
    let egress = |more: Value| (json!({"direction": "egress"}), more);
    let range = json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 81});
    // A rule, what it opens, what stays shut.
    let cases: Vec<((Value, Value), Probe<'_>, Probe<'_>)> = vec![
        (ingress(range.clone()), tcp(&open, shut4, 81), tcp(&open, shut4, 82)),
        (egress(range), tcp(&shut, open4, 81), tcp(&shut, open4, 82)),
        (ingress(json!({"remote_ip_prefix": format!("{open4}/32")})), tcp(&open, shut4, 80), ping(&other, shut4)),
        (egress(json!({"remote_ip_prefix": "10.0.0.0/24"})), tcp(&shut, open4, 80), tcp(&shut, open6, 80)),
        (
            egress(json!({"remote_ip_prefix": "fd00:1::/64", "ethertype": "IPv6"})),
            ping(&shut, open6),
            ping(&shut, open4),
        ),
        (ingress(json!({"remote_group_id": all.id})), tcp(&open, shut4, 80), ping(&other, shut4)),
        (ingress(json!({"remote_group_id": all.id, "ethertype": "IPv6"})), ping(&open, shut6), ping(&open, shut4)),
        (egress(json!({"remote_group_id": all.id})), ping(&shut, open4), ping(&shut, open6)),
        (
            ingress(json!({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0})),
            ping(&open, shut4),
            tcp(&open, shut4, 80),
        ),
        (
            ingress(json!({"protocol": "ipv6-icmp", "port_range_min": 128, "ethertype": "IPv6"})),
            ping(&open, shut6),
            tcp(&open, shut6, 80),
        ),
        (egress(json!({"protocol": "icmp", "port_range_min": 8})), ping(&shut, open4), tcp(&shut, open4, 80)),
    ];
    for ((direction, mut rule), opens, stays_shut) in cases {
        assert!(!opens(false), "before {direction} {rule}");
        rule.as_object_mut().unwrap().extend(direction.as_object().unwrap().clone());
        let created = world.allow(&none, rule.clone()).await;
        assert!(opens(true), "with {rule}");
        assert!(!stays_shut(false), "beside {rule}");
        world.forbid(&created).await;
        assert!(!opens(false), "after {rule}");
    }

    // A range among a group's addresses counts as its addresses do.
    let mut links = kuryr_netlink::Links::open_in(&open.namespace).unwrap();
    let index = links.get("eth0").unwrap().unwrap().index;
    links.add_address(index, "10.0.0.200/24".parse().unwrap()).unwrap();
    let far = Some("10.0.0.200".parse().unwrap());
    assert!(!udp(&open.namespace, far, shut4, 80, false));
    world.allow(&none, json!({"direction": "ingress", "remote_group_id": all.id})).await;
    assert!(udp(&open.namespace, far, shut4, 80, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_side_cannot_keep_a_forbidden_connection_alive() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    let (all, web) = (world.group().await, world.group().await);
    world.allow(&all, json!({"direction": "ingress"})).await;
    let rule = world.allow(&web, json!({"direction": "ingress", "protocol": "tcp"})).await;
    let server = world.container(network.id, json!({"security_groups": [web.id]})).await;
    // The client may be spoken to by anyone: what the server sends could pass for a new connection.
    let client = world.container(network.id, json!({"security_groups": [all.id]})).await;
    let listener = server.namespace.run(|| TcpListener::bind("0.0.0.0:80")).unwrap().unwrap();
    let mut near = connect(&client.namespace, server.ip(), 80, true).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"1").unwrap();
    let mut byte = [0];
    near.read_exact(&mut byte).unwrap();
    world.forbid(&rule).await;
    far.write_all(b"2").unwrap();
    near.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    assert!(near.read_exact(&mut byte).is_err(), "it lives on");
}
