//! QoS policies, which are only ever named here: their rules are the cloud's operator's.

use crate::{ProjectId, QosPolicyId};
use serde::{Deserialize, Serialize};

/// A QoS policy (extension `qos`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Text for people.
    #[serde(default)]
    pub description: String,
}

/// A QoS policy to create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewQosPolicy {
    /// Name.
    pub name: String,
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a QoS policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QosPolicyUpdate {
    /// Share or stop sharing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}
