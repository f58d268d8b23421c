//! What the rulebook says is what packets experience, and what the counters say.

use super::{traffic::*, world::*};
use crate::{
    dataplane::{
        Rulebook,
        compile::Stage,
        compile::evaluate::{Above, Content, Decision, Frame, State},
    },
    engine,
};
use kuryr_netlink::Links;
use kuryr_neutron::{Network, NetworkId, NewSecurityGroupRule, Port, SecurityGroup};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// An address that a port has only by an allowed address pair, if at all.
const EXTRA: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 250);

/// A packet to try, between two of the containers.
#[derive(Debug, Clone)]
struct Probe {
    from: usize,
    to: usize,
    protocol: u8,
    port: u16,
    v6: bool,
    /// Sent from [`EXTRA`], which the first container has.
    extra: bool,
}

fn some_probe() -> impl Strategy<Value = Probe> {
    let way = select(vec![(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]);
    let service = select(vec![(TCP, 80), (TCP, 81), (UDP, 80), (UDP, 81), (1, 0)]);
    (way, service, any::<bool>(), prop::bool::weighted(0.4)).prop_map(|((from, to), (protocol, port), v6, extra)| {
        let extra = extra && protocol == UDP && from == 0;
        Probe { from, to, protocol, port, v6: v6 && !extra, extra }
    })
}

/// The settings of a container's port: in the first, the second or both groups.
fn some_port() -> impl Strategy<Value = (Vec<usize>, Value)> {
    let settings = select(vec![
        json!({}),
        json!({}),
        json!({"allowed_address_pairs": [{"ip_address": EXTRA}]}),
        json!({"port_security_enabled": false}),
        json!({"admin_state_up": false}),
    ]);
    (select(vec![vec![], vec![0], vec![1], vec![0, 1]]), settings)
}

fn some_rule() -> impl Strategy<Value = (usize, Value, Option<usize>)> {
    let service = select(vec![
        json!({}),
        json!({"protocol": "tcp"}),
        json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}),
        json!({"protocol": "udp", "port_range_min": 81, "port_range_max": 90}),
        json!({"protocol": "icmp"}),
    ]);
    let remote = select(vec![None, None, Some(0), Some(1)]);
    let version = select(vec!["IPv4", "IPv6"]);
    (0..2_usize, service, remote, version).prop_map(|(group, mut rule, remote, version)| {
        rule["direction"] = json!("ingress");
        rule["ethertype"] = json!(version);
        (group, rule, remote)
    })
}

fn rulebook(world: &World, network: NetworkId) -> Rulebook {
    let (networks, ports, groups): (Vec<Network>, Vec<Port>, Vec<SecurityGroup>) = world.engine.read(|state| {
        let groups = state.security_groups.keys().filter_map(|id| state.group_with_rules(*id));
        let ports = state.ports_of_network(network).map(|port| Port::clone(port)).collect();
        (vec![state.networks[&network].network.clone()], ports, groups.collect())
    });
    Rulebook::new(&networks, &ports, &groups, &[])
}

fn passes(decisions: &[Decision]) -> bool {
    decisions.iter().all(|decision| decision.passes)
}

/// What the rules say of a probe: the request's decisions, and whether an answer would come back.
fn told(rules: &Rulebook, from: &Container, to: &Container, probe: &Probe) -> (Vec<Decision>, bool) {
    let destination: IpAddr = if probe.v6 { to.ip6() } else { to.ip4().into() };
    let own: IpAddr = if probe.v6 { from.ip6() } else { from.ip4().into() };
    let source = if probe.extra { EXTRA.into() } else { own };
    let above = |kind| if probe.protocol == 1 { Above::icmp(kind, 0) } else { Above::ports(40_000, probe.port) };
    let (protocol, request) = match (probe.protocol, probe.v6) {
        (1, true) => (58, above(128)),
        (protocol, _) => (protocol, above(8)),
    };
    let frame = |port: &Port, state, source, destination, above| Frame {
        mac: port.mac_address,
        content: Content::Ip { source, destination, protocol, above },
        state,
    };
    let taps = [from.port.id.tap_name(), to.port.id.tap_name()];
    let decisions = rules.trace(&taps[0], &taps[1], &frame(&from.port, State::New, source, destination, request));
    let back = frame(&to.port, State::Established, destination, source, above(0));
    let mut answered = passes(&decisions) && passes(&rules.trace(&taps[1], &taps[0], &back));
    if probe.extra {
        let content = Content::Arp { mac: from.port.mac_address, sender: EXTRA };
        let here = Frame { mac: from.port.mac_address, content, state: State::New };
        answered &= passes(&rules.trace(&taps[0], &taps[1], &here));
    }
    (decisions, answered)
}

