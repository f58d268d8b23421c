//! Compiled rules against Neutron's semantics, packet by packet.

use super::{
    evaluate::{Above, Content, Frame, State, trace},
    *,
};
use crate::{
    dataplane::desired::Desired,
    engine::{Change, NetworkRecord, State as Rows},
};
use kuryr_neutron::{
    Direction, Ethertype, HostId, MacAddr, NetworkId, Port, PortId, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, SubnetId,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};
use uuid::Uuid;

const HOST: &str = "here";
const PORTS: u128 = 4;
const GROUPS: u128 = 3;

fn port_id(n: u128) -> PortId {
    PortId(Uuid::from_u128(n << 96))
}
fn group_id(n: u128) -> SecurityGroupId {
    SecurityGroupId(Uuid::from_u128(n << 96))
}
fn network_id() -> NetworkId {
    NetworkId(Uuid::from_u128(7 << 96))
}
fn mac(n: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, n])
}
fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}
fn v6(n: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n.into()).into()
}

fn some_port(n: u128) -> impl Strategy<Value = Port> {
    let pairs = vec(
        select(vec![
            json!({"ip_address": "10.0.0.200"}),
            json!({"ip_address": "10.0.0.64/26"}),
            json!({"ip_address": "10.0.0.3", "mac_address": "fa:16:3e:00:00:07"}),
            json!({"ip_address": "fd00::100/120"}),
        ]),
        0..3,
    );
    (prop::bool::weighted(0.9), prop::bool::weighted(0.9), vec(0..GROUPS, 0..3), pairs, any::<bool>()).prop_map(
        move |(up, secure, groups, pairs, dual)| {
            let octet = u8::try_from(n + 1).unwrap();
            let subnet = SubnetId(Uuid::from_u128(9));
            let mut fixed = vec![json!({"subnet_id": subnet, "ip_address": v4(octet)})];
            if dual {
                fixed.push(json!({"subnet_id": subnet, "ip_address": v6(octet)}));
            }
            serde_json::from_value(json!({
                "id": port_id(n), "network_id": network_id(), "mac_address": mac(octet), "fixed_ips": fixed,
                "admin_state_up": up, "port_security_enabled": secure, "allowed_address_pairs": pairs,
                "security_groups": groups.into_iter().map(group_id).collect::<Vec<_>>(), "binding:host_id": HOST,
            }))
            .unwrap()
        },
    )
}

fn some_rule(n: u128) -> impl Strategy<Value = SecurityGroupRule> {
    let service = select(vec![
        (json!(null), json!(null), json!(null)),
        (json!("tcp"), json!(null), json!(null)),
        (json!("tcp"), json!(80), json!(80)),
        (json!("udp"), json!(50), json!(90)),
        (json!("icmp"), json!(null), json!(null)),
        (json!("icmp"), json!(8), json!(null)),
        (json!("icmp"), json!(3), json!(1)),
        (json!("ipv6-icmp"), json!(128), json!(0)),
        (json!("47"), json!(null), json!(null)),
    ]);
    let remote = select(vec![
        json!({}),
        json!({"remote_ip_prefix": "10.0.0.0/30"}),
        json!({"remote_ip_prefix": "0.0.0.0/0"}),
        json!({"remote_ip_prefix": "fd00::2/128"}),
        json!({"remote_ip_prefix": "::/0"}),
        json!({"remote_group_id": group_id(0)}),
        json!({"remote_group_id": group_id(1)}),
        json!({"remote_group_id": group_id(2)}),
    ]);
    let way = (select(vec!["ingress", "egress"]), select(vec!["IPv4", "IPv6"]));
    (0..GROUPS, way, service, remote).prop_map(move |(group, (direction, version), (protocol, min, max), remote)| {
        let mut rule = json!({
            "id": SecurityGroupRuleId(Uuid::from_u128(n)), "security_group_id": group_id(group),
            "direction": direction, "ethertype": version, "protocol": protocol,
            "port_range_min": min, "port_range_max": max,
        });
        rule.as_object_mut().unwrap().extend(remote.as_object().unwrap().clone());
        serde_json::from_value(rule).unwrap()
    })
}

