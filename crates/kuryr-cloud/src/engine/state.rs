//! Everything there is, in memory.

mod change;

use crate::{
    engine::{
        default_rule,
        index::{Index, Pairs},
        qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
        quota::{Counted, Quota, QuotaId},
        runs::Runs,
    },
    store::Rows,
};
use jiff::Timestamp;
use kuryr_neutron::{
    AddressGroup, AddressGroupId, DefaultRule, DefaultRuleId, FloatingIp, FloatingIpId, MacAddr, Network, NetworkId,
    Port, PortForwarding, PortForwardingId, PortId, ProjectId, QosPolicy, QosPolicyId, QosRuleId, RbacAction,
    RbacPolicy, RbacPolicyId, RbacTarget, Router, RouterId, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, Shareable, Subnet, SubnetId, SubnetPool, SubnetPoolId, Trunk, TrunkId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// `device_owner` of a router's port on an internal network.
pub const ROUTER_INTERFACE: &str = "network:router_interface";
/// `device_owner` of a router's port on its external network.
pub const ROUTER_GATEWAY: &str = "network:router_gateway";

/// `device_owner` of the port that keeps a floating IP's address.
pub const FLOATING_IP: &str = "network:floatingip";

/// A forwarded port of a floating IP, and what the API does not tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardingRecord {
    /// As the API shows it.
    #[serde(flatten)]
    pub forwarding: PortForwarding,
    /// Its floating IP.
    pub floatingip_id: FloatingIpId,
    /// The floating IP's owner.
    pub project_id: ProjectId,
    /// Grows with each change.
    pub revision_number: u64,
    /// Creation.
    pub created_at: Option<Timestamp>,
    /// Last change.
    pub updated_at: Option<Timestamp>,
}

/// A network, and what only this cloud knows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// As the API shows it.
    #[serde(flatten)]
    pub network: Network,
    /// Its connection-tracking zone: 1 to 65535, its own for as long as it lives.
    pub zone: u16,
}

/// The address of a subnet that was chosen last for a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressGiven {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The address.
    pub last: IpAddr,
}

/// Everything there is. Rows never change in place, and all copies of the state have them in common. What is called
/// `shared` in them is always false here: see [`State::is_shared_with`].
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Networks.
    pub networks: BTreeMap<NetworkId, Arc<NetworkRecord>>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetId, Arc<Subnet>>,
    /// The addresses given last, by subnets.
    pub addresses_given: BTreeMap<SubnetId, Arc<AddressGiven>>,
    /// Subnet pools.
    pub subnetpools: BTreeMap<SubnetPoolId, Arc<SubnetPool>>,
    /// Ports.
    pub ports: BTreeMap<PortId, Arc<Port>>,
    /// Security groups; their `security_group_rules` are empty here, see [`State::rules_of_group`].
    pub security_groups: BTreeMap<SecurityGroupId, Arc<SecurityGroup>>,
    /// Rules of security groups.
    pub security_group_rules: BTreeMap<SecurityGroupRuleId, Arc<SecurityGroupRule>>,
    /// Routers.
    pub routers: BTreeMap<RouterId, Arc<Router>>,
    /// Trunks.
    pub trunks: BTreeMap<TrunkId, Arc<Trunk>>,
    /// Rules that new security groups are born with.
    pub default_rules: BTreeMap<DefaultRuleId, Arc<DefaultRule>>,
    /// Address groups.
    pub address_groups: BTreeMap<AddressGroupId, Arc<AddressGroup>>,
    /// Floating IPs; their ports and forwardings are not in here, see [`crate::engine::floating_ip::shown`].
    pub floating_ips: BTreeMap<FloatingIpId, Arc<FloatingIp>>,
    /// Forwarded ports of floating IPs.
    pub port_forwardings: BTreeMap<PortForwardingId, Arc<ForwardingRecord>>,
    /// QoS policies; their `rules` are empty here, see [`crate::engine::qos::shown`].
    pub qos_policies: BTreeMap<QosPolicyId, Arc<QosPolicy>>,
    /// Bandwidth limits of QoS policies.
    pub bandwidth_limits: BTreeMap<QosRuleId, Arc<BandwidthLimitRecord>>,
    /// Markings of QoS policies.
    pub dscp_markings: BTreeMap<QosRuleId, Arc<DscpMarkingRecord>>,
    /// What administrators allow projects.
    pub quotas: BTreeMap<QuotaId, Arc<Quota>>,
    /// What projects share.
    pub rbac_policies: BTreeMap<RbacPolicyId, Arc<RbacPolicy>>,
    /// Grows with each commit since the engine was opened.
    pub revision: u64,
    index: Index,
}

