//! Exposed ports of a container as the fewest security-group rules.

use kuryr_neutron::{Direction, Ethertype, NewSecurityGroupRule, Protocol, SecurityGroupId, SecurityGroupRule};
use std::collections::{BTreeMap, BTreeSet};

/// One port that an image or `--expose` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExposedPort {
    /// IANA protocol number: 6, 17, 132 …
    pub protocol: u8,
    /// The port.
    pub port: u16,
}

/// What one rule lets in: a protocol and an inclusive range, for one IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    /// IANA protocol number.
    pub protocol: u8,
    /// `None`: the protocol has no ports, all of it is let in.
    pub range: Option<(u16, u16)>,
    /// IP version of the rule.
    pub version: IpVersion,
}

/// An IP version, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl From<IpVersion> for Ethertype {
    fn from(version: IpVersion) -> Self {
        match version {
            IpVersion::V4 => Self::IPv4,
            IpVersion::V6 => Self::IPv6,
        }
    }
}

impl Opening {
    /// The rule that makes this opening in a group.
    pub fn rule(&self, group: SecurityGroupId) -> NewSecurityGroupRule {
        NewSecurityGroupRule {
            security_group_id: group,
            direction: Direction::Ingress,
            ethertype: Some(self.version.into()),
            project_id: None,
            protocol: Some(Some(Protocol::from(self.protocol))),
            port_range_min: self.range.map(|(first, _)| Some(first)),
            port_range_max: self.range.map(|(_, last)| Some(last)),
            remote_ip_prefix: None,
            remote_group_id: None,
            remote_address_group_id: None,
            description: None,
        }
    }

    /// The opening that a rule makes, if it lets everybody in.
    pub fn of_rule(rule: &SecurityGroupRule) -> Option<Self> {
        let somebody = rule.remote_ip_prefix.is_some() || rule.remote_group_id.is_some();
        if rule.direction != Direction::Ingress || somebody || rule.remote_address_group_id.is_some() {
            return None;
        }
        let version = match rule.ethertype {
            Ethertype::IPv4 => IpVersion::V4,
            Ethertype::IPv6 => IpVersion::V6,
        };
        let protocol = rule.protocol.as_ref()?.number();
        Some(Self { protocol, range: rule.port_range_min.zip(rule.port_range_max), version })
    }
}

/// The openings for exposed ports: neighbours merged into ranges, repetitions dropped, both IP versions.
pub fn openings(ports: &[ExposedPort]) -> BTreeSet<Opening> {
    let mut by_protocol: BTreeMap<u8, BTreeSet<u16>> = BTreeMap::new();
    for exposed in ports {
        by_protocol.entry(exposed.protocol).or_default().insert(exposed.port);
    }
    let mut openings = BTreeSet::new();
    for (number, ports) in by_protocol {
        let ranges: Vec<Option<(u16, u16)>> =
            if Protocol::from(number).has_ports() { merge(&ports).into_iter().map(Some).collect() } else { vec![None] };
        for range in ranges {
            for version in [IpVersion::V4, IpVersion::V6] {
                let foreign =
                    matches!((number, version), (Protocol::ICMP, IpVersion::V6) | (Protocol::ICMPV6, IpVersion::V4));
                if !foreign {
                    openings.insert(Opening { protocol: number, range, version });
                }
            }
        }
    }
    openings
}

fn merge(ports: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &port in ports {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => ranges.push((port, port)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exposed(protocol: u8, port: u16) -> ExposedPort {
        ExposedPort { protocol, port }
    }

    #[test]
    fn neighbours_become_one_rule_for_each_ip_version() {
        let found = openings(&[exposed(6, 81), exposed(6, 80), exposed(6, 443), exposed(6, 80), exposed(132, 9)]);
        let v4: Vec<_> = found.iter().filter(|o| o.version == IpVersion::V4).map(|o| (o.protocol, o.range)).collect();
        assert_eq!(v4, [(6, Some((80, 81))), (6, Some((443, 443))), (132, Some((9, 9)))]);
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn a_protocol_without_ports_is_let_in_whole_where_it_exists() {
        let found: Vec<_> = openings(&[exposed(1, 8), exposed(47, 0)]).into_iter().collect();
        assert_eq!(
            found.iter().map(|o| (o.protocol, o.range, o.version)).collect::<Vec<_>>(),
            [(1, None, IpVersion::V4), (47, None, IpVersion::V4), (47, None, IpVersion::V6),]
        );
    }

    proptest! {
        #[test]
        fn ranges_cover_exactly_what_is_exposed(
            ports in prop::collection::vec((prop::sample::select(vec![6u8, 17, 132]), prop_oneof![0u16..50, 65500u16..=65535]), 0..60)
        ) {
            let exposed: Vec<_> = ports.iter().map(|&(protocol, port)| ExposedPort { protocol, port }).collect();
            let naive: BTreeSet<(u8, u16)> = ports.iter().copied().collect();
            let found = openings(&exposed);
            for version in [IpVersion::V4, IpVersion::V6] {
                let mut covered = BTreeSet::new();
                let mut before: Option<(u8, u16)> = None;
                for opening in found.iter().filter(|o| o.version == version) {
                    let (first, last) = opening.range.unwrap();
                    if let Some((protocol, end)) = before {
                        prop_assert!(protocol < opening.protocol || end + 1 < first, "touching ranges are one");
                    }
                    before = Some((opening.protocol, last));
                    covered.extend((first..=last).map(|port| (opening.protocol, port)));
                }
                prop_assert_eq!(&covered, &naive);
            }
        }
    }
}
