//! Translation of addresses: a router's sources to its external address, an external network's to the host's.

use super::desired::{Topology, Translation};
use ipnet::IpNet;
use kuryr_netlink::nftables::{
    Base, Chain, ChainKind, Comparison, Expression, Header, Hook, Meta, Register, Rule, Table, Verdict, interface_name,
};

const ONE: Register = Register::One;
const SOURCE_NAT: Base = Base { kind: ChainKind::Nat, hook: Hook::Postrouting, priority: 100 };
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

/// The table of a router.
pub(super) fn of_router(translation: &Translation) -> Table {
    let rules = translation.sources.iter().map(|net| {
        let mut rule = leaves_by(&translation.interface, Comparison::Equal);
        rule.extend(comes_from(IpNet::V4(*net)));
        rule.push(Expression::Constant(ONE, translation.address.octets().to_vec()));
        rule.push(Expression::SourceNat4(ONE));
        Rule::new(rule, "")
    });
    one_chain(rules.collect())
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
