//! Who claims to be another is not heard.

use super::{traffic::*, world::*};
use ipnet::IpNet;
use kuryr_netlink::{LinkChange, Links, Namespace};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sockopt};
use serde_json::json;
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

fn change_mac(namespace: &Namespace, mac: [u8; 6]) {
    let mut links = Links::open_in(namespace).unwrap();
    let index = links.get("eth0").unwrap().unwrap().index;
    links.set(index, &LinkChange { mac: Some(mac), ..LinkChange::default() }).unwrap();
}

fn add_address(namespace: &Namespace, address: &str) -> IpAddr {
    let mut links = Links::open_in(namespace).unwrap();
    let index = links.get("eth0").unwrap().unwrap().index;
    let net: IpNet = address.parse().unwrap();
    links.add_address(index, net).unwrap();
    net.addr()
}

/// Neighbours that a namespace has learnt.
fn neighbours(namespace: &Namespace) -> String {
    let output = namespace
        .run(|| {
            Command::new("ip").args(["neighbour", "show", "nud", "reachable", "nud", "stale", "nud", "delay"]).output()
        })
        .unwrap()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn false_addresses_are_dropped_unless_they_are_allowed() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let body = || json!({"security_groups": [group.id]});
    let victim = world.container(network.id, body()).await;
    let liar = world.container(network.id, body()).await;
    let mut pairs = body();
    pairs["allowed_address_pairs"] = json!([{"ip_address": "10.0.0.192/26"}]);
    let trusted = world.container(network.id, pairs).await;
    let mut insecure = json!({"port_security_enabled": false, "security_groups": []});
    insecure["name"] = json!("insecure");
    let insecure = world.container(network.id, insecure).await;
    let _server = serve(&victim.namespace, 53);
    let ip = victim.ip();
    for container in [&liar, &trusted, &insecure] {
        assert!(udp(&container.namespace, None, ip, 53, true), "with its own address");
    }

    // IPv4 and ARP: the neighbour is known from before, so the datagram is what is dropped, and the answer to ARP is too.
    let false_ip = add_address(&liar.namespace, "10.0.0.99/24");
    assert!(!udp(&liar.namespace, Some(false_ip), ip, 53, false), "IPv4");
    assert!(!udp(&victim.namespace, None, false_ip, 53, false), "it cannot make itself found either");
    assert!(!neighbours(&victim.namespace).contains("10.0.0.99"), "ARP:\n{}", neighbours(&victim.namespace));
    let allowed_ip = add_address(&trusted.namespace, "10.0.0.200/24");
    assert!(udp(&trusted.namespace, Some(allowed_ip), ip, 53, true), "an allowed address pair");
    let outside_pair = add_address(&trusted.namespace, "10.0.0.100/24");
    assert!(!udp(&trusted.namespace, Some(outside_pair), ip, 53, false), "beside the pair");
    let free_ip = add_address(&insecure.namespace, "10.0.0.98/24");
    assert!(udp(&insecure.namespace, Some(free_ip), ip, 53, true), "without port security");

    // IPv6: a neighbour advertisement of an address that is not its own.
    let false6 = add_address(&liar.namespace, "fd00:9::99/64");
    let target6 = add_address(&victim.namespace, "fd00:9::1/64");
    assert!(!udp(&liar.namespace, Some(false6), target6, 53, false), "IPv6");
    assert!(!neighbours(&victim.namespace).contains("fd00:9::99"), "ND:\n{}", neighbours(&victim.namespace));

    // Ethernet: not even its own IP address helps.
    change_mac(&liar.namespace, [0xfa, 0x16, 0x3e, 0xee, 0xee, 0xee]);
    assert!(!udp(&liar.namespace, None, ip, 53, false), "MAC");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_a_port_that_is_down_or_an_interface_nobody_knows() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    let body = || json!({"security_groups": [group.id]});
    let (one, two) = (world.container(network.id, body()).await, world.container(network.id, body()).await);
    assert_ping(&one.namespace, two.ip(), true);
    let id = two.port.id;
    let down = |up: bool| read(json!({"admin_state_up": up}));
    let update = down(false);
    world.write(move |txn, context| crate::engine::port::update(txn, context, id, update, None)).await;
    assert_ping(&one.namespace, two.ip(), false);
    assert_ping(&two.namespace, one.ip(), false);
    let update = down(true);
    world.write(move |txn, context| crate::engine::port::update(txn, context, id, update, None)).await;
    assert_ping(&one.namespace, two.ip(), true);
    // Its port goes, its interface stays for a while: from now on it is nobody's.
    world.write(move |txn, context| crate::engine::port::delete(txn, context, id)).await;
    assert_ping(&one.namespace, two.ip(), false);
    assert_ping(&two.namespace, one.ip(), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_with_the_same_addresses_know_nothing_of_each_other() {
    let world = World::new().await;
    let group = world.group().await;
    let rule = world.allow(&group, json!({"direction": "ingress"})).await;
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let network = world.net("10.0.0.0/24").await;
        let port = |ip: &str| json!({"fixed_ips": [{"ip_address": ip}], "security_groups": [group.id]});
        let a = world.container(network.id, port("10.0.0.10")).await;
        let b = world.container(network.id, port("10.0.0.11")).await;
        pairs.push((a, b));
    }
    let _first = serve(&pairs[0].1.namespace, 80);
    assert_tcp(&pairs[0].0.namespace, pairs[0].1.ip(), 80, true);
    // The same addresses, another host: nobody listens there, and the first one's connection is not its own.
    assert_tcp(&pairs[1].0.namespace, pairs[1].1.ip(), 80, false);
    let mut stream = connect(&pairs[0].0.namespace, pairs[0].1.ip(), 80, true).unwrap();
    assert!(still_open(&mut stream, true));
    for (a, b) in &pairs {
        assert_ping(&a.namespace, b.ip(), true);
    }
    world.forbid(&rule).await;
    assert!(!still_open(&mut stream, false));
}

const ANSWER: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn no_container_plays_dhcp_server_or_router() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let body = || json!({"security_groups": [group.id]});
    let victim = world.container(network.id, body()).await;
    let liar = world.container(network.id, body()).await;

    // What may be sent is sent last, and comes alone.
    for (ip, server, client) in [(IpAddr::from(victim.ip4()), 67, 68), (victim.ip6(), 547, 546)] {
        let any = |port| SocketAddr::new(if ip.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }, port);
        let receiver = victim.namespace.run(|| UdpSocket::bind(any(client))).unwrap().unwrap();
        receiver.set_read_timeout(Some(ANSWER)).unwrap();
        for port in [server, 1067] {
            let sender = liar.namespace.run(|| UdpSocket::bind(any(port))).unwrap().unwrap();
            sender.send_to(b"lease", (ip, client)).unwrap();
        }
        assert_eq!(receiver.recv_from(&mut [0; 8]).unwrap().1.port(), 1067, "DHCP to {ip}");
    }
    let raw = |namespace: &Namespace| {
        let open = || rustix::net::socket(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6));
        namespace.run(open).unwrap().unwrap()
    };
    let (receiver, sender) = (raw(&victim.namespace), raw(&liar.namespace));
    sockopt::set_socket_timeout(&receiver, sockopt::Timeout::Recv, Some(ANSWER)).unwrap();
    let (advertisement, echo) = (134, 128);
    for kind in [advertisement, echo] {
        let to = SocketAddr::new(victim.ip6(), 0);
        rustix::net::sendto(&sender, &[kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SendFlags::empty(), &to)
            .unwrap();
    }
    let mut message = [0_u8; 64];
    while message[0] != echo {
        rustix::net::recv(&receiver, &mut message[..], RecvFlags::empty()).unwrap();
        assert_ne!(message[0], advertisement, "a router's advertisement");
    }
}
