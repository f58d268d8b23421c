//! What `kuryr explain --json` prints. Names of keys are a promise: they may become more, never others.

use super::kernel::Wire;
use crate::status::report::Named;
use ipnet::IpNet;
use kuryr_neutron::{
    AddressPair, Direction, MacAddr, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId, Status, SubnetId,
};
use serde::Serialize;
use std::net::IpAddr;

/// Everything that is told.
#[derive(Debug, Serialize)]
pub struct Report {
    /// None, where a port was asked about.
    pub container: Option<ContainerReport>,
    pub ports: Vec<PortReport>,
    pub paths: Vec<PathReport>,
    pub notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ContainerReport {
    pub id: String,
    pub name: String,
    pub running: bool,
}

#[derive(Debug, Serialize)]
pub struct PortReport {
    pub id: PortId,
    pub name: String,
    pub status: Status,
    pub admin_state_up: bool,
    pub mac_address: MacAddr,
    pub docker_network: Option<String>,
    pub network: Named<NetworkId>,
    pub mtu: u32,
    pub addresses: Vec<AddressReport>,
    pub host: String,
    pub vif_type: String,
    /// The host's end of its interface.
    pub interface: String,
    pub port_security_enabled: bool,
    /// Addresses that it may use besides its own.
    pub allowed_address_pairs: Vec<AddressPair>,
    pub security_groups: Vec<GroupReport>,
    /// Nothing, where it is not on this host or may not be seen.
    pub kernel: Option<Wire>,
    pub problems: Vec<ProblemReport>,
}

#[derive(Debug, Serialize)]
pub struct AddressReport {
    pub address: IpAddr,
    pub subnet: Named<SubnetId>,
    pub cidr: Option<IpNet>,
    pub gateway_ip: Option<IpAddr>,
}

#[derive(Debug, Serialize)]
pub struct GroupReport {
    pub id: SecurityGroupId,
    pub name: String,
    pub rules: Vec<RuleReport>,
}

#[derive(Debug, Serialize)]
pub struct RuleReport {
    pub id: SecurityGroupRuleId,
    pub direction: Direction,
    /// For people.
    pub text: String,
    /// Packets that began something by this rule, of all ports in the group; nothing, where another cloud counts.
    pub packets: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct ProblemReport {
    pub problem: String,
    pub remedy: String,
}

/// May one reach the other?
#[derive(Debug, Serialize)]
pub struct PathReport {
    pub from: String,
    pub to: String,
    pub protocol: String,
    pub port: Option<u16>,
    pub verdict: Verdict,
    /// In a few words.
    pub reason: String,
    pub steps: Vec<Step>,
    pub remedies: Vec<String>,
    /// Connections of this kind that the embedded cloud knows.
    pub open_connections: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It arrives, and so do the answers.
    Allowed,
    /// A rule drops it, or nothing allows it.
    Dropped,
    /// It finds no way, or nobody at its end.
    NoWay,
}

/// Something that happens on the way.
#[derive(Debug, Serialize)]
pub struct Step {
    pub text: String,
    pub passes: bool,
    /// The security group's rule that decided.
    pub rule: Option<SecurityGroupRuleId>,
    /// What the deciding rule counted in the kernel.
    pub packets: Option<u64>,
}
