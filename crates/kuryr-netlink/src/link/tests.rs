//! Links, addresses and routes against the kernel, in namespaces of the test's own.

use super::*;
use crate::Route;
use ipnet::IpNet;
use proptest::prelude::*;
use std::{os::fd::AsFd, time::Instant};

const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];

fn links() -> (Namespace, Links) {
    let namespace = Namespace::anonymous().unwrap();
    let links = Links::open_in(&namespace).unwrap();
    (namespace, links)
}

fn bridge(links: &mut Links, name: &str) -> Link {
    links.create_bridge(&BridgeSpec { name, mtu: 1450, ..BridgeSpec::default() }).unwrap();
    links.get(name).unwrap().unwrap()
}

fn veth<'a>(name: &'a str, peer: &'a str) -> VethSpec<'a> {
    VethSpec { name, mtu: 1400, peer: PeerSpec { name: peer, mtu: 1400, ..PeerSpec::default() }, ..VethSpec::default() }
}

#[test]
fn a_bridge_forwards_at_once_and_passes_netfilter_as_asked() {
    let (namespace, mut links) = links();
    let spec = BridgeSpec {
        name: "brq01234567-89",
        mtu: 1450,
        mac: Some(MAC),
        nf_call_iptables: true,
        nf_call_ip6tables: false,
        alias: Some("network web"),
    };
    links.create_bridge(&spec).unwrap();
    let link = links.get(spec.name).unwrap().unwrap();
    assert!(link.is("bridge") && link.up);
    assert_eq!((link.mtu, link.mac, link.alias.as_deref()), (1450, Some(MAC), Some("network web")));
    assert_eq!(links.by_index(link.index).unwrap(), Some(link));

    let details = ip(&namespace, &["-d", "link", "show", "dev", spec.name]);
    for expected in
        ["forward_delay 0 ", "stp_state 0 ", "mcast_snooping 0 ", "nf_call_iptables 1 ", "nf_call_ip6tables 0 "]
    {
        assert!(details.contains(expected), "{expected} not in {details}");
    }
    let error = links.create_bridge(&spec).unwrap_err();
    assert!(error.is_exists());
    assert!(error.to_string().starts_with("create bridge brq01234567-89: File exists (os error 17)"), "{error}");
}