fn is_answered(from: &Container, to: &Container, probe: &Probe, expected: bool) -> bool {
    let ip: IpAddr = if probe.v6 { to.ip6() } else { to.ip4().into() };
    match probe.protocol {
        TCP => connect(&from.namespace, ip, probe.port, expected).is_some(),
        UDP => udp(&from.namespace, probe.extra.then_some(EXTRA.into()), ip, probe.port, expected),
        _ => Pinger::new(&from.namespace, ip).ping(expected),
    }
}

async fn try_out(ports: Vec<(Vec<usize>, Value)>, rules: Vec<(usize, Value, Option<usize>)>, probes: Vec<Probe>) {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await.id;
    world.subnet(network, "fd00:1::/64").await;
    let groups = [world.group().await, world.group().await];
    for (group, mut rule, remote) in rules {
        rule["remote_group_id"] = json!(remote.map(|index| groups[index].id));
        rule["security_group_id"] = json!(groups[group].id);
        let (new, context): (NewSecurityGroupRule, _) = (read(rule), world.context.clone());
        let made = world.engine.write(move |txn| engine::security_group_rule::create(txn, &context, new)).await;
        // Two that say the same are refused.
        assert!(made.as_ref().err().is_none_or(|error| error.to_string().contains("already exists")), "{made:?}");
    }
    let mut containers = Vec::new();
    for (members, mut body) in ports {
        if body["port_security_enabled"] != json!(false) {
            body["security_groups"] = json!(members.iter().map(|index| groups[*index].id).collect::<Vec<_>>());
        }
        let container = world.container(network, body).await;
        if containers.is_empty() {
            let mut links = Links::open_in(&container.namespace).unwrap();
            let index = links.get("eth0").unwrap().unwrap().index;
            links.add_address(index, format!("{EXTRA}/32").parse().unwrap()).unwrap();
        }
        containers.push(container);
    }
    let _servers: Vec<_> = containers.iter().flat_map(|c| [80, 81].map(|port| serve(&c.namespace, port))).collect();
    let rulebook = rulebook(&world, network);
    let bridges = world.bridges();
    for probe in probes {
        let (from, to) = (&containers[probe.from], &containers[probe.to]);
        let (decisions, expected) = told(&rulebook, from, to, &probe);
        let last = decisions.last().unwrap();
        let before = rulebook.in_force(&bridges, &last.interface).unwrap();
        assert!(before.differs.is_empty(), "the kernel has other rules: {:?}", before.differs);
        // A machine may be too busy for the first answer; what is dropped is dropped each time.
        let attempts = if expected { 7 } else { 1 };
        let answered = (0..attempts).any(|_| is_answered(from, to, &probe, expected));
        assert_eq!(answered, expected, "{probe:?}: {decisions:?}");
        let rule = last.rule.as_ref().filter(|rule| before.counts.contains_key(rule));
        if let Some(rule) = rule {
            let more = || rulebook.in_force(&bridges, &last.interface).unwrap().counts[rule].packets;
            let is_counted = || more() > before.counts[rule].packets;
            // Who gets no answer to the question for an address does not send what the rule would count, and asks
            // anew only after a while.
            let is_sent = to.port.admin_state_up || last.stage != Stage::Egress;
            let in_the_end = || {
                (0..6).any(|_| {
                    let counted = eventually(is_counted);
                    if !counted {
                        is_answered(from, to, &probe, expected);
                    }
                    counted
                })
            };
            assert!(!is_sent || in_the_end(), "{probe:?}: {rule:?} counted nothing");
        } else {
            assert!(last.passes, "{probe:?}: what drops counts: {decisions:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_rules_say_is_what_packets_experience(
        ports in vec(some_port(), 3), rules in vec(some_rule(), 0..6), probes in vec(some_probe(), 12)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(try_out(ports, rules, probes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_somebody_changed_are_told() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await.id;
    let group = world.group().await;
    let container = world.container(network, json!({"security_groups": [group.id]})).await;
    let before = rulebook(&world, network);
    let tap = container.port.id.tap_name();
    assert!(before.in_force(&world.bridges(), &tap).unwrap().differs.is_empty());
    world.allow(&group, json!({"direction": "ingress", "protocol": "tcp"})).await;
    let differs = before.in_force(&world.bridges(), &tap).unwrap().differs;
    assert_eq!(differs, [format!("ingress-group-{}", group.id)].into());
    assert!(rulebook(&world, network).in_force(&world.bridges(), &tap).unwrap().differs.is_empty());
}
