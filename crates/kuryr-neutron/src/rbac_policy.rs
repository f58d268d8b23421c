//! RBAC policies: what a project shares with another one, or with all (extension `rbac-policies`).

use crate::{AddressGroupId, NetworkId, ProjectId, QosPolicyId, RbacPolicyId, SecurityGroupId, SubnetPoolId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "object_type", content = "object_id", rename_all = "snake_case")]
pub enum Shareable {
    /// A network.
    Network(NetworkId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// An address group.
    AddressGroup(AddressGroupId),
    /// A subnet pool.
    #[serde(rename = "subnetpool")]
    SubnetPool(SubnetPoolId),
    /// A QoS policy.
    QosPolicy(QosPolicyId),
}

impl Shareable {
    /// The object of this kind and id; `None`: there is no such kind.
    pub fn new(kind: &str, id: Uuid) -> Option<Self> {
        Some(match kind {
            "network" => Self::Network(NetworkId(id)),
            "security_group" => Self::SecurityGroup(SecurityGroupId(id)),
            "address_group" => Self::AddressGroup(AddressGroupId(id)),
            "subnetpool" => Self::SubnetPool(SubnetPoolId(id)),
            "qos_policy" => Self::QosPolicy(QosPolicyId(id)),
            _ => return None,
        })
    }

    /// Neutron's name of its kind (`object_type`).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::SecurityGroup(_) => "security_group",
            Self::AddressGroup(_) => "address_group",
            Self::SubnetPool(_) => "subnetpool",
            Self::QosPolicy(_) => "qos_policy",
        }
    }

    /// Its identifier.
    pub fn id(&self) -> Uuid {
        match self {
            Self::Network(id) => id.0,
            Self::SecurityGroup(id) => id.0,
            Self::AddressGroup(id) => id.0,
            Self::SubnetPool(id) => id.0,
            Self::QosPolicy(id) => id.0,
        }
    }

    /// What can be allowed with things of its kind.
    pub fn actions(&self) -> &'static [RbacAction] {
        match self {
            Self::Network(_) => &[RbacAction::AccessAsShared, RbacAction::AccessAsExternal],
            _ => &[RbacAction::AccessAsShared],
        }
    }
}

/// What a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RbacAction {
    /// To see and use it.
    AccessAsShared,
    /// To see a network and have gateways and floating IPs on it.
    AccessAsExternal,
}

impl RbacAction {
    /// Neutron's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::AccessAsShared => "access_as_shared",
            Self::AccessAsExternal => "access_as_external",
        }
    }
}

/// Whom a policy allows something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
pub enum RbacTarget {
    /// All projects, on the wire `*`.
    All,
    /// One project.
    Project(ProjectId),
}

impl RbacTarget {
    /// As it is on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "*",
            Self::Project(project) => &project.0,
        }
    }

    /// True when the project is among those that are meant.
    pub fn includes(&self, project: &ProjectId) -> bool {
        match self {
            Self::All => true,
            Self::Project(meant) => meant == project,
        }
    }
}

impl From<String> for RbacTarget {
    fn from(text: String) -> Self {
        if text == "*" { Self::All } else { Self::Project(ProjectId(text)) }
    }
}

impl From<RbacTarget> for String {
    fn from(target: RbacTarget) -> Self {
        target.as_str().to_owned()
    }
}

/// An RBAC policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RbacPolicy {
    /// Identifier.
    pub id: RbacPolicyId,
    /// Owner: who sees it, and may take it back.
    #[serde(default)]
    pub project_id: ProjectId,
    /// What is shared (`object_type` and `object_id`).
    #[serde(flatten)]
    pub object: Shareable,
    /// What is allowed.
    pub action: RbacAction,
    /// Who is allowed it.
    pub target_tenant: RbacTarget,
}

/// An RBAC policy to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewRbacPolicy {
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// What shall be shared.
    #[serde(flatten)]
    pub object: Shareable,
    /// What shall be allowed.
    pub action: RbacAction,
    /// Who shall be allowed it.
    #[schemars(extend("examples" = ["*"], "pattern" = "^(\\*|[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"))]
    pub target_tenant: RbacTarget,
}

/// Changes of an RBAC policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RbacPolicyUpdate {
    /// Another one shall be allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["*"], "pattern" = "^(\\*|[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"))]
    pub target_tenant: Option<RbacTarget>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_is_written_as_neutron_writes_it() {
        let id = "00000000-0000-4000-8000-000000000001";
        let wire = json!({
            "id": id, "project_id": "p", "object_type": "subnetpool", "object_id": id,
            "action": "access_as_shared", "target_tenant": "*",
        });
        let policy: RbacPolicy = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(policy.target_tenant, RbacTarget::All);
        assert_eq!(Some(policy.object), Shareable::new(policy.object.kind(), policy.object.id()));
        assert_eq!(serde_json::to_value(policy).unwrap(), wire);
    }
}
