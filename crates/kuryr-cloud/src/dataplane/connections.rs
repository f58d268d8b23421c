//! Connections that were allowed and no longer are. Packets of a tracked connection pass without a look at the rules,
//! so when rules become stricter, the connections they no longer allow are forgotten.

use super::{
    desired::Desired,
    policy::{GroupRule, Guard, InterfacePolicy, Remote, Service, of_version},
};
use ipnet::IpNet;
use kuryr_netlink::conntrack::{Flow, FlowKey};
use kuryr_neutron::Direction;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Decides about connections by the rules as they are meant, not as they are compiled.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    desired: &'a Desired,
    owners: BTreeMap<(u16, IpAddr), &'a InterfacePolicy>,
    /// Owners of whole ranges, by allowed address pairs.
    ranges: Vec<(u16, IpNet, &'a InterfacePolicy)>,
    zones: BTreeSet<u16>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(desired: &'a Desired) -> Self {
        let mut owners = BTreeMap::new();
        for port in desired.ports.values() {
            if let Some(policy) = desired.interfaces.get(&port.interface) {
                owners.extend(port.addresses.iter().map(|ip| ((port.zone, *ip), policy.as_ref())));
            }
        }
        let mut ranges = Vec::new();
        for policy in desired.interfaces.values() {
            let Guard::Guarded { sources, .. } = &policy.guard else { continue };
            for net in sources.iter().map(|source| source.net) {
                if net.prefix_len() == net.max_prefix_len() {
                    owners.entry((policy.zone, net.addr())).or_insert(policy.as_ref());
                } else {
                    ranges.push((policy.zone, net, policy.as_ref()));
                }
            }
        }
        let zones = desired.interfaces.values().map(|policy| policy.zone).collect();
        Self { desired, owners, ranges, zones }
    }

    /// True if the rules would allow the connection to begin now. `gone` are addresses whose ports left.
    pub(super) fn allows(&self, flow: &Flow, gone: &BTreeSet<(u16, IpAddr)>) -> bool {
        if !self.zones.contains(&flow.zone) {
            return flow.zone == 0; // Not of our making; or of a network that left.
        }
        self.side_allows(flow, Direction::Egress, flow.source, flow.destination, gone)
            && self.side_allows(flow, Direction::Ingress, flow.destination, flow.source, gone)
    }

    fn side_allows(
        &self,
        flow: &Flow,
        direction: Direction,
        own: IpAddr,
        remote: IpAddr,
        gone: &BTreeSet<(u16, IpAddr)>,
    ) -> bool {
        let Some(policy) = self.owner(flow.zone, own) else { return !gone.contains(&(flow.zone, own)) };
        match &policy.guard {
            Guard::Closed => false,
            Guard::Open => true,
            Guard::Guarded { groups, .. } => {
                let rules = groups.iter().filter_map(|id| self.desired.groups.get(id)).flat_map(|g| &g.rules);
                rules.filter(|rule| rule.direction == direction).any(|rule| self.rule_allows(rule, flow, remote))
            }
        }
    }

    fn owner(&self, zone: u16, address: IpAddr) -> Option<&'a InterfacePolicy> {
        let own = self.owners.get(&(zone, address)).copied();
        own.or_else(|| {
            let holds = |(of, net, _): &&(u16, IpNet, _)| *of == zone && net.contains(&address);
            self.ranges.iter().find(holds).map(|(_, _, policy)| *policy)
        })
    }

    fn rule_allows(&self, rule: &GroupRule, flow: &Flow, remote: IpAddr) -> bool {
        let service = match &rule.service {
            Service::Any => true,
            Service::Protocol(number) => flow.protocol == *number,
            Service::Ports(number, ports) => {
                let of_flow = if let FlowKey::Ports { destination, .. } = flow.key { Some(destination) } else { None };
                flow.protocol == *number && of_flow.is_some_and(|port| ports.contains(&port))
            }
            Service::Icmp(number, wanted, wanted_code) => {
                let FlowKey::Icmp { kind, code, .. } = flow.key else { return false };
                flow.protocol == *number && kind == *wanted && wanted_code.is_none_or(|c| c == code)
            }
        };
        let with = match &rule.remote {
            Remote::Any => true,
            Remote::Net(net) => net.contains(&remote),
            Remote::Named(named) => self.desired.members.get(named).is_some_and(|m| m.contains(remote)),
        };
        service && with && of_version(remote, rule.ethertype)
    }
}

/// True if nothing became stricter for those who stayed: interfaces left, and their addresses with them.
pub(super) fn only_departed(old: &Desired, new: &Desired, gone: &BTreeSet<(u16, IpAddr)>) -> bool {
    let interfaces = old.interfaces.iter().all(|(name, policy)| new.interfaces.get(name).is_none_or(|p| p == policy));
    let groups = old.groups.iter().all(|(id, group)| new.groups.get(id).is_none_or(|g| g == group));
    let left: BTreeSet<IpAddr> = gone.iter().map(|(_, address)| *address).collect();
    let members = old.members.iter().all(|(id, members)| {
        new.members
            .get(id)
            .is_none_or(|m| m.nets.is_superset(&members.nets) && members.apart(m).0.hosts.is_subset(&left))
    });
    interfaces && groups && members
}

/// Addresses that ports had and no port has any more.
pub(super) fn gone(old: &Desired, new: &Desired) -> BTreeSet<(u16, IpAddr)> {
    let of = |desired: &Desired| -> BTreeSet<(u16, IpAddr)> {
        desired.ports.values().flat_map(|port| port.addresses.iter().map(|ip| (port.zone, *ip))).collect()
    };
    of(old).difference(&of(new)).copied().collect()
}
