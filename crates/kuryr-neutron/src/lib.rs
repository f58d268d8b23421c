//! Neutron's vocabulary as Rust types: ids, addresses and resources as they are on the wire.
//!
//! Client, embedded cloud and front ends share these words, so a port is one type from Docker's
//! request down to the database. Formats follow the OpenStack Networking API v2.0 reference.
//!
//! This crate never does I/O and knows neither HTTP nor SQL nor Docker.

mod address_group;
mod default_rule;
mod dns;
mod fault;
mod floating_ip;
mod id;
mod mac;
mod network;
pub mod nullable;
mod port;
mod protocol;
mod qos;
mod rbac_policy;
mod resource;
mod router;
mod schema;
mod security_group;
mod subnet;
mod subnetpool;
mod tag;
mod trunk;

pub use address_group::{AddressGroup, AddressGroupUpdate, NewAddressGroup};
pub use default_rule::{DefaultRemote, DefaultRule, DefaultRuleUpdate, NewDefaultRule};
pub use dns::{DnsName, DnsNameError};
pub use fault::{Fault, FaultKind};
pub use floating_ip::{
    FloatingIp, FloatingIpUpdate, ForwardedPort, NewFloatingIp, NewPortForwarding, PortDetails, PortForwarding,
    PortForwardingUpdate, PortRange, PortRangeError,
};
pub use id::{
    AddressGroupId, DefaultRuleId, FloatingIpId, HostId, IdError, NetworkId, PortForwardingId, PortId, ProjectId,
    QosPolicyId, QosRuleId, RbacPolicyId, RouterId, SecurityGroupId, SecurityGroupRuleId, SubnetId, SubnetPoolId,
    TrunkId,
};
pub use mac::{MacAddr, MacError};
pub use network::{Network, NetworkUpdate, NewNetwork};
pub use port::{
    AddressPair, DEFAULT_VNIC_TYPE, FixedIp, FixedIpRequest, IpNetOrAddr, NewPort, Port, PortUpdate, Status,
    VIF_TYPE_BINDING_FAILED, VIF_TYPE_BRIDGE, VIF_TYPE_UNBOUND, VNIC_TYPES,
};
pub use protocol::{Protocol, ProtocolError};
pub use qos::{
    BandwidthLimitRule, BandwidthLimitRuleUpdate, DSCP_MARKS, DscpMarkingRule, DscpMarkingRuleUpdate,
    NewBandwidthLimitRule, NewDscpMarkingRule, NewQosPolicy, QosPolicy, QosPolicyUpdate, QosRule,
};
pub use rbac_policy::{NewRbacPolicy, RbacAction, RbacPolicy, RbacPolicyUpdate, RbacTarget, Shareable};
pub use resource::{Extension, Resource};
pub use router::{ExternalGateway, NewRouter, Route, Router, RouterInterface, RouterUpdate};
pub use security_group::{
    Direction, Ethertype, NewSecurityGroup, NewSecurityGroupRule, SecurityGroup, SecurityGroupRule,
    SecurityGroupRuleUpdate, SecurityGroupUpdate,
};
pub use subnet::{AllocationPool, HostRoute, Ipv6Mode, Ipv6ModeError, NewSubnet, Subnet, SubnetUpdate};
pub use subnetpool::{NewSubnetPool, SubnetPool, SubnetPoolUpdate};
pub use tag::{Tag, TagError};
pub use trunk::{
    DEVICE_OWNER_SUBPORT, NewTrunk, SEGMENTATION_VLAN, SubPort, SubPortDetails, Trunk, TrunkDetails, TrunkUpdate,
};
