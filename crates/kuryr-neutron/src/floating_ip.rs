//! Floating IPs, and single ports of them that are forwarded (extension `floating-ip-port-forwarding`).

use crate::{
    FloatingIpId, MacAddr, NetworkId, PortForwardingId, PortId, ProjectId, RouterId, Status, SubnetId, Tag, nullable,
    schema::text_schema,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, net::IpAddr, str::FromStr};

/// An address of an external network that is lent to a port, or whose single ports are forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FloatingIp {
    /// Identifier.
    pub id: FloatingIpId,
    /// The external network.
    pub floating_network_id: NetworkId,
    /// The address.
    pub floating_ip_address: IpAddr,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// The router that translates; none while it leads nowhere.
    #[serde(default)]
    pub router_id: Option<RouterId>,
    /// The port that has all of it.
    #[serde(default)]
    pub port_id: Option<PortId>,
    /// The address of that port it leads to.
    #[serde(default)]
    pub fixed_ip_address: Option<IpAddr>,
    /// That port in short (extension `fip-port-details`).
    #[serde(default)]
    pub port_details: Option<PortDetails>,
    /// Single ports that are forwarded (extension `expose-port-forwarding-in-fip`).
    #[serde(default)]
    pub port_forwardings: Vec<ForwardedPort>,
    /// `ACTIVE` once it leads somewhere.
    #[serde(default)]
    pub status: Status,
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

/// What a floating IP tells of its port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortDetails {
    /// Its name.
    pub name: String,
    /// Its network.
    pub network_id: NetworkId,
    /// Its Ethernet address.
    pub mac_address: MacAddr,
    /// False: carries nothing.
    pub admin_state_up: bool,
    /// Its status.
    pub status: Status,
    /// What has it.
    pub device_id: String,
    /// What kind of thing that is.
    pub device_owner: String,
}

/// What a floating IP tells of a port that is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForwardedPort {
    /// Of the forwarding. Older clouds do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PortForwardingId>,
    /// `tcp` or `udp`; others are the driver's matter.
    pub protocol: String,
    /// The interface's address.
    pub internal_ip_address: IpAddr,
    /// The interface. Older clouds do not tell it.
    #[serde(default)]
    pub internal_port_id: Option<PortId>,
    /// Port of the interface; none where a range is forwarded.
    #[serde(default)]
    pub internal_port: Option<u16>,
    /// Port of the floating IP; none where a range is forwarded.
    #[serde(default)]
    pub external_port: Option<u16>,
}

/// A floating IP to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewFloatingIp {
    /// The external network.
    pub floating_network_id: NetworkId,
    /// Owner; default: the asker's project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The external subnet that the address shall be from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// The address. For administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floating_ip_address: Option<IpAddr>,
    /// The port that gets all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_id: Option<PortId>,
    /// The address of that port; needed where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_ip_address: Option<IpAddr>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a floating IP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FloatingIpUpdate {
    /// The port that gets all of it, or none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<PortId>")]
    pub port_id: Option<Option<PortId>>,
    /// The address of that port.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    #[schemars(with = "Option<IpAddr>")]
    pub fixed_ip_address: Option<Option<IpAddr>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Ports from a first to a last one, both included; `80:90` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, which is not before the first.
    pub last: u16,
}

impl PortRange {
    /// A single port.
    pub fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// The port, if it is a single one.
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// True if the two have a port in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many ports.
    pub fn length(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.first, self.last)
    }
}

/// A text is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a range of ports such as 80:90")]
pub struct PortRangeError(pub String);

impl FromStr for PortRange {
    type Err = PortRangeError;
    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let wrong = || PortRangeError(text.to_owned());
        let (first, last) = text.split_once(':').ok_or_else(wrong)?;
        let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if first == 0 || first > last { Err(wrong()) } else { Ok(Self { first, last }) }
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

text_schema!(PortRange, "A range of ports.", "^[1-9][0-9]{0,4}:[1-9][0-9]{0,4}$", "80:90");

/// One port of a floating IP that leads to one port of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortForwarding {
    /// Identifier.
    pub id: PortForwardingId,
    /// `tcp` or `udp`; others are the driver's matter.
    pub protocol: String,
    /// Port of the floating IP; none where a range is forwarded.
    #[serde(default)]
    pub external_port: Option<u16>,
    /// Ports of the floating IP (extension `floating-ip-port-forwarding-port-ranges`).
    #[serde(default)]
    pub external_port_range: Option<PortRange>,
    /// Port of the interface; none where a range is forwarded.
    #[serde(default)]
    pub internal_port: Option<u16>,
    /// Ports of the interface.
    #[serde(default)]
    pub internal_port_range: Option<PortRange>,
    /// The interface's address.
    pub internal_ip_address: IpAddr,
    /// The interface.
    pub internal_port_id: PortId,
    /// Text for people (extension `floating-ip-port-forwarding-description`).
    #[serde(default)]
    pub description: String,
}

impl PortForwarding {
    /// The ports of the floating IP that it has.
    pub fn external(&self) -> Option<PortRange> {
        self.external_port.map(PortRange::one).or(self.external_port_range)
    }

    /// The ports of the interface that it leads to.
    pub fn internal(&self) -> Option<PortRange> {
        self.internal_port.map(PortRange::one).or(self.internal_port_range)
    }
}

/// A port of a floating IP to forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewPortForwarding {
    /// The floating IP, which is in the path and not in the body.
    #[serde(skip)]
    pub floatingip_id: Option<FloatingIpId>,
    /// `tcp` or `udp`.
    #[schemars(extend("enum" = ["tcp", "udp"]))]
    pub protocol: String,
    /// Port of the floating IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_port: Option<u16>,
    /// Ports of the floating IP, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_port_range: Option<PortRange>,
    /// Port of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port: Option<u16>,
    /// Ports of the interface, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port_range: Option<PortRange>,
    /// The interface's address.
    pub internal_ip_address: IpAddr,
    /// The interface.
    pub internal_port_id: PortId,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a forwarding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortForwardingUpdate {
    /// `tcp` or `udp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["tcp", "udp"]))]
    pub protocol: Option<String>,
    /// Port of the floating IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_port: Option<u16>,
    /// Ports of the floating IP, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_port_range: Option<PortRange>,
    /// Port of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port: Option<u16>,
    /// Ports of the interface, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port_range: Option<PortRange>,
    /// The interface's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_ip_address: Option<IpAddr>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port_id: Option<PortId>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarding_tells_its_ports_by_number_or_by_range() {
        let read = |more: &str| {
            let text = format!(
                "{{\"id\": \"{0}\", \"protocol\": \"tcp\", \"internal_ip_address\": \"10.0.0.2\", \"internal_port_id\": \"{0}\"{more}}}",
                "725ade3c-9760-4880-8080-8fc2dbab9acc"
            );
            serde_json::from_str::<PortForwarding>(&text).unwrap().external()
        };
        assert_eq!(read(""), None);
        assert_eq!(read(", \"external_port\": 80"), Some(PortRange::one(80)));
        assert_eq!(
            read(", \"external_port\": null, \"external_port_range\": \"80:90\""),
            Some("80:90".parse().unwrap())
        );
        for wrong in ["eighty", "80", "90:80", "0:1", "1:65536"] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong}");
        }
    }
}
