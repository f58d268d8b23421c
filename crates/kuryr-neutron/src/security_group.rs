//! Security groups and their rules.

use crate::{
    AddressGroupId, ProjectId, Protocol, SecurityGroupId, SecurityGroupRuleId, Tag,
    network::{null_is_empty, yes},
    nullable,
};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named set of rules; what no rule allows is dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroup {
    /// Identifier.
    pub id: SecurityGroupId,
    /// Name; `default` is each project's own.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Replies are let through.
    #[serde(default = "yes")]
    pub stateful: bool,
    /// Its rules. The embedded cloud keeps them apart and fills this in answers.
    #[serde(default)]
    pub security_group_rules: Vec<SecurityGroupRule>,
    /// Every project may use it.
    #[serde(default)]
    pub shared: bool,
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

/// Seen from the port: into it or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the port.
    Ingress,
    /// Out of the port.
    Egress,
}

/// IP version of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Ethertype {
    /// IPv4.
    #[default]
    IPv4,
    /// IPv6.
    IPv6,
}

/// One thing that is allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroupRule {
    /// Identifier.
    pub id: SecurityGroupRuleId,
    /// Its group.
    pub security_group_id: SecurityGroupId,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
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
    /// The other side's range; none: any.
    #[serde(default)]
    pub remote_ip_prefix: Option<IpNet>,
    /// The other side is a port of this group.
    #[serde(default)]
    pub remote_group_id: Option<SecurityGroupId>,
    /// The other side is in this address group.
    #[serde(default)]
    pub remote_address_group_id: Option<AddressGroupId>,
    /// Text for people.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub description: String,
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

/// A security group to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewSecurityGroup {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
}

/// Changes of a security group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroupUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Only while no port uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
}

/// A rule to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewSecurityGroupRule {
    /// Its group.
    pub security_group_id: SecurityGroupId,
    /// Into or out of the port.
    pub direction: Direction,
    /// Default IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ethertype: Option<Ethertype>,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Protocol; null or absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<Protocol>")]
    pub protocol: Option<Option<Protocol>>,
    /// First port, or ICMP type.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<u16>")]
    pub port_range_min: Option<Option<u16>>,
    /// Last port, or ICMP code.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<u16>")]
    pub port_range_max: Option<Option<u16>>,
    /// The other side's range.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<IpNet>")]
    pub remote_ip_prefix: Option<Option<IpNet>>,
    /// The other side's group.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<SecurityGroupId>")]
    pub remote_group_id: Option<Option<SecurityGroupId>>,
    /// The other side's address group.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<AddressGroupId>")]
    pub remote_address_group_id: Option<Option<AddressGroupId>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a rule: only its description.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroupRuleUpdate {
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_neutron_made_by_itself_is_read() {
        let id = "00000000-0000-4000-8000-000000000000";
        let rule = serde_json::json!({
            "id": id, "security_group_id": id, "direction": "egress", "ethertype": "IPv4", "protocol": null,
            "description": null, "remote_ip_prefix": "10.1.2.3/16",
        });
        let rule: SecurityGroupRule = serde_json::from_value(rule).unwrap();
        assert_eq!(rule.description, "");
    }
}
