//! Secondary indexes of a state: each question has its answer in O(log n).

use crate::engine::{
    ForwardingRecord, NetworkRecord,
    quota::{Counted, Counts},
    runs::{Runs, number},
};
use kuryr_neutron::{
    AddressGroupId, FloatingIp, FloatingIpId, MacAddr, NetworkId, Port, PortForwardingId, PortId, ProjectId, QosPolicy,
    QosPolicyId, QosRuleId, RbacAction, RbacPolicy, RbacPolicyId, RbacTarget, RouterId, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, Shareable, Subnet, SubnetId, SubnetPoolId, Trunk, TrunkId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Name of the group each project has.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// Pairs in order: all second ones of a first one are a range.
pub(crate) type Pairs<A, B> = BTreeSet<(A, B)>;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    pub(crate) network_ports: Pairs<NetworkId, PortId>,
    pub(crate) group_ports: Pairs<SecurityGroupId, PortId>,
    pub(crate) device_ports: BTreeMap<String, BTreeSet<PortId>>,
    pub(crate) addresses: BTreeMap<(SubnetId, IpAddr), PortId>,
    pub(crate) macs: BTreeMap<(MacAddr, NetworkId), PortId>,
    pub(crate) network_subnets: Pairs<NetworkId, SubnetId>,
    pub(crate) pool_subnets: Pairs<SubnetPoolId, SubnetId>,
    pub(crate) group_rules: Pairs<SecurityGroupId, SecurityGroupRuleId>,
    pub(crate) remote_rules: Pairs<SecurityGroupId, SecurityGroupRuleId>,
    pub(crate) address_rules: Pairs<AddressGroupId, SecurityGroupRuleId>,
    pub(crate) port_floating: Pairs<PortId, FloatingIpId>,
    pub(crate) router_floating: Pairs<RouterId, FloatingIpId>,
    pub(crate) floating_forwardings: Pairs<FloatingIpId, PortForwardingId>,
    pub(crate) port_forwardings: Pairs<PortId, PortForwardingId>,
    pub(crate) trunk_parents: BTreeMap<PortId, TrunkId>,
    pub(crate) trunk_subports: BTreeMap<PortId, TrunkId>,
    /// Of what is shared: what is allowed whom by which policy.
    pub(crate) grants: BTreeMap<Shareable, BTreeMap<(RbacAction, RbacTarget), RbacPolicyId>>,
    pub(crate) qos_networks: Pairs<QosPolicyId, NetworkId>,
    pub(crate) qos_ports: Pairs<QosPolicyId, PortId>,
    pub(crate) qos_limits: Pairs<QosPolicyId, QosRuleId>,
    pub(crate) qos_markings: Pairs<QosPolicyId, QosRuleId>,
    pub(crate) default_qos_policies: BTreeMap<ProjectId, QosPolicyId>,
    pub(crate) default_groups: BTreeMap<ProjectId, SecurityGroupId>,
    /// Addresses in use, by subnet.
    pub(crate) used: BTreeMap<SubnetId, Runs>,
    /// What projects have.
    pub(crate) counts: BTreeMap<ProjectId, Counts>,
    /// Connection-tracking zones in use.
    pub(crate) zones: Runs,
}

impl Index {
    /// One of a kind is another project's, or comes or goes.
    pub(crate) fn count(&mut self, kind: Counted, old: Option<&ProjectId>, new: Option<&ProjectId>) {
        if old == new {
            return;
        }
        if let Some(project) = old
            && let Some(counts) = self.counts.get_mut(project)
        {
            counts.remove(kind);
            if counts.is_empty() {
                self.counts.remove(project);
            }
        }
        if let Some(project) = new {
            match self.counts.get_mut(project) {
                Some(counts) => counts.add(kind),
                None => self.counts.entry(project.clone()).or_default().add(kind),
            }
        }
    }

    pub(crate) fn network(&mut self, old: Option<&NetworkRecord>, new: Option<&NetworkRecord>) {
        if let Some(old) = old {
            self.zones.remove(old.zone.into());
        }
        if let Some(new) = new {
            self.zones.insert(new.zone.into());
        }
        let pair = |record: &NetworkRecord| Some((record.network.qos_policy_id?, record.network.id));
        move_pair(&mut self.qos_networks, old.and_then(pair), new.and_then(pair));
    }

    pub(crate) fn qos_policy(&mut self, old: Option<&QosPolicy>, new: Option<&QosPolicy>) {
        if let Some(old) = old.filter(|policy| policy.is_default) {
            self.default_qos_policies.remove(&old.project_id);
        }
        if let Some(new) = new.filter(|policy| policy.is_default) {
            self.default_qos_policies.insert(new.project_id.clone(), new.id);
        }
    }

    pub(crate) fn subnet(&mut self, old: Option<&Subnet>, new: Option<&Subnet>) {
        if let Some(old) = old {
            self.network_subnets.remove(&(old.network_id, old.id));
            if let Some(pool) = old.subnetpool_id {
                self.pool_subnets.remove(&(pool, old.id));
            }
        }
        if let Some(new) = new {
            self.network_subnets.insert((new.network_id, new.id));
            if let Some(pool) = new.subnetpool_id {
                self.pool_subnets.insert((pool, new.id));
            }
        }
    }