impl State {
    /// Nothing but the rules that Neutron's groups are born with.
    pub fn fresh() -> Self {
        let default_rules = default_rule::initial().into_iter().map(|rule| (rule.id, Arc::new(rule))).collect();
        Self { default_rules, ..Self::default() }
    }

    /// The state that a store's rows make.
    pub fn from_rows(rows: Rows) -> Self {
        let mut state = Self::default();
        rows.into_changes().iter().for_each(|change| state.apply(change));
        state
    }

    /// Ports of a network.
    pub fn ports_of_network(&self, id: NetworkId) -> impl Iterator<Item = &Arc<Port>> {
        select(&self.index.network_ports, (id, PortId(Uuid::nil())), (id, PortId(Uuid::max())), &self.ports)
    }

    /// The port that holds an address of a subnet.
    pub fn port_by_address(&self, subnet: SubnetId, ip: IpAddr) -> Option<&Arc<Port>> {
        self.ports.get(self.index.addresses.get(&(subnet, ip))?)
    }

    /// Ports that hold an address of a subnet, in order of addresses; a port with two is there twice.
    pub fn ports_of_subnet(&self, id: SubnetId) -> impl Iterator<Item = &Arc<Port>> {
        let first = (id, IpAddr::from([0; 4]));
        let last = (id, IpAddr::from([0xff; 16]));
        self.index.addresses.range(first..=last).filter_map(|(_, port)| self.ports.get(port))
    }

    /// Ports with this device id.
    pub fn ports_of_device(&self, device_id: &str) -> impl Iterator<Item = &Arc<Port>> {
        self.index.device_ports.get(device_id).into_iter().flatten().filter_map(|id| self.ports.get(id))
    }

    /// Ports with this MAC address, on whatever network.
    pub fn ports_by_mac(&self, mac: MacAddr) -> impl Iterator<Item = &Arc<Port>> {
        let (first, last) = ((mac, NetworkId(Uuid::nil())), (mac, NetworkId(Uuid::max())));
        self.index.macs.range(first..=last).filter_map(|(_, port)| self.ports.get(port))
    }

    /// The port with this MAC address on a network.
    pub fn port_by_mac(&self, network: NetworkId, mac: MacAddr) -> Option<&Arc<Port>> {
        self.ports.get(self.index.macs.get(&(mac, network))?)
    }

    /// Ports that are members of a security group.
    pub fn ports_of_group(&self, id: SecurityGroupId) -> impl Iterator<Item = &Arc<Port>> {
        select(&self.index.group_ports, (id, PortId(Uuid::nil())), (id, PortId(Uuid::max())), &self.ports)
    }

    /// Rules of a security group.
    pub fn rules_of_group(&self, id: SecurityGroupId) -> impl Iterator<Item = &Arc<SecurityGroupRule>> {
        rules(&self.index.group_rules, id, &self.security_group_rules)
    }

    /// Rules, of whatever group, whose other side is this group.
    pub fn rules_naming_group(&self, id: SecurityGroupId) -> impl Iterator<Item = &Arc<SecurityGroupRule>> {
        rules(&self.index.remote_rules, id, &self.security_group_rules)
    }

    /// Rules whose other side is this address group.
    pub fn rules_naming_addresses(&self, id: AddressGroupId) -> impl Iterator<Item = &Arc<SecurityGroupRule>> {
        let (first, last) = (SecurityGroupRuleId(Uuid::nil()), SecurityGroupRuleId(Uuid::max()));
        select(&self.index.address_rules, (id, first), (id, last), &self.security_group_rules)
    }

