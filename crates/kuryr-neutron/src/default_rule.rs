//! Rules that new security groups are born with (extension `security-groups-default-rules`).

use crate::{
    AddressGroupId, DefaultRuleId, Direction, Ethertype, IdError, Protocol, SecurityGroupId, schema::text_schema,
};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

const PARENT: &str = "PARENT";

/// The group whose ports are the other side of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefaultRemote {
    /// The group that the rule is born with; `PARENT` on the wire.
    Parent,
    /// This one.
    Group(SecurityGroupId),
}

impl fmt::Display for DefaultRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => f.write_str(PARENT),
            Self::Group(id) => id.fmt(f),
        }
    }
}

impl FromStr for DefaultRemote {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == PARENT { Ok(Self::Parent) } else { text.parse().map(Self::Group) }
    }
}

impl Serialize for DefaultRemote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DefaultRemote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

text_schema!(
    DefaultRemote,
    "The id of a security group, or `PARENT` for the group that the rule is born with.",
    "^(PARENT|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$",
    "PARENT"
);

/// A rule that new security groups get a copy of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultRule {
    /// Identifier.
    pub id: DefaultRuleId,
    /// Into or out of the port.
    pub direction: Direction,
    /// IP version.
    #[serde(default)]
    pub ethertype: Ethertype,
    /// Protocol; none: any.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// First port, or ICMP type.
    #[serde(default)]
    pub port_range_min: Option<u16>,
    /// Last port, or ICMP code.
    #[serde(default)]
    pub port_range_max: Option<u16>,
    /// The other side's range.
    #[serde(default)]
    pub remote_ip_prefix: Option<IpNet>,
    /// The other side's group.
    #[serde(default)]
    pub remote_group_id: Option<DefaultRemote>,
    /// The other side's address group.
    #[serde(default)]
    pub remote_address_group_id: Option<AddressGroupId>,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Each project's group `default` gets it.
    pub used_in_default_sg: bool,
    /// All other groups get it.
    pub used_in_non_default_sg: bool,
    /// Grows with each change; not told.
    #[serde(default)]
    pub revision_number: u64,
    /// Creation; not told.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change; not told.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A default rule to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewDefaultRule {
    /// Into or out of the port.
    pub direction: Direction,
    /// Default IPv4.
    #[serde(default)]
    pub ethertype: Option<Ethertype>,
    /// Protocol; none: any.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// First port, or ICMP type.
    #[serde(default)]
    pub port_range_min: Option<u16>,
    /// Last port, or ICMP code.
    #[serde(default)]
    pub port_range_max: Option<u16>,
    /// The other side's range.
    #[serde(default)]
    pub remote_ip_prefix: Option<IpNet>,
    /// The other side's group.
    #[serde(default)]
    pub remote_group_id: Option<DefaultRemote>,
    /// The other side's address group.
    #[serde(default)]
    pub remote_address_group_id: Option<AddressGroupId>,
    /// Text for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Each project's group `default` gets it.
    pub used_in_default_sg: bool,
    /// All other groups get it.
    pub used_in_non_default_sg: bool,
}

/// Nothing of a default rule can be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultRuleUpdate {}
