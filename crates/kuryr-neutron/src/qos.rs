//! QoS policies: how fast ports may send and receive, and how their packets are marked (extension `qos`).

use crate::{Direction, ProjectId, QosPolicyId, QosRuleId, Tag};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A QoS policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QosPolicy {
    /// Identifier.
    pub id: QosPolicyId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// Every project may use it.
    #[serde(default)]
    pub shared: bool,
    /// New networks of its project have it.
    #[serde(default)]
    pub is_default: bool,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<QosRule>,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Grows with each change, of its rules too.
    #[serde(default)]
    pub revision_number: u64,
    /// Creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A rule as its policy shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum QosRule {
    /// A limit of bandwidth.
    BandwidthLimit {
        /// The rule.
        #[serde(flatten)]
        rule: BandwidthLimitRule,
        /// Its policy.
        qos_policy_id: QosPolicyId,
    },
    /// A mark on packets.
    DscpMarking {
        /// The rule.
        #[serde(flatten)]
        rule: DscpMarkingRule,
        /// Its policy.
        qos_policy_id: QosPolicyId,
    },
    /// One of a kind that only other clouds have.
    #[serde(other)]
    Other,
}

/// A QoS policy to create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewQosPolicy {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a QoS policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QosPolicyUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Share or stop sharing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Make it its project's default, or no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A limit of what a port sends or receives (extension `qos`; its direction: `qos-bw-limit-direction`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BandwidthLimitRule {
    /// Identifier.
    pub id: QosRuleId,
    /// Kilobits (1000 bits) in a second; 0: no limit.
    pub max_kbps: u32,
    /// Kilobits that may come at once; 0: as the cloud finds right.
    #[serde(default)]
    pub max_burst_kbps: u32,
    /// Seen from the port.
    #[serde(default = "egress")]
    pub direction: Direction,
}

fn egress() -> Direction {
    Direction::Egress
}

/// A bandwidth limit to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewBandwidthLimitRule {
    /// The policy, which is in the path and not in the body.
    #[serde(skip)]
    pub qos_policy_id: Option<QosPolicyId>,
    /// Kilobits in a second.
    pub max_kbps: u32,
    /// Kilobits that may come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_burst_kbps: Option<u32>,
    /// Default: egress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Changes of a bandwidth limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BandwidthLimitRuleUpdate {
    /// Kilobits in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_kbps: Option<u32>,
    /// Kilobits that may come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_burst_kbps: Option<u32>,
    /// The other direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Code points that have a name: default, class selectors, assured and expedited forwarding, voice admit.
pub const DSCP_MARKS: [u8; 22] = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56];

/// A mark that the packets get which a port sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DscpMarkingRule {
    /// Identifier.
    pub id: QosRuleId,
    /// Differentiated services code point (RFC 2474).
    pub dscp_mark: u8,
}

/// A marking to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewDscpMarkingRule {
    /// The policy, which is in the path and not in the body.
    #[serde(skip)]
    pub qos_policy_id: Option<QosPolicyId>,
    /// Differentiated services code point.
    #[schemars(extend("enum" = DSCP_MARKS))]
    pub dscp_mark: u8,
}

/// Changes of a marking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DscpMarkingRuleUpdate {
    /// Differentiated services code point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = DSCP_MARKS))]
    pub dscp_mark: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_tells_its_rules_and_bears_those_of_other_clouds() {
        let (policy, rule) = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
        let limit = json!({
            "type": "bandwidth_limit", "id": rule, "qos_policy_id": policy, "max_kbps": 1000, "max_burst_kbps": 0,
            "direction": "ingress",
        });
        let mark = json!({"type": "dscp_marking", "id": rule, "qos_policy_id": policy, "dscp_mark": 8});
        let other = json!({"type": "minimum_bandwidth", "id": rule, "qos_policy_id": policy, "min_kbps": 1});
        let read: QosPolicy = serde_json::from_value(json!({"id": policy, "rules": [limit, mark, other]})).unwrap();
        assert_eq!(read.rules[2], QosRule::Other);
        assert_eq!(serde_json::to_value(&read.rules[..2]).unwrap(), json!([limit, mark]));
    }
}
