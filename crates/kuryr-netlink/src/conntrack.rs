//! Tracked connections: list and delete by ctnetlink.

use crate::{error::Error, namespace::Namespace};
use std::net::IpAddr;

/// A tracked connection, by its original direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Conntrack zone; 0 is the default one.
    pub zone: u16,
    /// IP protocol number: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6.
    pub protocol: u8,
    /// Who began it.
    pub source: IpAddr,
    /// With whom.
    pub destination: IpAddr,
    /// Its ports or ICMP numbers.
    pub key: FlowKey,
    /// Conntrack mark.
    pub mark: u32,
}

/// What tells flows between two hosts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowKey {
    /// TCP, UDP, SCTP, DCCP.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier.
        id: u16,
    },
    /// Other protocols.
    None,
}

/// The connections tracked in a namespace, of one zone or of all.
pub fn entries(namespace: &Namespace, zone: Option<u16>) -> Result<Vec<Flow>, Error> {
    let _ = (namespace, zone);
    Err(crate::Cause::Unsupported.during("list connections", ""))
}

/// Forgets a connection. One that is not tracked counts as forgotten.
pub fn delete(namespace: &Namespace, flow: &Flow) -> Result<(), Error> {
    let _ = (namespace, flow);
    Err(crate::Cause::Unsupported.during("delete connection", ""))
}