    /// Subnets of a network.
    pub fn subnets_of_network(&self, id: NetworkId) -> impl Iterator<Item = &Arc<Subnet>> {
        select(&self.index.network_subnets, (id, SubnetId(Uuid::nil())), (id, SubnetId(Uuid::max())), &self.subnets)
    }

    /// Subnets allocated from a pool.
    pub fn subnets_of_pool(&self, id: SubnetPoolId) -> impl Iterator<Item = &Arc<Subnet>> {
        select(&self.index.pool_subnets, (id, SubnetId(Uuid::nil())), (id, SubnetId(Uuid::max())), &self.subnets)
    }

    /// A router's ports on internal networks (`network:router_interface`).
    pub fn router_interfaces(&self, id: RouterId) -> impl Iterator<Item = &Arc<Port>> {
        self.index
            .device_ports
            .get(&id.to_string())
            .into_iter()
            .flatten()
            .filter_map(|id| self.ports.get(id))
            .filter(|p| p.device_owner == ROUTER_INTERFACE)
    }

    /// A router's port on its external network (`network:router_gateway`).
    pub fn router_gateway(&self, id: RouterId) -> Option<&Arc<Port>> {
        self.ports_of_device(&id.to_string()).find(|p| p.device_owner == ROUTER_GATEWAY)
    }

    /// The trunk that a port is the parent of.
    pub fn trunk_of_parent(&self, id: PortId) -> Option<&Arc<Trunk>> {
        self.trunks.get(self.index.trunk_parents.get(&id)?)
    }

    /// The trunk that carries a port.
    pub fn trunk_of_subport(&self, id: PortId) -> Option<&Arc<Trunk>> {
        self.trunks.get(self.index.trunk_subports.get(&id)?)
    }

    /// Floating IPs that are lent to a port.
    pub fn floating_ips_of_port(&self, id: PortId) -> impl Iterator<Item = &Arc<FloatingIp>> {
        let (first, last) = (FloatingIpId(Uuid::nil()), FloatingIpId(Uuid::max()));
        select(&self.index.port_floating, (id, first), (id, last), &self.floating_ips)
    }

    /// Floating IPs that a router translates.
    pub fn floating_ips_of_router(&self, id: RouterId) -> impl Iterator<Item = &Arc<FloatingIp>> {
        let (first, last) = (FloatingIpId(Uuid::nil()), FloatingIpId(Uuid::max()));
        select(&self.index.router_floating, (id, first), (id, last), &self.floating_ips)
    }

    /// Ports of a floating IP that are forwarded.
    pub fn forwardings_of(&self, id: FloatingIpId) -> impl Iterator<Item = &Arc<ForwardingRecord>> {
        let (first, last) = (PortForwardingId(Uuid::nil()), PortForwardingId(Uuid::max()));
        select(&self.index.floating_forwardings, (id, first), (id, last), &self.port_forwardings)
    }

    /// Forwardings that lead to a port.
    pub fn forwardings_to(&self, id: PortId) -> impl Iterator<Item = &Arc<ForwardingRecord>> {
        let (first, last) = (PortForwardingId(Uuid::nil()), PortForwardingId(Uuid::max()));
        select(&self.index.port_forwardings, (id, first), (id, last), &self.port_forwardings)
    }

    /// Networks with a QoS policy.
    pub fn networks_of_qos_policy(&self, id: QosPolicyId) -> impl Iterator<Item = &Arc<NetworkRecord>> {
        let (first, last) = (NetworkId(Uuid::nil()), NetworkId(Uuid::max()));
        select(&self.index.qos_networks, (id, first), (id, last), &self.networks)
    }

    /// Ports with a QoS policy of their own.
    pub fn ports_of_qos_policy(&self, id: QosPolicyId) -> impl Iterator<Item = &Arc<Port>> {
        select(&self.index.qos_ports, (id, PortId(Uuid::nil())), (id, PortId(Uuid::max())), &self.ports)
    }

    /// Bandwidth limits of a QoS policy.
    pub fn limits_of(&self, id: QosPolicyId) -> impl Iterator<Item = &Arc<BandwidthLimitRecord>> {
        let (first, last) = (QosRuleId(Uuid::nil()), QosRuleId(Uuid::max()));
        select(&self.index.qos_limits, (id, first), (id, last), &self.bandwidth_limits)
    }

