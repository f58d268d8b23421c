//! Ports: what a container's interface is.

use crate::{
    DnsName, HostId, MacAddr, NetworkId, PortId, ProjectId, QosPolicyId, SecurityGroupId, SubnetId, Tag, TrunkDetails,
    network::yes, nullable,
};
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fmt, net::IpAddr};

/// `binding:vif_type` of a port that no host has.
pub const VIF_TYPE_UNBOUND: &str = "unbound";
/// `binding:vif_type` of a port that the cloud could not wire on its host.
pub const VIF_TYPE_BINDING_FAILED: &str = "binding_failed";
/// `binding:vif_type` of a port that is plugged into a Linux bridge.
pub const VIF_TYPE_BRIDGE: &str = "bridge";
/// `binding:vnic_type` of ordinary virtual interfaces.
pub const DEFAULT_VNIC_TYPE: &str = "normal";

/// What `binding:vnic_type` can be.
pub const VNIC_TYPES: [&str; 11] = [
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "remote-managed",
    "accelerator-direct",
    "accelerator-direct-physical",
];

/// State of a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Status {
    /// Works.
    #[serde(rename = "ACTIVE")]
    Active,
    /// Does not work, or is not plugged.
    #[default]
    #[serde(rename = "DOWN")]
    Down,
    /// Being built.
    #[serde(rename = "BUILD")]
    Build,
    /// Of a trunk: some of its subports are not wired.
    #[serde(rename = "DEGRADED")]
    Degraded,
    /// Broken.
    #[serde(rename = "ERROR")]
    Error,
    /// A word this client does not know.
    #[serde(other, rename = "N/A")]
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Build => "BUILD",
            Self::Degraded => "DEGRADED",
            Self::Error => "ERROR",
            Self::Unknown => "N/A",
        })
    }
}

/// An address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FixedIp {
    /// The subnet it is from.
    pub subnet_id: SubnetId,
    /// The address.
    pub ip_address: IpAddr,
}

/// A wish for an address; at least one of the two is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FixedIpRequest {
    /// From this subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// Exactly this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
}

impl From<FixedIp> for FixedIpRequest {
    fn from(ip: FixedIp) -> Self {
        Self { subnet_id: Some(ip.subnet_id), ip_address: Some(ip.ip_address) }
    }
}

/// A further address that a port may send from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressPair {
    /// Address or range.
    pub ip_address: IpNetOrAddr,
    /// Absent on creation: the port's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
}

/// An address or a range, printed as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum IpNetOrAddr {
    /// One address.
    Addr(IpAddr),
    /// A range.
    Net(IpNet),
}

impl IpNetOrAddr {
    /// The range, one address being the shortest.
    pub fn net(&self) -> IpNet {
        match *self {
            Self::Addr(a) => IpNet::from(a),
            Self::Net(n) => n.trunc(),
        }
    }
}

/// A port: an interface's place on a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// Identifier.
    pub id: PortId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// Its Ethernet address.
    pub mac_address: MacAddr,
    /// Its addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// False: forwards nothing.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// `ACTIVE` once plugged and policed, `DOWN` before.
    #[serde(default)]
    pub status: Status,
    /// What kind of thing uses it, such as `compute:kuryr`.
    #[serde(default)]
    pub device_owner: String,
    /// Which thing uses it: Docker's endpoint id here.
    #[serde(default)]
    pub device_id: String,
    /// Its security groups.
    #[serde(default)]
    pub security_groups: Vec<SecurityGroupId>,
    /// False: neither groups nor anti-spoofing.
    #[serde(default = "yes")]
    pub port_security_enabled: bool,
    /// Its own QoS policy; none: the network's. Absent on clouds without the extension `qos`.
    #[serde(default)]
    pub qos_policy_id: Option<QosPolicyId>,
    /// The network's QoS policy (extension `qos-port-network-policy`).
    #[serde(default)]
    pub qos_network_policy_id: Option<QosPolicyId>,
    /// Its name in DNS. Empty: none; absent on clouds without the extension `dns-integration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<DnsName>,
    /// The trunk whose parent it is; absent: of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk_details: Option<TrunkDetails>,
    /// Further addresses it may send from.
    #[serde(default)]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// The host it is bound to; empty: none. Only administrators see the binding.
    #[serde(rename = "binding:host_id", default)]
    pub binding_host_id: HostId,
    /// How to plug it: `bridge`, `ovs`, `unbound`, `binding_failed` …
    #[serde(rename = "binding:vif_type", default = "unbound")]
    pub binding_vif_type: String,
    /// Details for whoever plugs it.
    #[serde(rename = "binding:vif_details", default)]
    pub binding_vif_details: Map<String, Value>,
    /// Kind of interface: `normal`, `direct` …
    #[serde(rename = "binding:vnic_type", default = "normal")]
    pub binding_vnic_type: String,
    /// What the plugging side told the cloud.
    #[serde(rename = "binding:profile", default)]
    pub binding_profile: Map<String, Value>,
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