#[test]
fn a_veth_is_born_bridged_with_its_peer_in_the_other_namespace() {
    let (_here, mut links) = links();
    let (there, mut other) = self::links();
    let bridge = bridge(&mut links, "br0");
    let started = Instant::now();
    let peer = PeerSpec { name: "t_c1", mtu: 1420, mac: Some(MAC), namespace: Some(there.as_fd()) };
    let spec = VethSpec {
        name: "tap1",
        mtu: 1430,
        mac: Some([0xfe, 0, 0, 0, 0, 1]),
        controller: Some(bridge.index),
        up: true,
        alias: Some("port 1"),
        peer,
    };
    links.create_veth(&spec).unwrap();
    println!("veth made in {:?}", started.elapsed());

    let tap = links.get("tap1").unwrap().unwrap();
    assert!(tap.is("veth") && tap.up && !tap.carrier, "{tap:?}");
    assert_eq!((tap.mtu, tap.mac, tap.controller), (1430, Some([0xfe, 0, 0, 0, 0, 1]), Some(bridge.index)));
    assert!(tap.peer_namespace_id.is_some());
    let peer = other.get("t_c1").unwrap().unwrap();
    assert!(peer.is("veth") && !peer.up);
    assert_eq!((peer.mtu, peer.mac, peer.controller), (1420, Some(MAC), None));
    assert_eq!((tap.peer_index, peer.peer_index), (Some(peer.index), Some(tap.index)));
    assert_eq!(other.addresses(peer.index).unwrap(), []);

    other.set(peer.index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    assert!(links.get("tap1").unwrap().unwrap().carrier);
    let error = links.create_veth(&spec).unwrap_err();
    assert!(error.is_exists() && error.to_string().starts_with("create veth tap1: File exists"), "{error}");

    links.delete(tap.index).unwrap();
    assert_eq!(other.get("t_c1").unwrap(), None);
    let error = links.delete(tap.index).unwrap_err();
    assert!(error.is_no_such_device() && error.is_not_found(), "{error}");
}

#[test]
fn a_refused_veth_leaves_nothing() {
    let (_here, mut links) = links();
    let before = links.list().unwrap();
    let spec = VethSpec { controller: Some(9999), ..veth("tap2", "t_c2") };
    let error = links.create_veth(&spec).unwrap_err();
    assert!(error.cause.errno().is_some(), "{error}");
    assert_eq!(links.list().unwrap(), before);
}

#[test]
fn a_link_is_changed_in_every_way() {
    let (namespace, mut links) = links();
    let (there, mut other) = self::links();
    let bridge = bridge(&mut links, "br0");
    links.create_veth(&veth("a", "b")).unwrap();
    let a = links.get("a").unwrap().unwrap();
    let change = LinkChange {
        up: Some(true),
        mtu: Some(1300),
        mac: Some(MAC),
        controller: Some(Some(bridge.index)),
        alias: Some("first"),
        isolated: Some(true),
        hairpin: Some(true),
        learning: Some(false),
        ..LinkChange::default()
    };
    links.set(a.index, &change).unwrap();
    let now = links.by_index(a.index).unwrap().unwrap();
    assert_eq!((now.up, now.mtu, now.mac, now.controller), (true, 1300, Some(MAC), Some(bridge.index)));
    assert_eq!(now.alias.as_deref(), Some("first"));
    let details = ip(&namespace, &["-d", "link", "show", "dev", "a"]);
    for expected in ["isolated on", "hairpin on", "learning off"] {
        assert!(details.contains(expected), "{expected} not in {details}");
    }

    let back = LinkChange { up: Some(false), controller: Some(None), name: Some("c"), ..LinkChange::default() };
    links.set(a.index, &back).unwrap();
    let now = links.get("c").unwrap().unwrap();
    assert_eq!((now.index, now.up, now.controller), (a.index, false, None));

    links.set(a.index, &LinkChange { namespace: Some(there.as_fd()), ..LinkChange::default() }).unwrap();
    assert_eq!(links.get("c").unwrap(), None);
    assert!(other.get("c").unwrap().is_some());
}

#[test]
fn deleting_by_name_twice_is_deleting_once() {
    let (_namespace, mut links) = links();
    links.create_veth(&veth("a", "b")).unwrap();
    assert!(links.delete_by_name("a").unwrap());
    assert!(!links.delete_by_name("a").unwrap());
    assert!(!links.delete_by_name("b").unwrap());
    assert!(!links.delete_by_name("no/such; rm -rf").unwrap());
}

#[test]
fn names_the_kernel_could_misread_are_refused_before_it_sees_them() {
    let (_namespace, mut links) = links();
    for name in ["", ".", "..", "a b", "a/b", "a:b", "sixteen-letters-", "veth%d", "a\0b"] {
        let error = links.create_veth(&veth(name, "peer")).unwrap_err();
        assert!(matches!(error.cause, Cause::Invalid(_)), "{name:?}: {error}");
        let error = links.create_veth(&veth("first", name)).unwrap_err();
        assert!(matches!(error.cause, Cause::Invalid(_)), "{name:?}: {error}");
    }
    assert_eq!(links.get("veth%d").unwrap(), None);
    let long = "x".repeat(256);
    let error = links.create_veth(&VethSpec { alias: Some(&long), ..veth("a", "b") }).unwrap_err();
    assert!(matches!(error.cause, Cause::Invalid(_)), "{error}");
}

#[test]
fn addresses_of_both_families_come_and_go() {
    let (_namespace, mut links) = links();
    let bridge = bridge(&mut links, "br0");
    let v4: IpNet = "192.0.2.1/24".parse().unwrap();
    let v6: IpNet = "2001:db8::1/64".parse().unwrap();
    for address in [v4, v6, v4, v6] {
        links.add_address(bridge.index, address).unwrap();
    }
    let there = links.addresses(bridge.index).unwrap();
    assert!(there.contains(&v4) && there.contains(&v6), "{there:?}");
    // Tentative addresses cannot be bound; without detection this one can at once.
    assert_eq!(there.iter().filter(|net| **net == v6).count(), 1);
    for address in [v4, v6, v4, v6] {
        links.delete_address(bridge.index, address).unwrap();
    }
    let there = links.addresses(bridge.index).unwrap();
    assert!(!there.contains(&v4) && !there.contains(&v6), "{there:?}");
    let error = links.add_address(9999, v4).unwrap_err();
    assert!(error.is_no_such_device(), "{error}");
}

#[test]
fn an_ipv6_address_is_usable_at_once() {
    let (namespace, mut links) = links();
    let bridge = bridge(&mut links, "br0");
    links.add_address(bridge.index, "2001:db8::5/64".parse().unwrap()).unwrap();
    namespace.run(|| std::net::UdpSocket::bind("[2001:db8::5]:0").unwrap()).unwrap();
}

#[test]
fn routes_of_both_families_come_change_and_go() {
    let (_namespace, mut links) = links();
    assert_eq!(links.routes().unwrap(), []);
    let index = bridge(&mut links, "br0").index;
    links.add_address(index, "192.0.2.1/24".parse().unwrap()).unwrap();
    links.add_address(index, "2001:db8::1/64".parse().unwrap()).unwrap();
    let route = |destination: &str, gateway: Option<&str>, index| Route {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|g| g.parse().unwrap()),
        index,
    };
    let default = route("0.0.0.0/0", Some("192.0.2.254"), None);
    let wanted = [
        route("198.51.100.0/24", Some("192.0.2.2"), Some(index)),
        route("203.0.113.0/24", None, Some(index)),
        route("::/0", Some("2001:db8::2"), Some(index)),
        route("2001:db8:1::/48", None, Some(index)),
    ];
    for wanted in wanted.iter().chain([&default]) {
        links.replace_route(wanted).unwrap();
        links.replace_route(wanted).unwrap();
    }
    let there = links.routes().unwrap();
    for wanted in &wanted {
        assert!(there.contains(wanted), "{wanted} not in {there:?}");
    }
    assert!(there.contains(&Route { index: Some(index), ..default }));
    assert!(there.contains(&route("192.0.2.0/24", None, Some(index))), "{there:?}");

    links.replace_route(&route("0.0.0.0/0", Some("192.0.2.253"), None)).unwrap();
    let defaults: Vec<_> =
        links.routes().unwrap().into_iter().filter(|r| r.destination == default.destination).collect();
    assert_eq!(defaults, [route("0.0.0.0/0", Some("192.0.2.253"), Some(index))]);

    for wanted in &wanted {
        links.delete_route(wanted).unwrap();
        links.delete_route(wanted).unwrap();
    }
    let there = links.routes().unwrap();
    assert!(wanted.iter().all(|route| !there.contains(route)), "{there:?}");
    let error = links.replace_route(&route("10.0.0.0/8", Some("10.9.9.9"), None)).unwrap_err();
    assert!(error.to_string().contains("replace route 10.0.0.0/8 via 10.9.9.9"), "{error}");
    assert!(error.to_string().contains("gateway"), "the kernel's own words are passed on: {error}");
}

#[test]
fn a_long_list_is_read_whole() {
    let (_namespace, mut links) = links();
    for n in 0..100 {
        links.create_bridge(&BridgeSpec { name: &format!("br{n}"), mtu: 1500, ..BridgeSpec::default() }).unwrap();
    }
    let list = links.list().unwrap();
    assert_eq!(list.iter().filter(|link| link.is("bridge")).count(), 100);
    assert!(list.iter().any(|link| link.name == "lo"));
}

proptest! {
    #[test]
    fn any_bytes_are_no_link_or_one_with_a_name(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut message = vec![0; 16];
        message.extend(&bytes);
        for payload in [&bytes, &message] {
            if let Some(link) = Link::parse(payload) {
                prop_assert!(!link.name.is_empty());
            }
        }
    }
}

/// iproute2's view, as an oracle.
fn ip(namespace: &Namespace, arguments: &[&str]) -> String {
    let output = namespace.run(|| std::process::Command::new("ip").args(arguments).output()).unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
