//! Floating IPs, and single ports of them that are forwarded (extension `floating-ip-port-forwarding`).

use crate::{FloatingIpId, NetworkId, PortForwardingId, PortId, ProjectId, RouterId, Status, Tag};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An address of an external network that is lent to a port, or whose single ports are forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `ACTIVE` once it leads somewhere.
    #[serde(default)]
    pub status: Status,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// A floating IP to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFloatingIp {
    /// The external network.
    pub floating_network_id: NetworkId,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a floating IP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatingIpUpdate {
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One port of a floating IP that leads to one port of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortForwarding {
    /// Identifier.
    pub id: PortForwardingId,
    /// `tcp` or `udp`; others are the driver's matter.
    pub protocol: String,
    /// Port of the floating IP; none where a range is forwarded.
    #[serde(default)]
    pub external_port: Option<u16>,
    /// First and last port of the floating IP, as `80:80`.
    #[serde(default)]
    pub external_port_range: Option<String>,
    /// Port of the interface; none where a range is forwarded.
    #[serde(default)]
    pub internal_port: Option<u16>,
    /// The interface's address.
    pub internal_ip_address: IpAddr,
    /// The interface.
    pub internal_port_id: PortId,
}

impl PortForwarding {
    /// The ports of the floating IP that it has, both included.
    pub fn external(&self) -> Option<(u16, u16)> {
        if let Some(port) = self.external_port {
            return Some((port, port));
        }
        let (first, last) = self.external_port_range.as_deref()?.split_once(':')?;
        first.parse().ok().zip(last.parse().ok())
    }
}

/// A port of a floating IP to forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPortForwarding {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Port of the floating IP.
    pub external_port: u16,
    /// Port of the interface.
    pub internal_port: u16,
    /// The interface's address.
    pub internal_ip_address: IpAddr,
    /// The interface.
    pub internal_port_id: PortId,
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
        assert_eq!(read(", \"external_port\": 80"), Some((80, 80)));
        assert_eq!(read(", \"external_port\": null, \"external_port_range\": \"80:90\""), Some((80, 90)));
        assert_eq!(read(", \"external_port_range\": \"eighty\""), None);
    }
}
