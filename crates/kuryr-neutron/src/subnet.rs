//! Subnets.

use crate::{NetworkId, ProjectId, SubnetId, SubnetPoolId, Tag, network::yes, nullable};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, str::FromStr};

/// A subnet: one address range on a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subnet {
    /// Identifier.
    pub id: SubnetId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// 4 or 6.
    pub ip_version: u8,
    /// The range, host bits zero.
    pub cidr: IpNet,
    /// The pool it came from.
    #[serde(default)]
    pub subnetpool_id: Option<SubnetPoolId>,
    /// The router's address; `None`: the subnet has no gateway.
    #[serde(default)]
    pub gateway_ip: Option<IpAddr>,
    /// Ranges from which addresses are chosen.
    #[serde(default)]
    pub allocation_pools: Vec<AllocationPool>,
    /// Offer DHCP.
    #[serde(default = "yes")]
    pub enable_dhcp: bool,
    /// Resolvers to announce.
    #[serde(default)]
    pub dns_nameservers: Vec<IpAddr>,
    /// Routes to announce.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// How hosts get IPv6 router advertisements.
    #[serde(default)]
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How hosts get IPv6 addresses.
    #[serde(default)]
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Grows with each change.
    #[serde(default)]
    pub revision_number: u64,
    /// Creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// An inclusive range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AllocationPool {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

/// A route that hosts of the subnet get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRoute {
    /// Where to.
    pub destination: IpNet,
    /// Through whom.
    pub nexthop: IpAddr,
}

/// Modes of `ipv6_ra_mode` and `ipv6_address_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6Mode {
    /// Addresses formed by the host.
    Slaac,
    /// Addresses by DHCPv6.
    Dhcpv6Stateful,
    /// Addresses formed by the host, options by DHCPv6.
    Dhcpv6Stateless,
}

/// A text is no such mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of slaac, dhcpv6-stateful, dhcpv6-stateless")]
pub struct Ipv6ModeError(pub String);

impl FromStr for Ipv6Mode {
    type Err = Ipv6ModeError;
    fn from_str(s: &str) -> Result<Self, Ipv6ModeError> {
        match s {
            "slaac" => Ok(Self::Slaac),
            "dhcpv6-stateful" => Ok(Self::Dhcpv6Stateful),
            "dhcpv6-stateless" => Ok(Self::Dhcpv6Stateless),
            _ => Err(Ipv6ModeError(s.to_owned())),
        }
    }
}

/// A subnet to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewSubnet {
    /// Its network; required.
    pub network_id: Option<NetworkId>,
    /// 4 or 6; required unless `cidr` or a pool tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [4, 6]))]
    pub ip_version: Option<u8>,
    /// The range; absent: one is taken from the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<IpNet>,
    /// Prefix length wanted from the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixlen: Option<u8>,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Pool to allocate from.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<SubnetPoolId>")]
    pub subnetpool_id: Option<Option<SubnetPoolId>>,
    /// Absent: the first address of the range. Null: no gateway.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<IpAddr>")]
    pub gateway_ip: Option<Option<IpAddr>>,
    /// Absent: all of the range but the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_pools: Option<Vec<AllocationPool>>,
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_dhcp: Option<bool>,
    /// Resolvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_nameservers: Option<Vec<IpAddr>>,
    /// Routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_routes: Option<Vec<HostRoute>>,
    /// IPv6 only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<Ipv6Mode>")]
    pub ipv6_ra_mode: Option<Option<Ipv6Mode>>,
    /// IPv6 only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<Ipv6Mode>")]
    pub ipv6_address_mode: Option<Option<Ipv6Mode>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a subnet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New gateway; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<IpAddr>")]
    pub gateway_ip: Option<Option<IpAddr>>,
    /// New ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_pools: Option<Vec<AllocationPool>>,
    /// Offer DHCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_dhcp: Option<bool>,
    /// Resolvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_nameservers: Option<Vec<IpAddr>>,
    /// Routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_routes: Option<Vec<HostRoute>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
