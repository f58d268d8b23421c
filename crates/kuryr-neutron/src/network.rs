//! Networks.

use crate::{NetworkId, ProjectId, QosPolicyId, Status, SubnetId, Tag, nullable};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network: one broadcast domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// Identifier.
    pub id: NetworkId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// False: forwards nothing.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// `ACTIVE` or `DOWN`.
    #[serde(default)]
    pub status: Status,
    /// Its subnets.
    #[serde(default)]
    pub subnets: Vec<SubnetId>,
    /// Every project may use it.
    #[serde(default)]
    pub shared: bool,
    /// Bytes of the largest packet. Absent on clouds without the extension: 1500.
    #[serde(default = "ethernet_mtu")]
    pub mtu: u32,
    /// True: routers may have their gateway here.
    #[serde(rename = "router:external", default)]
    pub router_external: bool,
    /// Default of its ports' `port_security_enabled`.
    #[serde(default = "yes")]
    pub port_security_enabled: bool,
    /// The QoS policy of its ports. Absent on clouds without the extension `qos`.
    #[serde(default)]
    pub qos_policy_id: Option<QosPolicyId>,
    /// True: the default external network.
    #[serde(default)]
    pub is_default: bool,
    /// `local` in the embedded cloud. Only administrators see it.
    #[serde(rename = "provider:network_type", default, skip_serializing_if = "Option::is_none")]
    pub provider_network_type: Option<String>,
    /// The physical network it is on, if any.
    #[serde(rename = "provider:physical_network", default)]
    pub provider_physical_network: Option<String>,
    /// VLAN or tunnel id, if any.
    #[serde(rename = "provider:segmentation_id", default)]
    pub provider_segmentation_id: Option<u32>,
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

/// Text that some answers leave `null`: Neutron gives the rules it makes by itself no description.
pub(crate) fn null_is_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

pub(crate) fn yes() -> bool {
    true
}

fn ethernet_mtu() -> u32 {
    1500
}

/// A network to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewNetwork {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner; absent: the caller's project. Others only for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Default: the cloud's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1500)]
    pub mtu: Option<u32>,
    /// Default false.
    #[serde(rename = "router:external", default, skip_serializing_if = "Option::is_none")]
    pub router_external: Option<bool>,
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// Default: the default policy of its project, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<QosPolicyId>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// `local` is all the embedded cloud has.
    #[serde(rename = "provider:network_type", default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<String>")]
    pub provider_network_type: Option<Option<String>>,
    /// Not offered by the embedded cloud.
    #[serde(rename = "provider:physical_network", default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<String>")]
    pub provider_physical_network: Option<Option<String>>,
    /// Not offered by the embedded cloud.
    #[serde(rename = "provider:segmentation_id", default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<u32>")]
    pub provider_segmentation_id: Option<Option<u32>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// Share or stop sharing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// New MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1500)]
    pub mtu: Option<u32>,
    /// Make external or internal.
    #[serde(rename = "router:external", default, skip_serializing_if = "Option::is_none")]
    pub router_external: Option<bool>,
    /// Default for new ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// The QoS policy of its ports; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<QosPolicyId>")]
    pub qos_policy_id: Option<Option<QosPolicyId>>,
    /// Default external network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