fn some_rows() -> impl Strategy<Value = Rows> {
    let ports: Vec<_> = (0..PORTS).map(some_port).collect();
    let rules: Vec<_> = (0..8).map(some_rule).collect();
    (ports, rules, prop::bool::weighted(0.95)).prop_map(|(ports, rules, up)| {
        let network = serde_json::from_value(json!({"id": network_id(), "admin_state_up": up})).unwrap();
        let mut rows = Rows::default();
        let record = NetworkRecord { network, zone: 5 };
        rows.apply(&Change::Network(network_id(), Some(Arc::new(record))));
        for port in ports {
            rows.apply(&Change::Port(port.id, Some(Arc::new(port))));
        }
        for rule in rules {
            rows.apply(&Change::SecurityGroupRule(rule.id, Some(Arc::new(rule))));
        }
        rows
    })
}

fn some_frame() -> impl Strategy<Value = Frame> {
    let octet = || select(vec![1_u8, 2, 3, 4, 70, 200, 250]);
    let address4 = || prop_oneof![9 => octet().prop_map(v4), 1 => Just(Ipv4Addr::UNSPECIFIED.into())];
    let linked = (1_u8..6).prop_map(|n| IpAddr::V6(crate::dataplane::policy::link_local(mac(n))));
    let address6 =
        || prop_oneof![6 => octet().prop_map(v6), 2 => linked.clone(), 1 => Just(Ipv6Addr::UNSPECIFIED.into())];
    let octets = || {
        prop_oneof![
            (select(vec![53_u16, 67, 68, 546, 547]), select(vec![50_u16, 67, 68, 80, 90, 91, 546, 547]))
                .prop_map(|(s, d)| [s.to_be_bytes(), d.to_be_bytes()].concat().try_into().unwrap()),
            (select(vec![0_u8, 3, 8, 128, 130, 131, 133, 134, 135, 136, 143]), 0_u8..3)
                .prop_map(|(kind, code)| [kind, code, 0, 0]),
        ]
    };
    let target = || prop_oneof![octet().prop_map(v6), linked.clone()];
    let above = || {
        (octets(), target()).prop_map(|(octets, target)| Above {
            octets,
            target: if let IpAddr::V6(ip) = target { Some(ip) } else { None },
        })
    };
    let ip4 = (address4(), address4(), select(vec![1_u8, 6, 17, 47]), above());
    let ip6 = (address6(), address6(), select(vec![6_u8, 17, 58, 47]), above());
    let ip = |(source, destination, protocol, above)| Content::Ip { source, destination, protocol, above };
    let content = prop_oneof![
        8 => ip4.prop_map(ip),
        8 => ip6.prop_map(ip),
        3 => (1_u8..6, octet()).prop_map(|(m, ip)| Content::Arp { mac: mac(m), sender: Ipv4Addr::new(10, 0, 0, ip) }),
        1 => (1_u8..6).prop_map(|m| Content::Arp { mac: mac(m), sender: Ipv4Addr::UNSPECIFIED }),
        1 => Just(Content::Other),
    ];
    let state = prop_oneof![6 => Just(State::New), 2 => Just(State::Established), 1 => Just(State::Invalid)];
    (1_u8..8, content, state).prop_map(|(m, content, state)| Frame { mac: mac(m), content, state })
}

/// Neutron's semantics, told once more from its documentation: slow, and without any idea of chains.
mod neutron {
    use super::*;

    pub fn allows(rows: &Rows, from: &Port, to: &Port, frame: &Frame) -> bool {
        let up = rows.networks[&network_id()].network.admin_state_up;
        up && from.admin_state_up && to.admin_state_up && sends(rows, from, frame) && receives(rows, to, frame)
    }

