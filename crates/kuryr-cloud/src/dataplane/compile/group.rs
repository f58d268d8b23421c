//! Rules of one security group, and the sets of addresses of groups that rules name.

use super::{
    interface::group_chain,
    rule::{Action, AddressSet, EtherType, FilterRule, Fragment, Match, Stage},
};
use crate::dataplane::policy::{GroupPolicy, GroupRule, Members, Named, Remote, Service, of_version};
use ipnet::IpNet;
use kuryr_neutron::{Direction, Ethertype, SecurityGroupId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The fragment of a group: one chain for each direction. `has_nets` tells whether there are ranges among the addresses
/// that a name stands for, which are in a set of their own.
pub fn group(id: SecurityGroupId, policy: &GroupPolicy, has_nets: impl Fn(Named, Ethertype) -> bool) -> Fragment {
    let mut fragment = Fragment::default();
    for (direction, stage) in [(Direction::Egress, Stage::Egress), (Direction::Ingress, Stage::Ingress)] {
        let rules = policy.rules.iter().filter(|r| r.direction == direction);
        let rules = rules.flat_map(|rule| group_rules(rule, &has_nets)).collect();
        fragment.chains.insert(group_chain(id, stage), rules);
    }
    fragment
}

fn group_rules(rule: &GroupRule, has_nets: &impl Fn(Named, Ethertype) -> bool) -> Vec<FilterRule> {
    let family = match rule.ethertype {
        Ethertype::IPv4 => EtherType::Ipv4,
        Ethertype::IPv6 => EtherType::Ipv6,
    };
    let mut matches = vec![Match::EtherType(family)];
    match &rule.service {
        Service::Any => {}
        Service::Protocol(number) => matches.push(Match::Protocol(*number)),
        Service::Ports(number, ports) => {
            matches.extend([Match::Protocol(*number), Match::DestinationPort(ports.clone())]);
        }
        Service::Icmp(number, kind, code) => {
            matches.extend([Match::Protocol(*number), Match::IcmpType(*kind)]);
            matches.extend(code.map(Match::IcmpCode));
        }
    }
    let comment = format!("rule {}", rule.id);
    let with = |remote: Vec<Match>| {
        FilterRule::new([matches.clone(), remote].concat(), Action::Accept).because(comment.clone()).counted()
    };
    match &rule.remote {
        Remote::Any => vec![with(Vec::new())],
        Remote::Net(net) => vec![with(vec![in_net(rule.direction, *net)])],
        Remote::Named(named) => {
            let ranges = [false].into_iter().chain(has_nets(*named, rule.ethertype).then_some(true));
            ranges.map(|r| with(vec![in_set(rule.direction, set(*named, rule.ethertype, r))])).collect()
        }
    }
}

fn in_net(direction: Direction, net: IpNet) -> Match {
    match (direction, net) {
        (Direction::Ingress, IpNet::V4(net)) => Match::Source4(net),
        (Direction::Ingress, IpNet::V6(net)) => Match::Source6(net),
        (Direction::Egress, IpNet::V4(net)) => Match::Destination4(net),
        (Direction::Egress, IpNet::V6(net)) => Match::Destination6(net),
    }
}

fn in_set(direction: Direction, set: AddressSet) -> Match {
    match direction {
        Direction::Ingress => Match::SourceIn(set),
        Direction::Egress => Match::DestinationIn(set),
    }
}

fn set(named: Named, ethertype: Ethertype, ranges: bool) -> AddressSet {
    let v6 = ethertype == Ethertype::IPv6;
    let name = format!("members{}-{}{named}", if v6 { 6 } else { 4 }, if ranges { "ranges-" } else { "" });
    AddressSet { name, v6, ranges }
}

/// The sets of a group's addresses.
pub fn members(id: Named, members: &Members) -> Fragment {
    let mut fragment = Fragment::default();
    for ethertype in [Ethertype::IPv4, Ethertype::IPv6] {
        let hosts = members.hosts.iter().filter(|ip| of_version(**ip, ethertype)).map(|ip| (*ip, *ip)).collect();
        fragment.addresses.insert(set(id, ethertype, false), hosts);
        if members.has_nets(ethertype) {
            let nets = members.nets.iter().filter(|net| of_version(net.addr(), ethertype)).copied().collect();
            fragment.addresses.insert(set(id, ethertype, true), ranges(&nets));
        }
    }
    fragment
}

/// The same addresses as ranges that neither overlap nor touch, which sets of ranges demand.
fn ranges(nets: &Vec<IpNet>) -> std::collections::BTreeSet<(IpAddr, IpAddr)> {
    let mut joined: Vec<(IpAddr, IpAddr)> = Vec::new();
    for net in IpNet::aggregate(nets) {
        match joined.last_mut() {
            Some((_, last)) if next(*last) == Some(net.network()) => *last = net.broadcast(),
            _ => joined.push((net.network(), net.broadcast())),
        }
    }
    joined.into_iter().collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|n| IpAddr::V4(Ipv4Addr::from(n))),
        IpAddr::V6(ip) => u128::from(ip).checked_add(1).map(|n| IpAddr::V6(Ipv6Addr::from(n))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let nets = ["10.0.0.0/24", "10.0.1.0/24", "10.0.0.128/25", "10.0.2.0/23", "10.9.0.0/16"];
        let nets = nets.map(|n| n.parse().unwrap()).to_vec();
        let pair = |a: &str, b: &str| (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(ranges(&nets), [pair("10.0.0.0", "10.0.3.255"), pair("10.9.0.0", "10.9.255.255")].into());
    }
}
