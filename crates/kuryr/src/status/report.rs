//! What `kuryr status --json` prints. Names of keys are a promise: they may become more, never others.

use kuryr_neutron::{MacAddr, NetworkId, PortId, RouterId, SecurityGroupId, Status, SubnetId};
use serde::Serialize;
use std::net::IpAddr;

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Report {
    pub cloud: CloudReport,
    pub networks: Vec<NetworkReport>,
    pub ports: Vec<PortReport>,
    pub security_groups: Vec<SecurityGroupReport>,
    pub routers: Vec<RouterReport>,
}

/// The cloud that was asked.
#[derive(Debug, Serialize)]
pub struct CloudReport {
    pub source: String,
    pub auth_url: String,
}

/// An id and the name that goes with it; the name is empty where it is not known.
#[derive(Debug, Clone, Serialize)]
pub struct Named<I> {
    pub id: I,
    pub name: String,
}

#[derive(Debug, Serialize)]
pub struct NetworkReport {
    pub id: NetworkId,
    pub name: String,
    pub status: Status,
    pub admin_state_up: bool,
    pub mtu: u32,
    pub subnets: Vec<SubnetReport>,
    /// The router that one of its subnets is connected to.
    pub router: Option<Named<RouterId>>,
    /// The networks of this machine's Docker that are this one: more than one, where they share it.
    pub docker_networks: Vec<Named<String>>,
}

#[derive(Debug, Serialize)]
pub struct SubnetReport {
    pub id: SubnetId,
    pub name: String,
    pub cidr: String,
    pub gateway_ip: Option<IpAddr>,
}

#[derive(Debug, Serialize)]
pub struct PortReport {
    pub id: PortId,
    pub name: String,
    pub network: Named<NetworkId>,
    pub addresses: Vec<IpAddr>,
    pub mac_address: MacAddr,
    pub status: Status,
    /// The container that has it, as this machine's Docker tells.
    pub container: Option<Named<String>>,
    pub device_owner: String,
    pub device_id: String,
    pub security_groups: Vec<Named<SecurityGroupId>>,
    pub host: String,
    /// The host's end of its interface, where it is bound.
    pub interface: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct SecurityGroupReport {
    pub id: SecurityGroupId,
    pub name: String,
    /// How many rules it has.
    pub rules: usize,
}

#[derive(Debug, Serialize)]
pub struct RouterReport {
    pub id: RouterId,
    pub name: String,
    pub status: Status,
    /// The network through which it reaches the outside.
    pub external_network: Option<Named<NetworkId>>,
    /// The networks it connects.
    pub networks: Vec<Named<NetworkId>>,
}