    /// Markings of a QoS policy: none or one.
    pub fn markings_of(&self, id: QosPolicyId) -> impl Iterator<Item = &Arc<DscpMarkingRecord>> {
        let (first, last) = (QosRuleId(Uuid::nil()), QosRuleId(Uuid::max()));
        select(&self.index.qos_markings, (id, first), (id, last), &self.dscp_markings)
    }

    /// The QoS policy that a project's new networks have.
    pub fn default_qos_policy(&self, project: &ProjectId) -> Option<QosPolicyId> {
        self.index.default_qos_policies.get(project).copied()
    }

    /// A project's group named `default`.
    pub fn default_group(&self, project: &ProjectId) -> Option<&Arc<SecurityGroup>> {
        self.security_groups.get(self.index.default_groups.get(project)?)
    }

    /// Policies about an object.
    pub fn policies_of(&self, object: Shareable) -> impl Iterator<Item = &Arc<RbacPolicy>> {
        self.index.grants.get(&object).into_iter().flatten().filter_map(|(_, id)| self.rbac_policies.get(id))
    }

    /// The policy that allows somebody something.
    pub fn policy(&self, object: Shareable, action: RbacAction, target: &RbacTarget) -> Option<&Arc<RbacPolicy>> {
        self.rbac_policies.get(self.index.grants.get(&object)?.get(&(action, target.clone()))?)
    }

    /// True when a policy allows the project this, or all of them.
    pub fn is_allowed(&self, object: Shareable, action: RbacAction, project: &ProjectId) -> bool {
        let allows = |((of, to), _): (&(RbacAction, RbacTarget), &RbacPolicyId)| *of == action && to.includes(project);
        self.index.grants.get(&object).is_some_and(|grants| grants.iter().any(allows))
    }

    /// True when the project may see and use what may be another's: what Neutron answers as `shared`.
    pub fn is_shared_with(&self, object: Shareable, project: &ProjectId) -> bool {
        self.is_allowed(object, RbacAction::AccessAsShared, project)
    }

    /// How many of a kind a project has.
    pub fn used_of(&self, project: &ProjectId, kind: Counted) -> u32 {
        self.index.counts.get(project).map_or(0, |counts| counts.of(kind))
    }

    /// A security group as the API shows it: with its rules.
    pub fn group_with_rules(&self, id: SecurityGroupId) -> Option<SecurityGroup> {
        let mut group = SecurityGroup::clone(self.security_groups.get(&id)?);
        group.security_group_rules = self.rules_of_group(id).map(|r| SecurityGroupRule::clone(r)).collect();
        Some(group)
    }

    /// Addresses of a subnet that ports hold.
    pub(crate) fn used_addresses(&self, subnet: SubnetId) -> Option<&Runs> {
        self.index.used.get(&subnet)
    }

    /// The smallest connection-tracking zone that no network has.
    pub(crate) fn free_zone(&self) -> Option<u16> {
        self.index.zones.first_free(1, u16::MAX.into()).and_then(|zone| zone.try_into().ok())
    }

    /// Panics unless the indexes are what the rows say.
    #[cfg(test)]
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.index, Self::from_rows(self.to_rows()).index);
    }
}

fn select<'a, A: Ord, B: Ord, T>(
    pairs: &'a Pairs<A, B>,
    first: (A, B),
    last: (A, B),
    table: &'a BTreeMap<B, Arc<T>>,
) -> impl Iterator<Item = &'a Arc<T>> {
    pairs.range(first..=last).filter_map(|(_, id)| table.get(id))
}

fn rules<'a>(
    pairs: &'a Pairs<SecurityGroupId, SecurityGroupRuleId>,
    id: SecurityGroupId,
    table: &'a BTreeMap<SecurityGroupRuleId, Arc<SecurityGroupRule>>,
) -> impl Iterator<Item = &'a Arc<SecurityGroupRule>> {
    select(pairs, (id, SecurityGroupRuleId(Uuid::nil())), (id, SecurityGroupRuleId(Uuid::max())), table)
}
