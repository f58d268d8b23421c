//! Address groups: ranges of addresses that rules of security groups name together (extension `address-group`).

use crate::{AddressGroupId, ProjectId};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Ranges of addresses under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressGroup {
    /// Identifier.
    pub id: AddressGroupId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Its ranges, of either IP version, without host bits.
    #[serde(default)]
    pub addresses: BTreeSet<IpNet>,
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

/// An address group to create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewAddressGroup {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its ranges.
    #[serde(default)]
    pub addresses: BTreeSet<IpNet>,
}

/// Changes of an address group; its ranges are added and removed by calls of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressGroupUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
