//! What may pass: the policies of interfaces and security groups, as Neutron means them, without any kernel in them.

use super::quality::Quality;
use ipnet::IpNet;
use kuryr_neutron::{
    AddressGroupId, Direction, Ethertype, MacAddr, Port, Protocol, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId,
};
use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
    sync::Arc,
};

/// The policy of one interface on a bridge. It is in force before the interface exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfacePolicy {
    /// The interface's name.
    pub interface: Arc<str>,
    /// Connection-tracking zone of its network.
    pub zone: u16,
    /// How it is guarded.
    pub guard: Guard,
    /// How fast, and marked how.
    pub quality: Quality,
    /// It is a trunk's parent: what has a tag there is another network's.
    pub carries: bool,
}

/// How an interface is guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Nothing passes: the port or its network is administratively down.
    Closed,
    /// Everything passes: routers, uplinks, and ports without port security.
    Open,
    /// Only what its groups allow, and only from its own addresses.
    Guarded {
        /// Ethernet and IP addresses it may send from.
        sources: Vec<Source>,
        /// Its groups.
        groups: Vec<SecurityGroupId>,
    },
}

/// Addresses that belong together in what an interface sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Ethernet address.
    pub mac: MacAddr,
    /// IP address or range.
    pub net: IpNet,
}

impl Guard {
    /// The guard of a port whose network is up or down.
    pub fn of_port(port: &Port, network_up: bool) -> Self {
        if !(port.admin_state_up && network_up) {
            return Self::Closed;
        }
        if !port.port_security_enabled {
            return Self::Open;
        }
        let own = port.fixed_ips.iter().map(|ip| Source { mac: port.mac_address, net: ip.ip_address.into() });
        let pairs = port
            .allowed_address_pairs
            .iter()
            .map(|pair| Source { mac: pair.mac_address.unwrap_or(port.mac_address), net: pair.ip_address.net() });
        let mut sources: BTreeSet<Source> = own.chain(pairs).collect();
        let macs: BTreeSet<MacAddr> = sources.iter().map(|s| s.mac).chain([port.mac_address]).collect();
        sources.extend(macs.into_iter().map(|mac| Source { mac, net: IpAddr::V6(link_local(mac)).into() }));
        let groups: BTreeSet<SecurityGroupId> = port.security_groups.iter().copied().collect();
        Self::Guarded { sources: sources.into_iter().collect(), groups: groups.into_iter().collect() }
    }
}

/// The IPv6 link-local address that an interface forms from its Ethernet address (RFC 4291, appendix A).
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

/// The rules of a security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupPolicy {
    /// In order of their ids; the order means nothing.
    pub rules: Vec<GroupRule>,
}

/// One thing a group allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// Of the rule.
    pub id: SecurityGroupRuleId,
    /// Into or out of the port.
    pub direction: Direction,
    /// IP version.
    pub ethertype: Ethertype,
    /// What above IP.
    pub service: Service,
    /// With whom.
    pub remote: Remote,
}

/// What a rule says of the protocol above IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// All of them.
    Any,
    /// This protocol, all of it.
    Protocol(u8),
    /// This protocol with destination ports, such as TCP.
    Ports(u8, RangeInclusive<u16>),
    /// This kind of ICMP with a type, and a code.
    Icmp(u8, u8, Option<u8>),
}

/// With whom a rule allows to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// Everyone.
    Any,
    /// Addresses of this range.
    Net(IpNet),
    /// Addresses that this stands for.
    Named(Named),
}

/// What a rule names instead of telling addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// The ports of a security group.
    Group(SecurityGroupId),
    /// The ranges of an address group.
    Addresses(AddressGroupId),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => id.fmt(f),
            Self::Addresses(id) => id.fmt(f),
        }
    }
}

impl GroupRule {
    /// The meaning of a rule; `None` if it can never match (an IPv4 range in an IPv6 rule).
    pub fn new(rule: &SecurityGroupRule) -> Option<Self> {
        let group = rule.remote_group_id.map(Named::Group);
        let remote = match (group.or(rule.remote_address_group_id.map(Named::Addresses)), rule.remote_ip_prefix) {
            (Some(named), _) => Remote::Named(named),
            (None, Some(net)) if net.prefix_len() == 0 && of_version(net.addr(), rule.ethertype) => Remote::Any,
            (None, Some(net)) if of_version(net.addr(), rule.ethertype) => Remote::Net(net.trunc()),
            (None, Some(_)) => return None,
            (None, None) => Remote::Any,
        };
        let service = service(rule);
        Some(Self { id: rule.id, direction: rule.direction, ethertype: rule.ethertype, service, remote })
    }
}

fn service(rule: &SecurityGroupRule) -> Service {
    let Some(protocol) = &rule.protocol else { return Service::Any };
    let number = match (protocol.number(), rule.ethertype) {
        // Neutron takes `icmp` in IPv6 rules for ICMPv6.
        (Protocol::ICMP, Ethertype::IPv6) => Protocol::ICMPV6,
        (number, _) => number,
    };
    let octet = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    match (rule.port_range_min, rule.port_range_max) {
        _ if number == 0 => Service::Any,
        (Some(kind), code) if protocol.is_icmp() => Service::Icmp(number, octet(kind), code.map(octet)),
        (None, None) => Service::Protocol(number),
        (min, max) if protocol.has_ports() => {
            let first = min.unwrap_or(0);
            Service::Ports(number, first..=max.unwrap_or(if min.is_some() { first } else { u16::MAX }))
        }
        _ => Service::Protocol(number),
    }
}

/// True for an address of this IP version.
pub fn of_version(address: IpAddr, ethertype: Ethertype) -> bool {
    address.is_ipv4() == (ethertype == Ethertype::IPv4)
}

/// The addresses that a name stands for, for rules that have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Single addresses.
    pub hosts: BTreeSet<IpAddr>,
    /// Ranges, from allowed address pairs and address groups.
    pub nets: BTreeSet<IpNet>,
}

impl Members {
    /// Takes a port's addresses in.
    pub fn add(&mut self, port: &Port) {
        self.hosts.extend(port.fixed_ips.iter().map(|ip| ip.ip_address));
        self.extend(port.allowed_address_pairs.iter().map(|pair| pair.ip_address.net()));
    }

    /// Takes ranges in.
    pub fn extend(&mut self, nets: impl IntoIterator<Item = IpNet>) {
        for net in nets {
            if net.prefix_len() == net.max_prefix_len() {
                self.hosts.insert(net.addr());
            } else {
                self.nets.insert(net);
            }
        }
    }

    /// Both without the single addresses that both have: what a change is about, however large the group.
    pub fn apart(&self, other: &Self) -> (Self, Self) {
        let without = |of: &Self, these: &Self| Self {
            hosts: of.hosts.difference(&these.hosts).copied().collect(),
            nets: of.nets.clone(),
        };
        (without(self, other), without(other, self))
    }

    /// True if the address is a member's.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.hosts.contains(&address) || self.nets.iter().any(|net| net.contains(&address))
    }

    /// True if there are ranges of this IP version.
    pub fn has_nets(&self, ethertype: Ethertype) -> bool {
        self.nets.iter().any(|net| of_version(net.addr(), ethertype))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_formed_as_hosts_form_them() {
        let mac: MacAddr = "fa:16:3e:01:02:03".parse().unwrap();
        assert_eq!(link_local(mac).to_string(), "fe80::f816:3eff:fe01:203");
    }
}
