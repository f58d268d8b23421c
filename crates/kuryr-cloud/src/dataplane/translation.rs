//! Translation of addresses: a router's sources to its external address, an external network's to the host's.

use super::desired::{Forwarded, Topology, Translation};
use ipnet::IpNet;
use kuryr_netlink::{
    conntrack::{FlowKey, Translated},
    nftables::{
        Base, Chain, ChainKind, Comparison, Expression, Header, Hook, Meta, Register, Rule, Table, Verdict,
        connection_status, interface_name,
    },
};
use kuryr_neutron::PortRange;
use std::net::{IpAddr, Ipv4Addr};

const ONE: Register = Register::One;
const SOURCE_NAT: Base = Base { kind: ChainKind::Nat, hook: Hook::Postrouting, priority: 100 };
const DESTINATION_NAT: Base = Base { kind: ChainKind::Nat, hook: Hook::Prerouting, priority: -100 };
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

impl Translation {
    /// False: nothing is translated.
    pub(super) fn does_something(&self) -> bool {
        self.hides_sources && !self.sources.is_empty() || !self.floating.is_empty() || !self.forwarded.is_empty()
    }

    /// True if a connection that is translated so would be translated so again.
    pub(super) fn keeps(&self, known: &Translated) -> bool {
        let (flow, port) = (&known.flow, known.destination_port);
        let asked = if let FlowKey::Ports { destination, .. } = flow.key { Some(destination) } else { None };
        let redirected = flow.destination != known.destination || asked != port;
        let IpAddr::V4(destination) = flow.destination else { return false };
        let right_way = !redirected || self.leads(destination, flow.protocol, asked) == Some((known.destination, port));
        let hidden = flow.source != known.source;
        let lent = |(outside, inside): (&Ipv4Addr, &Ipv4Addr)| {
            IpAddr::V4(*outside) == known.source && IpAddr::V4(*inside) == flow.source
        };
        let own = known.source == IpAddr::V4(self.address) && (self.hides_sources || redirected);
        right_way && (!hidden || own || self.floating.iter().any(lent))
    }

    /// Where a floating IP leads.
    fn leads(&self, outside: Ipv4Addr, protocol: u8, port: Option<u16>) -> Option<(IpAddr, Option<u16>)> {
        if let Some(inside) = self.floating.get(&outside) {
            return Some((IpAddr::V4(*inside), port));
        }
        let port = port?;
        let covers =
            |f: &&Forwarded| f.outside == outside && f.protocol == protocol && f.ports.overlaps(PortRange::one(port));
        let forwarded = self.forwarded.iter().find(covers)?;
        let to = if forwarded.to.single().is_some() {
            forwarded.to.first
        } else {
            forwarded.to.first + (port - forwarded.ports.first)
        };
        Some((IpAddr::V4(forwarded.inside), Some(to)))
    }
}

/// The table of a router.
pub(super) fn of_router(translation: &Translation) -> Table {
    let mut inwards: Vec<Rule> = translation.forwarded.iter().flat_map(forward).collect();
    inwards.extend(translation.floating.iter().map(|(outside, inside)| {
        let mut rule = goes_to(*outside);
        rule.push(constant(*inside));
        rule.push(Expression::DestinationNat4(ONE, None));
        Rule::new(rule, "floating IP")
    }));
    let to = |mut rule: Vec<Expression>, address: Ipv4Addr| {
        rule.extend([constant(address), Expression::SourceNat4(ONE)]);
        rule
    };
    let interface = &translation.interface;
    let sources = || translation.sources.iter().map(|net| IpNet::V4(*net));
    let mut outwards = Vec::new();
    if !inwards.is_empty() {
        // Replies to one who asked a floating IP from inside must come back this way.
        outwards.extend(sources().map(|net| {
            let mut rule = leaves_by(interface, Comparison::NotEqual);
            rule.extend(comes_from(net));
            rule.extend(is_redirected());
            Rule::new(to(rule, translation.address), "floating IP from inside")
        }));
    }
    outwards.extend(translation.floating.iter().map(|(outside, inside)| {
        let mut rule = leaves_by(interface, Comparison::Equal);
        rule.extend(comes_from(IpAddr::V4(*inside).into()));
        Rule::new(to(rule, *outside), "floating IP")
    }));
    outwards.extend(sources().filter(|_| translation.hides_sources).map(|net| {
        let mut rule = leaves_by(interface, Comparison::Equal);
        rule.extend(comes_from(net));
        Rule::new(to(rule, translation.address), "")
    }));
    let mut table = one_chain(outwards);
    if !inwards.is_empty() {
        let chain = Chain { base: Some(DESTINATION_NAT), rules: inwards };
        table.chains.insert("destination".to_owned(), chain);
    }
    table
}