    pub(crate) fn port(&mut self, old: Option<&Port>, new: Option<&Port>) {
        if let Some(old) = old {
            self.forget_port(old);
        }
        if let Some(new) = new {
            self.know_port(new);
        }
        let pair = |port: &Port| Some((port.qos_policy_id?, port.id));
        move_pair(&mut self.qos_ports, old.and_then(pair), new.and_then(pair));
    }

    fn forget_port(&mut self, port: &Port) {
        self.network_ports.remove(&(port.network_id, port.id));
        self.macs.remove(&(port.mac_address, port.network_id));
        for group in &port.security_groups {
            self.group_ports.remove(&(*group, port.id));
        }
        if let Some(ports) = self.device_ports.get_mut(&port.device_id) {
            ports.remove(&port.id);
            if ports.is_empty() {
                self.device_ports.remove(&port.device_id);
            }
        }
        for ip in &port.fixed_ips {
            self.addresses.remove(&(ip.subnet_id, ip.ip_address));
            if let Some(used) = self.used.get_mut(&ip.subnet_id) {
                used.remove(number(ip.ip_address));
                if used.is_empty() {
                    self.used.remove(&ip.subnet_id);
                }
            }
        }
    }

    fn know_port(&mut self, port: &Port) {
        self.network_ports.insert((port.network_id, port.id));
        self.macs.insert((port.mac_address, port.network_id), port.id);
        self.group_ports.extend(port.security_groups.iter().map(|g| (*g, port.id)));
        if !port.device_id.is_empty() {
            self.device_ports.entry(port.device_id.clone()).or_default().insert(port.id);
        }
        for ip in &port.fixed_ips {
            self.addresses.insert((ip.subnet_id, ip.ip_address), port.id);
            self.used.entry(ip.subnet_id).or_default().insert(number(ip.ip_address));
        }
    }

    pub(crate) fn trunk(&mut self, old: Option<&Trunk>, new: Option<&Trunk>) {
        if let Some(old) = old {
            self.trunk_parents.remove(&old.port_id);
            for sub in &old.sub_ports {
                self.trunk_subports.remove(&sub.port_id);
            }
        }
        if let Some(new) = new {
            self.trunk_parents.insert(new.port_id, new.id);
            self.trunk_subports.extend(new.sub_ports.iter().map(|sub| (sub.port_id, new.id)));
        }
    }

    pub(crate) fn group(&mut self, old: Option<&SecurityGroup>, new: Option<&SecurityGroup>) {
        if let Some(old) = old.filter(|g| g.name == DEFAULT_GROUP) {
            self.default_groups.remove(&old.project_id);
        }
        if let Some(new) = new.filter(|g| g.name == DEFAULT_GROUP) {
            self.default_groups.insert(new.project_id.clone(), new.id);
        }
    }

    pub(crate) fn rule(&mut self, old: Option<&SecurityGroupRule>, new: Option<&SecurityGroupRule>) {
        if let Some(old) = old {
            self.group_rules.remove(&(old.security_group_id, old.id));
            if let Some(remote) = old.remote_group_id {
                self.remote_rules.remove(&(remote, old.id));
            }
            old.remote_address_group_id.map(|addresses| self.address_rules.remove(&(addresses, old.id)));
        }
        if let Some(new) = new {
            self.group_rules.insert((new.security_group_id, new.id));
            if let Some(remote) = new.remote_group_id {
                self.remote_rules.insert((remote, new.id));
            }
            self.address_rules.extend(new.remote_address_group_id.map(|addresses| (addresses, new.id)));
        }
    }

    pub(crate) fn rbac_policy(&mut self, old: Option<&RbacPolicy>, new: Option<&RbacPolicy>) {
        if let Some(old) = old
            && let Some(grants) = self.grants.get_mut(&old.object)
        {
            grants.remove(&(old.action, old.target_tenant.clone()));
            if grants.is_empty() {
                self.grants.remove(&old.object);
            }
        }
        if let Some(new) = new {
            let grants = self.grants.entry(new.object).or_default();
            grants.insert((new.action, new.target_tenant.clone()), new.id);
        }
    }

    pub(crate) fn floating_ip(&mut self, old: Option<&FloatingIp>, new: Option<&FloatingIp>) {
        if let Some(old) = old {
            old.port_id.map(|port| self.port_floating.remove(&(port, old.id)));
            old.router_id.map(|router| self.router_floating.remove(&(router, old.id)));
        }
        if let Some(new) = new {
            self.port_floating.extend(new.port_id.map(|port| (port, new.id)));
            self.router_floating.extend(new.router_id.map(|router| (router, new.id)));
        }
    }

    pub(crate) fn forwarding(&mut self, old: Option<&ForwardingRecord>, new: Option<&ForwardingRecord>) {
        if let Some(ForwardingRecord { forwarding, floatingip_id, .. }) = old {
            self.floating_forwardings.remove(&(*floatingip_id, forwarding.id));
            self.port_forwardings.remove(&(forwarding.internal_port_id, forwarding.id));
        }
        if let Some(ForwardingRecord { forwarding, floatingip_id, .. }) = new {
            self.floating_forwardings.insert((*floatingip_id, forwarding.id));
            self.port_forwardings.insert((forwarding.internal_port_id, forwarding.id));
        }
    }
}

/// What belongs to one thing belongs to another, or begins or ceases to.
pub(crate) fn move_pair<A: Ord, B: Ord>(pairs: &mut Pairs<A, B>, old: Option<(A, B)>, new: Option<(A, B)>) {
    if let Some(old) = old {
        pairs.remove(&old);
    }
    pairs.extend(new);
}