/// Beginning of the `device_owner` of machines' and containers' ports. A network's own ports have other interfaces.
const COMPUTE: &str = "compute:";

impl Port {
    /// Whether its host has a tap of it ([`PortId::tap_name`]): every kind of wiring has, for containers and machines.
    /// Virtual functions and containers within machines have none.
    pub fn has_tap(&self) -> bool {
        let vif_type = self.binding_vif_type.as_str();
        let is_wired = !matches!(vif_type, "" | VIF_TYPE_UNBOUND | VIF_TYPE_BINDING_FAILED);
        is_wired
            && !self.binding_host_id.is_empty()
            && self.binding_vnic_type == DEFAULT_VNIC_TYPE
            && (vif_type == VIF_TYPE_BRIDGE || self.device_owner.starts_with(COMPUTE))
    }
}

fn unbound() -> String {
    VIF_TYPE_UNBOUND.to_owned()
}

fn normal() -> String {
    DEFAULT_VNIC_TYPE.to_owned()
}

/// A port to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewPort {
    /// Its network; required.
    pub network_id: Option<NetworkId>,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Absent: one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Absent: one of each IP version the network has. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// What kind of thing uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_owner: Option<String>,
    /// Which thing uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Absent: the project's default group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Absent: the network's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// Its own QoS policy. Default: none, so that the network's counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<QosPolicyId>,
    /// Its name in DNS. Not offered by the embedded cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<DnsName>,
    /// Further addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
    /// Bind it to this host.
    #[serde(rename = "binding:host_id", default, skip_serializing_if = "Option::is_none")]
    pub binding_host_id: Option<HostId>,
    /// Kind of interface.
    #[serde(rename = "binding:vnic_type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = VNIC_TYPES))]
    pub binding_vnic_type: Option<String>,
    /// What the plugging side tells the cloud.
    #[serde(rename = "binding:profile", default, skip_serializing_if = "Option::is_none")]
    pub binding_profile: Option<Map<String, Value>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a port.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PortUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New Ethernet address; refused while bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// The whole new list of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    /// New state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// What kind of thing uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_owner: Option<String>,
    /// Which thing uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The whole new list of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Switch security on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// Its own QoS policy; null: the network's.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<QosPolicyId>")]
    pub qos_policy_id: Option<Option<QosPolicyId>>,
    /// New name in DNS. Not offered by the embedded cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<DnsName>,
    /// The whole new list of pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
    /// Bind to this host; empty: unbind.
    #[serde(rename = "binding:host_id", default, skip_serializing_if = "Option::is_none")]
    pub binding_host_id: Option<HostId>,
    /// Kind of interface.
    #[serde(rename = "binding:vnic_type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = VNIC_TYPES))]
    pub binding_vnic_type: Option<String>,
    /// What the plugging side tells the cloud.
    #[serde(rename = "binding:profile", default, skip_serializing_if = "Option::is_none")]
    pub binding_profile: Option<Map<String, Value>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn a_tap_is_told_of_whatever_kind_the_wiring_is() {
        let tap = |port: Value| {
            let mut all = json!({"id": Uuid::nil(), "network_id": Uuid::nil(), "mac_address": "fa:16:3e:00:00:01",
                "binding:host_id": "here", "device_owner": "compute:kuryr"});
            all.as_object_mut().unwrap().extend(port.as_object().unwrap().clone());
            serde_json::from_value::<Port>(all).unwrap().has_tap()
        };
        for vif_type in ["bridge", "ovs", "tap", "midonet"] {
            assert!(tap(json!({"binding:vif_type": vif_type})), "{vif_type}");
        }
        assert!(tap(json!({"binding:vif_type": "bridge", "device_owner": "network:dhcp"})));
        for port in [
            json!({"binding:vif_type": "unbound"}),
            json!({"binding:vif_type": "binding_failed"}),
            json!({"binding:vif_type": "ovs", "binding:host_id": ""}),
            json!({"binding:vif_type": "ovs", "device_owner": "network:distributed"}),
            json!({"binding:vif_type": "hw_veb", "binding:vnic_type": "direct"}),
        ] {
            assert!(!tap(port.clone()), "{port}");
        }
    }
}