    /// Pairs of Ethernet and IP addresses a port may use.
    fn may_use(port: &Port, mac: MacAddr, ip: IpAddr) -> bool {
        let fixed = port.mac_address == mac && port.fixed_ips.iter().any(|fixed| fixed.ip_address == ip);
        let pair = port
            .allowed_address_pairs
            .iter()
            .any(|pair| pair.mac_address.unwrap_or(port.mac_address) == mac && pair.ip_address.net().contains(&ip));
        fixed || pair || (owns_mac(port, mac) && ip == IpAddr::V6(crate::dataplane::policy::link_local(mac)))
    }

    fn owns_mac(port: &Port, mac: MacAddr) -> bool {
        port.mac_address == mac || port.allowed_address_pairs.iter().any(|pair| pair.mac_address == Some(mac))
    }

    fn sends(rows: &Rows, port: &Port, frame: &Frame) -> bool {
        if !port.port_security_enabled {
            return true;
        }
        match &frame.content {
            Content::Other => false,
            Content::Arp { mac, sender } => {
                *mac == frame.mac
                    && (may_use(port, *mac, (*sender).into()) || (sender.is_unspecified() && owns_mac(port, *mac)))
            }
            Content::Ip { source, destination, protocol, above } => {
                let udp = |s, d| *protocol == 17 && above.source_port() == s && above.destination_port() == d;
                let icmp6 = |kinds: &[u8]| source.is_ipv6() && *protocol == 58 && kinds.contains(&above.octets[0]);
                let dhcp = source.is_ipv4() && udp(68, 67) || source.is_ipv6() && udp(546, 547);
                let server = source.is_ipv4() && udp(67, 68) || source.is_ipv6() && udp(547, 546);
                let nameless = source.is_unspecified()
                    && owns_mac(port, frame.mac)
                    && ((source.is_ipv4() && dhcp) || icmp6(&[131, 135, 143]));
                let truthful = may_use(port, frame.mac, *source) || nameless;
                let target = above.target.is_some_and(|target| may_use(port, frame.mac, target.into()));
                if !truthful || server || icmp6(&[134]) || (icmp6(&[136]) && !target) {
                    return false;
                }
                match frame.state {
                    State::Established => true,
                    _ if icmp6(&[130, 131, 133, 135, 136, 143]) || dhcp => true,
                    State::Invalid => false,
                    State::New => groups_allow(rows, port, Direction::Egress, frame, *destination),
                }
            }
        }
    }

    fn receives(rows: &Rows, port: &Port, frame: &Frame) -> bool {
        if !port.port_security_enabled {
            return true;
        }
        match &frame.content {
            Content::Other => false,
            Content::Arp { .. } => true,
            Content::Ip { source, protocol, above, .. } => {
                let udp = |s, d| *protocol == 17 && above.source_port() == s && above.destination_port() == d;
                let dhcp = source.is_ipv4() && udp(67, 68) || source.is_ipv6() && udp(547, 546);
                let essential = source.is_ipv6() && *protocol == 58 && [130, 135, 136].contains(&above.octets[0]);
                match frame.state {
                    State::Established => true,
                    _ if essential || dhcp => true,
                    State::Invalid => false,
                    State::New => groups_allow(rows, port, Direction::Ingress, frame, *source),
                }
            }
        }
    }

    fn groups_allow(rows: &Rows, port: &Port, direction: Direction, frame: &Frame, remote: IpAddr) -> bool {
        let Content::Ip { protocol, above, .. } = &frame.content else { return false };
        rows.security_group_rules.values().any(|rule| {
            port.security_groups.contains(&rule.security_group_id)
                && rule.direction == direction
                && (rule.ethertype == Ethertype::IPv4) == remote.is_ipv4()
                && rule.remote_ip_prefix.is_none_or(|net| net.contains(&remote))
                && rule.remote_group_id.is_none_or(|group| is_member(rows, group, remote))
                && service(rule, *protocol, above)
        })
    }

    fn is_member(rows: &Rows, group: SecurityGroupId, address: IpAddr) -> bool {
        rows.ports.values().filter(|port| port.security_groups.contains(&group)).any(|port| {
            port.fixed_ips.iter().any(|fixed| fixed.ip_address == address)
                || port.allowed_address_pairs.iter().any(|pair| pair.ip_address.net().contains(&address))
        })
    }

