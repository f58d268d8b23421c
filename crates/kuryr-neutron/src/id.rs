//! Identifiers: each resource has its own type, so a port's id can never be used as a network's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// An identifier could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{value}' is not {expected}")]
pub struct IdError {
    /// What was given.
    pub value: String,
    /// What would have been right.
    pub expected: &'static str,
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new random identifier.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// The first 11 characters: what Neutron's interface and bridge names carry.
            pub fn short(&self) -> String {
                self.0.hyphenated().to_string()[..11].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                Uuid::try_parse(s)
                    .map(Self)
                    .map_err(|_| IdError { value: s.to_owned(), expected: "a UUID" })
            }
        }
    )+};
}

uuid_id! {
    /// Identifies a network.
    NetworkId,
    /// Identifies a subnet.
    SubnetId,
    /// Identifies a subnet pool.
    SubnetPoolId,
    /// Identifies a port.
    PortId,
    /// Identifies a security group.
    SecurityGroupId,
    /// Identifies a rule of a security group.
    SecurityGroupRuleId,
    /// Identifies a router.
    RouterId,
    /// Identifies a floating IP.
    FloatingIpId,
    /// Identifies a forwarded port of a floating IP.
    PortForwardingId,
    /// Identifies a QoS policy.
    QosPolicyId,
    /// Identifies a rule of a QoS policy.
    QosRuleId,
    /// Identifies a rule that new security groups are born with.
    DefaultRuleId,
    /// Identifies an address group.
    AddressGroupId,
    /// Identifies an RBAC policy.
    RbacPolicyId,
    /// Identifies a trunk.
    TrunkId,
}

impl PortId {
    /// Name of the host's end of the port's interface: `tap` and 11 characters of the id.
    pub fn tap_name(&self) -> String {
        format!("tap{}", self.short())
    }

    /// Name of the container's end before it is moved: `t_c` and 11 characters of the id.
    pub fn container_name(&self) -> String {
        format!("t_c{}", self.short())
    }
}

impl NetworkId {
    /// Name of the Linux bridge of the network: `brq` and 11 characters of the id.
    pub fn bridge_name(&self) -> String {
        format!("brq{}", self.short())
    }
}

/// A Keystone project (tenant): 1 to 64 characters, usually 32 hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ProjectId(pub String);

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host a port is bound to (`binding:host_id`): what `gethostname()` says there. Empty: unbound.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HostId(pub String);

impl HostId {
    /// True when the port is bound to no host.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_carry_eleven_characters() {
        let id: PortId = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".parse().unwrap();
        assert_eq!(id.tap_name(), "tap0f1b2c3d-4e");
        assert_eq!(id.container_name(), "t_c0f1b2c3d-4e");
        assert!(id.tap_name().len() < 16, "the kernel allows 15");
    }

    #[test]
    fn a_wrong_id_says_what_was_given() {
        let error = "hostile; rm".parse::<NetworkId>().unwrap_err();
        assert_eq!(error.to_string(), "'hostile; rm' is not a UUID");
    }
}