/// Rules of forwarded ports: one, or one for each port of a range that leads to another range.
fn forward(forwarded: &Forwarded) -> Vec<Rule> {
    let Forwarded { outside, protocol, ports, inside, to } = *forwarded;
    let rule = |ports: PortRange, to: Option<u16>| {
        let mut rule = goes_to(outside);
        rule.push(Expression::Meta(Meta::Transport, ONE));
        rule.push(Expression::Compare(ONE, Comparison::Equal, vec![protocol]));
        rule.push(Expression::Payload { header: Header::Transport, offset: 2, length: 2, register: ONE });
        let (first, last) = (ports.first.to_be_bytes().to_vec(), ports.last.to_be_bytes().to_vec());
        rule.push(Expression::Range(ONE, first, last));
        rule.push(constant(inside));
        rule.extend(to.map(|to| Expression::Constant(Register::Two, to.to_be_bytes().to_vec())));
        rule.push(Expression::DestinationNat4(ONE, to.map(|_| Register::Two)));
        Rule::new(rule, "forwarded port")
    };
    match to.single() {
        Some(to) => vec![rule(ports, Some(to))],
        None if ports == to => vec![rule(ports, None)],
        None => {
            (ports.first..=ports.last).zip(to.first..).map(|(port, to)| rule(PortRange::one(port), Some(to))).collect()
        }
    }
}

fn constant(address: Ipv4Addr) -> Expression {
    Expression::Constant(ONE, address.octets().to_vec())
}

fn goes_to(address: Ipv4Addr) -> Vec<Expression> {
    vec![
        Expression::Payload { header: Header::Network, offset: 16, length: 4, register: ONE },
        Expression::Compare(ONE, Comparison::Equal, address.octets().to_vec()),
    ]
}

fn is_redirected() -> [Expression; 3] {
    let mask = connection_status::DESTINATION_TRANSLATED.to_ne_bytes().to_vec();
    [
        Expression::ConnectionStatus(ONE),
        Expression::Bitwise { register: ONE, mask, xor: vec![0; 4] },
        Expression::Compare(ONE, Comparison::NotEqual, vec![0; 4]),
    ]
}

/// The table of the host: what comes from external networks leaves with the host's address.
pub(super) fn of_host(topology: &Topology) -> Table {
    let mut rules = Vec::new();
    for (name, uplink) in &topology.uplinks {
        for net in &uplink.addresses {
            let mut rule = leaves_by(name, Comparison::NotEqual);
            let family = if net.addr().is_ipv4() { NFPROTO_IPV4 } else { NFPROTO_IPV6 };
            rule.push(Expression::Meta(Meta::Family, ONE));
            rule.push(Expression::Compare(ONE, Comparison::Equal, vec![family]));
            rule.extend(comes_from(net.trunc()));
            rule.push(Expression::Masquerade);
            rules.push(Rule::new(rule, format!("external network {}", net.trunc())));
        }
    }
    if rules.is_empty() { Table::default() } else { one_chain(rules) }
}

/// Lets packets of an uplink through a chain of someone else, in both directions.
pub(super) fn admission(uplink: &str) -> [Rule; 2] {
    [Meta::InputName, Meta::OutputName].map(|side| {
        let expressions = vec![
            Expression::Meta(side, ONE),
            Expression::Compare(ONE, Comparison::Equal, interface_name(uplink)),
            Expression::Counter,
            Expression::Verdict(Verdict::Accept),
        ];
        Rule::new(expressions, "kuryr: external network")
    })
}

fn one_chain(rules: Vec<Rule>) -> Table {
    Table { chains: [("source".to_owned(), Chain { base: Some(SOURCE_NAT), rules })].into(), ..Table::default() }
}

fn leaves_by(name: &str, how: Comparison) -> Vec<Expression> {
    vec![Expression::Meta(Meta::OutputName, ONE), Expression::Compare(ONE, how, interface_name(name))]
}

fn comes_from(net: IpNet) -> Vec<Expression> {
    let (offset, address, mask) = match net {
        IpNet::V4(net) => (12, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (8, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let length = u32::try_from(address.len()).unwrap_or_default();
    vec![
        Expression::Payload { header: Header::Network, offset, length, register: ONE },
        Expression::Bitwise { register: ONE, mask, xor: vec![0; address.len()] },
        Expression::Compare(ONE, Comparison::Equal, address),
    ]
}
