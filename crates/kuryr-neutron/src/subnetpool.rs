//! Subnet pools.

use crate::{ProjectId, SubnetPoolId, Tag, nullable};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pool of prefixes from which subnets get their ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetPool {
    /// Identifier.
    pub id: SubnetPoolId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// The prefixes, merged where they touch.
    pub prefixes: Vec<IpNet>,
    /// 4 or 6.
    #[serde(default)]
    pub ip_version: u8,
    /// Prefix length given when none is asked for. Some releases write it as text.
    #[serde(deserialize_with = "number_or_text")]
    pub default_prefixlen: u8,
    /// Shortest prefix given.
    #[serde(deserialize_with = "number_or_text")]
    pub min_prefixlen: u8,
    /// Longest prefix given.
    #[serde(deserialize_with = "number_or_text")]
    pub max_prefixlen: u8,
    /// Every project may use it.
    #[serde(default)]
    pub shared: bool,
    /// The default pool of its IP version.
    #[serde(default)]
    pub is_default: bool,
    /// Address units a project may take; none: unlimited.
    #[serde(default)]
    pub default_quota: Option<u64>,
    /// Scope in which its addresses are unique.
    #[serde(default)]
    pub address_scope_id: Option<String>,
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

fn number_or_text<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u8, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Text(String),
    }
    match Either::deserialize(d)? {
        Either::Number(n) => Ok(n),
        Either::Text(t) => t.parse().map_err(serde::de::Error::custom),
    }
}

/// A subnet pool to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewSubnetPool {
    /// Name; required.
    pub name: String,
    /// Prefixes; required, all of one IP version.
    pub prefixes: Vec<IpNet>,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Default: `min_prefixlen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_prefixlen: Option<u8>,
    /// Default: 8 for IPv4, 64 for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_prefixlen: Option<u8>,
    /// Default: 32 or 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prefixlen: Option<u8>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Address units a project may take.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<u64>")]
    pub default_quota: Option<Option<u64>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a subnet pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetPoolUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New prefixes; must contain the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<IpNet>>,
    /// New default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_prefixlen: Option<u8>,
    /// New minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_prefixlen: Option<u8>,
    /// New maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prefixlen: Option<u8>,
    /// Default pool of its IP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Address units a project may take.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<u64>")]
    pub default_quota: Option<Option<u64>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
