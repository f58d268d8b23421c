//! Everything there is, in memory.

use crate::engine::Change;
use kuryr_neutron::{
    MacAddr, Network, NetworkId, Port, PortId, ProjectId, Router, RouterId, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, Subnet, SubnetId, SubnetPool, SubnetPoolId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// A network, and what only this cloud knows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// As the API shows it.
    #[serde(flatten)]
    pub network: Network,
    /// Its connection-tracking zone: 1 to 65535, its own for as long as it lives.
    pub zone: u16,
}

/// Everything there is. Rows are shared and never change in place.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Networks.
    pub networks: BTreeMap<NetworkId, Arc<NetworkRecord>>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetId, Arc<Subnet>>,
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
    /// Grows with each commit since the engine was opened.
    pub revision: u64,
}

impl State {
    /// Ports of a network.
    pub fn ports_of_network(&self, id: NetworkId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.values().filter(move |p| p.network_id == id)
    }
    /// The port that holds an address of a subnet.
    pub fn port_by_address(&self, _subnet: SubnetId, _ip: IpAddr) -> Option<&Arc<Port>> {
        None
    }
    /// Ports that hold an address of a subnet.
    pub fn ports_of_subnet(&self, id: SubnetId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.values().filter(move |p| p.fixed_ips.iter().any(|f| f.subnet_id == id))
    }
    /// Ports with this device id.
    pub fn ports_of_device<'a>(&'a self, device_id: &'a str) -> impl Iterator<Item = &'a Arc<Port>> {
        self.ports.values().filter(move |p| p.device_id == device_id)
    }
    /// Ports with this MAC address, on whatever network.
    pub fn ports_by_mac(&self, mac: MacAddr) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.values().filter(move |p| p.mac_address == mac)
    }
    /// Ports that are members of a security group.
    pub fn ports_of_group(&self, id: SecurityGroupId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.values().filter(move |p| p.security_groups.contains(&id))
    }
    /// Rules of a security group.
    pub fn rules_of_group(&self, id: SecurityGroupId) -> impl Iterator<Item = &Arc<SecurityGroupRule>> {
        self.security_group_rules.values().filter(move |r| r.security_group_id == id)
    }
    /// Subnets of a network.
    pub fn subnets_of_network(&self, id: NetworkId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.values().filter(move |s| s.network_id == id)
    }
    /// Subnets allocated from a pool.
    pub fn subnets_of_pool(&self, id: SubnetPoolId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.values().filter(move |s| s.subnetpool_id == Some(id))
    }
    /// A router's ports on internal networks (`network:router_interface`).
    pub fn router_interfaces(&self, _id: RouterId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.values().filter(|_| false)
    }
    /// A router's port on its external network (`network:router_gateway`).
    pub fn router_gateway(&self, _id: RouterId) -> Option<&Arc<Port>> {
        None
    }
    /// A project's group named `default`.
    pub fn default_group(&self, project: &ProjectId) -> Option<&Arc<SecurityGroup>> {
        self.security_groups.values().find(|g| g.project_id == *project && g.name == "default")
    }
    /// A security group as the API shows it: with its rules.
    pub fn group_with_rules(&self, id: SecurityGroupId) -> Option<SecurityGroup> {
        let mut group = SecurityGroup::clone(self.security_groups.get(&id)?);
        group.security_group_rules = self.rules_of_group(id).map(|r| SecurityGroupRule::clone(r)).collect();
        Some(group)
    }
    /// Makes one change, and keeps the indexes right.
    pub fn apply(&mut self, _change: &Change) {}
}
