//! Typed matches as nftables expressions.

use super::rule::{
    Action, AddressSet, EtherType, FilterRule, Fragment, MARK_ESTABLISHED, MARK_INVALID, MARK_OURS, MARK_ZONE, Match,
    Stage,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kuryr_netlink::nftables::{
    Base, Chain, ChainKind, Comparison, Expression, Header, Hook, Key, KeyType, Meta, Register, Rule, Set, SetKind,
    Table, Verdict, connection_state, interface_name, range,
};
use std::{collections::BTreeMap, net::IpAddr};

const ONE: Register = Register::One;
const MAC_LENGTH: u32 = 6;
/// Where in an IPv4 header its checksum is.
const IPV4_CHECKSUM: u32 = 10;

/// The bridge table's part that is a fragment's.
pub fn lower(fragment: &Fragment) -> Table {
    let mut table = Table::default();
    for (name, rules) in &fragment.chains {
        table.chains.insert(name.clone(), Chain { base: None, rules: lower_chain(rules) });
    }
    for ((stage, interface), action) in &fragment.interfaces {
        let map = table.sets.entry(stage.name().to_owned()).or_insert_with(|| interfaces(true));
        map.elements.insert(Key::new(interface_name(interface)), verdict(action));
    }
    for (set, addresses) in &fragment.addresses {
        let elements = addresses.iter().flat_map(|(first, last)| keys(set, *first, *last)).map(|key| (key, None));
        let key = if set.v6 { KeyType::Ipv6 } else { KeyType::Ipv4 };
        let kind = SetKind { key, interval: set.ranges, verdicts: false };
        table.sets.insert(set.name.clone(), Set { kind, elements: elements.collect(), shared: false });
    }
    table
}

/// The rules of one chain.
pub fn lower_chain(rules: &[FilterRule]) -> Vec<Rule> {
    rules.iter().map(lower_rule).collect()
}

fn interfaces(shared: bool) -> Set {
    let kind = SetKind { key: KeyType::InterfaceName, interval: false, verdicts: true };
    Set { kind, elements: BTreeMap::new(), shared }
}

fn keys(set: &AddressSet, first: IpAddr, last: IpAddr) -> Vec<Key> {
    let (first, last) = (octets(first), octets(last));
    if set.ranges { range(&first, &last) } else { vec![Key::new(first)] }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The bridge table's part that is always there: base chains and the maps they ask.
pub fn bridge_base() -> Table {
    let mut table = lower(&super::guards());
    let hooks = [
        (Stage::Source, Hook::Prerouting, -300, Meta::InputName),
        (Stage::Egress, Hook::Prerouting, 10, Meta::InputName),
        (Stage::Ingress, Hook::Forward, 10, Meta::OutputName),
        (Stage::EgressQuality, Hook::Prerouting, 20, Meta::InputName),
        (Stage::IngressQuality, Hook::Forward, 20, Meta::OutputName),
    ];
    for (stage, hook, priority, name) in hooks {
        let map = stage.name().to_owned();
        let ask = vec![Expression::Meta(name, ONE), Expression::VerdictMap(ONE, map.clone())];
        let mut rules = vec![Rule::new(ask, "")];
        if matches!(stage, Stage::Source | Stage::Egress | Stage::Ingress) {
            let drop = vec![Expression::Counter, Expression::Verdict(Verdict::Drop)];
            rules.push(Rule::new(drop, "no interface of ours"));
        }
        table.chains.insert(map.clone(), Chain { base: Some(filter(hook, priority)), rules });
        table.sets.insert(map, interfaces(false));
    }
    table
}

/// The table that lends connection tracking to the bridges.
pub fn inet_base() -> Table {
    let ours = || [meta_mark(), keep(MARK_OURS), Expression::Compare(ONE, Comparison::NotEqual, vec![0; 4])];
    let state = |bits: u32| {
        let keep = Expression::Bitwise { register: ONE, mask: bits.to_ne_bytes().to_vec(), xor: vec![0; 4] };
        [Expression::ConnectionState(ONE), keep, Expression::Compare(ONE, Comparison::NotEqual, vec![0; 4])]
    };
    let set = |bit: u32| {
        let xor = bit.to_ne_bytes().to_vec();
        let add = Expression::Bitwise { register: ONE, mask: (!bit).to_ne_bytes().to_vec(), xor };
        [meta_mark(), add, Expression::SetMark(ONE)]
    };
    let zone = [ours().to_vec(), vec![meta_mark(), keep(MARK_ZONE), Expression::SetZone(ONE)]].concat();
    let known = state(connection_state::ESTABLISHED | connection_state::RELATED);
    let known = [ours(), known, set(MARK_ESTABLISHED)].concat();
    let invalid = [ours(), state(connection_state::INVALID), set(MARK_INVALID)].concat();
    let chain = |priority, rules: Vec<Rule>| Chain { base: Some(filter(Hook::Prerouting, priority)), rules };
    let zones = vec![Rule::new(zone, "a zone for each network")];
    let states = vec![Rule::new(known, "allowed before"), Rule::new(invalid, "of no connection")];
    let chains = [("zone".to_owned(), chain(-300, zones)), ("state".to_owned(), chain(-150, states))];
    Table { chains: chains.into(), sets: BTreeMap::new() }
}

fn filter(hook: Hook, priority: i32) -> Base {
    Base { kind: ChainKind::Filter, hook, priority }
}

fn meta_mark() -> Expression {
    Expression::Meta(Meta::Mark, ONE)
}

fn keep(bits: u32) -> Expression {
    Expression::Bitwise { register: ONE, mask: bits.to_ne_bytes().to_vec(), xor: vec![0; 4] }
}

fn lower_rule(rule: &FilterRule) -> Rule {
    let mut expressions: Vec<Expression> = rule.matches.iter().flat_map(lower_match).collect();
    if let Action::SetMark(mark) = rule.action {
        expressions.push(Expression::Constant(ONE, mark.to_ne_bytes().to_vec()));
        expressions.push(Expression::SetMark(ONE));
    }
    if let Action::SetDscp(version, dscp) = rule.action {
        expressions.extend(set_dscp(version, dscp));
    }
    if rule.action == Action::SendToAll {
        expressions.extend(send_to_all());
    }
    if rule.counted {
        expressions.push(Expression::Counter);
    }
    expressions.extend(verdict(&rule.action).map(Expression::Verdict));
    Rule::new(expressions, rule.comment.clone())
}

fn verdict(action: &Action) -> Option<Verdict> {
    Some(match action {
        Action::SetMark(_) | Action::SetDscp(..) | Action::SendToAll => return None,
        Action::Accept => Verdict::Accept,
        Action::Drop => Verdict::Drop,
        Action::Jump(chain) => Verdict::Jump(chain.clone()),
        Action::Return => Verdict::Return,
    })
}

fn lower_match(wanted: &Match) -> Vec<Expression> {
    use Header::{Link, Network, Transport};
    match wanted {
        Match::EtherType(kind) => equal(Link, 12, &(*kind as u16).to_be_bytes()),
        Match::SourceMac(mac) => equal(Link, MAC_LENGTH, &mac.0),
        Match::ArpSenderMac(mac) => equal(Network, 8, &mac.0),
        Match::ArpSender(net) => in_net4(14, *net),
        Match::NeighbourTarget(net) => in_net6(Transport, 8, *net),
        Match::Source4(net) => in_net4(12, *net),
        Match::Destination4(net) => in_net4(16, *net),
        Match::Source6(net) => in_net6(Network, 8, *net),
        Match::Destination6(net) => in_net6(Network, 24, *net),
        Match::SourceIn(set) => in_set(if set.v6 { 8 } else { 12 }, set),
        Match::DestinationIn(set) => in_set(if set.v6 { 24 } else { 16 }, set),
        Match::Protocol(number) => {
            vec![Expression::Meta(Meta::Transport, ONE), Expression::Compare(ONE, Comparison::Equal, vec![*number])]
        }
        Match::SourcePort(port) => equal(Transport, 0, &port.to_be_bytes()),
        Match::DestinationPort(ports) if ports.start() == ports.end() => {
            equal(Transport, 2, &ports.start().to_be_bytes())
        }
        Match::DestinationPort(ports) => {
            let (first, last) = (ports.start().to_be_bytes().to_vec(), ports.end().to_be_bytes().to_vec());
            vec![load(Transport, 2, 2), Expression::Range(ONE, first, last)]
        }
        Match::IcmpType(kind) => equal(Transport, 0, &[*kind]),
        Match::IcmpCode(code) => equal(Transport, 1, &[*code]),
        Match::Mark(bit) => {
            vec![meta_mark(), keep(*bit), Expression::Compare(ONE, Comparison::NotEqual, vec![0; 4])]
        }
        Match::Faster(limit) => vec![Expression::Faster { rate: limit.rate, burst: limit.burst }],
    }
}

/// Puts a code point into the first two bytes of an IP header: behind version and header length in IPv4 (RFC 791), behind
/// the version in IPv6 (RFC 8200). The bits of congestion notification stay.
fn set_dscp(version: EtherType, dscp: u8) -> Vec<Expression> {
    let (mask, value, checksum) = match version {
        EtherType::Ipv4 => (0xff03_u16, u16::from(dscp) << 2, Some(IPV4_CHECKSUM)),
        EtherType::Ipv6 => (0xf03f, u16::from(dscp) << 6, None),
        EtherType::Arp | EtherType::Vlan => return Vec::new(),
    };
    let (mask, xor) = (mask.to_be_bytes().to_vec(), value.to_be_bytes().to_vec());
    vec![
        load(Header::Network, 0, 2),
        Expression::Bitwise { register: ONE, mask, xor },
        Expression::Store { header: Header::Network, offset: 0, length: 2, register: ONE, checksum },
    ]
}

/// Puts the address of all into an Ethernet header, as the receiver's.
fn send_to_all() -> [Expression; 2] {
    let store =
        Expression::Store { header: Header::Link, offset: 0, length: MAC_LENGTH, register: ONE, checksum: None };
    [Expression::Constant(ONE, vec![0xff; 6]), store]
}

fn load(header: Header, offset: u32, length: u32) -> Expression {
    Expression::Payload { header, offset, length, register: ONE }
}

fn equal(header: Header, offset: u32, bytes: &[u8]) -> Vec<Expression> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    vec![load(header, offset, length), Expression::Compare(ONE, Comparison::Equal, bytes.to_vec())]
}

fn in_set(offset: u32, set: &AddressSet) -> Vec<Expression> {
    let length = if set.v6 { 16 } else { 4 };
    vec![load(Header::Network, offset, length), Expression::InSet(ONE, set.name.clone())]
}

fn in_net4(offset: u32, net: Ipv4Net) -> Vec<Expression> {
    in_net(Header::Network, offset, IpNet::V4(net))
}

fn in_net6(header: Header, offset: u32, net: Ipv6Net) -> Vec<Expression> {
    in_net(header, offset, IpNet::V6(net))
}

/// The address at an offset is in a range.
fn in_net(header: Header, offset: u32, net: IpNet) -> Vec<Expression> {
    let network = octets(net.network());
    if net.prefix_len() == net.max_prefix_len() {
        return equal(header, offset, &network);
    }
    let length = u32::try_from(network.len()).unwrap_or_default();
    let mask = Expression::Bitwise { register: ONE, mask: octets(net.netmask()), xor: vec![0; network.len()] };
    vec![load(header, offset, length), mask, Expression::Compare(ONE, Comparison::Equal, network)]
}