    fn service(rule: &SecurityGroupRule, protocol: u8, above: &Above) -> bool {
        let Some(wanted) = &rule.protocol else { return true };
        let icmp = wanted.is_icmp();
        let number = if icmp && rule.ethertype == Ethertype::IPv6 { 58 } else { wanted.number() };
        if number != protocol {
            return false;
        }
        let (min, max) = (rule.port_range_min, rule.port_range_max);
        if icmp {
            min.is_none_or(|kind| u16::from(above.octets[0]) == kind)
                && max.is_none_or(|code| u16::from(above.octets[1]) == code)
        } else {
            min.is_none_or(|min| above.destination_port() >= min)
                && max.is_none_or(|max| above.destination_port() <= max)
        }
    }
}

fn passes(rules: &Fragment, from: &str, to: &str, frame: &Frame) -> bool {
    trace(rules, from, to, frame).iter().all(|decision| decision.passes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_decide_as_neutron_does(rows in some_rows(), frames in vec((0..PORTS, 0..PORTS, some_frame()), 60)) {
        let desired = Desired::from_state(&rows, &HostId(HOST.to_owned()), &Desired::default());
        let rules = whole(&desired);
        for (from, to, mut frame) in frames {
            let (from, to) = (&rows.ports[&port_id(from)], &rows.ports[&port_id(to)]);
            // Most frames should get past the check of addresses.
            if frame.mac.0[5] != 6 {
                frame.mac = from.mac_address;
            }
            let decided = passes(&rules, &from.id.tap_name(), &to.id.tap_name(), &frame);
            prop_assert_eq!(decided, neutron::allows(&rows, from, to, &frame), "{:?} from {:?} to {:?}", frame, from, to);
        }
    }

    #[test]
    fn interfaces_that_nobody_named_get_and_send_nothing(rows in some_rows(), frame in some_frame()) {
        let desired = Desired::from_state(&rows, &HostId(HOST.to_owned()), &Desired::default());
        let rules = whole(&desired);
        let known = port_id(0).tap_name();
        prop_assert!(!passes(&rules, "tapunknown", &known, &frame));
        prop_assert!(!passes(&rules, &known, "tapunknown", &frame));
    }

    #[test]
    fn a_difference_of_states_adds_up_to_the_whole(before in some_rows(), after in some_rows()) {
        use crate::dataplane::ruleset::{complete, difference, sum_of};
        use kuryr_netlink::nftables::{Delta, Family, Shape};
        let host = HostId(HOST.to_owned());
        let before = Desired::from_state(&before, &host, &Desired::default());
        let after = Desired::from_state(&after, &host, &before);
        // What is there after `before`.
        let mut there = Shape::default();
        let rules = whole(&before);
        for table in [lower(&rules), bridge_base()] {
            let Shape { chains, sets } = table.shape();
            there.chains.extend(chains);
            for (name, set) in sets {
                there.sets.entry(name).or_insert(set).shared = false;
            }
        }
        let mut big = Delta::new(Family::Bridge, "kuryr");
        complete(there.clone(), &after, &mut big);
        let small = difference(&before, &after);
        prop_assert_eq!(small.is_empty(), big.is_empty());
        prop_assert_eq!(small.takes_away(), big.takes_away());
        prop_assert_eq!(sum_of(&before).wrapping_add(small.sum()), sum_of(&after));
        prop_assert_eq!(sum_of(&before) == sum_of(&after), small.is_empty());
        there.chains.insert("nobody".to_owned(), there.chains["source"].clone());
        let mut cleaned = Delta::new(Family::Bridge, "kuryr");
        complete(there, &after, &mut cleaned);
        prop_assert!(!cleaned.is_empty() && cleaned.takes_away());
    }
}

#[test]
fn connection_marks_are_bits_of_their_own() {
    assert_eq!(MARK_ZONE & (MARK_OURS | MARK_ESTABLISHED | MARK_INVALID), 0);
    assert_eq!((MARK_OURS | MARK_ESTABLISHED | MARK_INVALID).count_ones(), 3);
}
