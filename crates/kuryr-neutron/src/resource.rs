//! What all resources of the API share.

use crate::{
    AddressGroup, AddressGroupId, AddressGroupUpdate, BandwidthLimitRule, BandwidthLimitRuleUpdate, DefaultRule,
    DefaultRuleId, DefaultRuleUpdate, DscpMarkingRule, DscpMarkingRuleUpdate, FloatingIp, FloatingIpId,
    FloatingIpUpdate, Network, NetworkId, NetworkUpdate, NewAddressGroup, NewBandwidthLimitRule, NewDefaultRule,
    NewDscpMarkingRule, NewFloatingIp, NewNetwork, NewPort, NewPortForwarding, NewQosPolicy, NewRbacPolicy, NewRouter,
    NewSecurityGroup, NewSecurityGroupRule, NewSubnet, NewSubnetPool, NewTrunk, Port, PortForwarding, PortForwardingId,
    PortForwardingUpdate, PortId, PortUpdate, QosPolicy, QosPolicyId, QosPolicyUpdate, QosRuleId, RbacPolicy,
    RbacPolicyId, RbacPolicyUpdate, Router, RouterId, RouterUpdate, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, SecurityGroupRuleUpdate, SecurityGroupUpdate, Subnet, SubnetId, SubnetPool, SubnetPoolId,
    SubnetPoolUpdate, SubnetUpdate, Trunk, TrunkId, TrunkUpdate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt::Display, hash::Hash};

/// A resource of the Networking API: its words in JSON and in paths.
pub trait Resource: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// Its identifier.
    type Id: Copy + Ord + Hash + Display + Send + Sync + 'static;
    /// The body of a creation.
    type New: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// The body of an update; absent fields stay as they are.
    type Update: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// JSON key of one, such as `security_group`.
    const MEMBER: &'static str;
    /// JSON key of many, such as `security_groups`.
    const COLLECTION: &'static str;
    /// Path segment below `/v2.0/`, such as `security-groups`.
    const PATH: &'static str;
    /// The identifier of this one.
    fn id(&self) -> Self::Id;
}

macro_rules! resources {
    ($($type:ty { $id:ty, $new:ty, $update:ty, $member:literal, $collection:literal, $path:literal })+) => {$(
        impl Resource for $type {
            type Id = $id;
            type New = $new;
            type Update = $update;
            const MEMBER: &'static str = $member;
            const COLLECTION: &'static str = $collection;
            const PATH: &'static str = $path;
            fn id(&self) -> $id {
                self.id
            }
        }
    )+};
}

resources! {
    Network { NetworkId, NewNetwork, NetworkUpdate, "network", "networks", "networks" }
    Subnet { SubnetId, NewSubnet, SubnetUpdate, "subnet", "subnets", "subnets" }
    SubnetPool { SubnetPoolId, NewSubnetPool, SubnetPoolUpdate, "subnetpool", "subnetpools", "subnetpools" }
    Port { PortId, NewPort, PortUpdate, "port", "ports", "ports" }
    SecurityGroup { SecurityGroupId, NewSecurityGroup, SecurityGroupUpdate, "security_group", "security_groups", "security-groups" }
    SecurityGroupRule { SecurityGroupRuleId, NewSecurityGroupRule, SecurityGroupRuleUpdate, "security_group_rule", "security_group_rules", "security-group-rules" }
    AddressGroup { AddressGroupId, NewAddressGroup, AddressGroupUpdate, "address_group", "address_groups", "address-groups" }
    DefaultRule { DefaultRuleId, NewDefaultRule, DefaultRuleUpdate, "default_security_group_rule", "default_security_group_rules", "default-security-group-rules" }
    QosPolicy { QosPolicyId, NewQosPolicy, QosPolicyUpdate, "policy", "policies", "qos/policies" }
    BandwidthLimitRule { QosRuleId, NewBandwidthLimitRule, BandwidthLimitRuleUpdate, "bandwidth_limit_rule", "bandwidth_limit_rules", "bandwidth_limit_rules" }
    DscpMarkingRule { QosRuleId, NewDscpMarkingRule, DscpMarkingRuleUpdate, "dscp_marking_rule", "dscp_marking_rules", "dscp_marking_rules" }
    RbacPolicy { RbacPolicyId, NewRbacPolicy, RbacPolicyUpdate, "rbac_policy", "rbac_policies", "rbac-policies" }
    Trunk { TrunkId, NewTrunk, TrunkUpdate, "trunk", "trunks", "trunks" }
    PortForwarding { PortForwardingId, NewPortForwarding, PortForwardingUpdate, "port_forwarding", "port_forwardings", "port_forwardings" }
    FloatingIp { FloatingIpId, NewFloatingIp, FloatingIpUpdate, "floatingip", "floatingips", "floatingips" }
    Router { RouterId, NewRouter, RouterUpdate, "router", "routers", "routers" }
}

/// An API extension the cloud offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// The name clients ask for, such as `standard-attr-tag`.
    pub alias: String,
    /// A title for people.
    #[serde(default)]
    pub name: String,
    /// What it adds.
    #[serde(default)]
    pub description: String,
    /// When it last changed, RFC 3339.
    #[serde(default)]
    pub updated: String,
    /// Always empty today; clients expect the key.
    #[serde(default)]
    pub links: Vec<serde_json::Value>,
}
