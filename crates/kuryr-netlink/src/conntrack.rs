//! Tracked connections: list and delete by ctnetlink.
//!
//! Attribute numbers are those of `linux/netfilter/nfnetlink_conntrack.h`; numbers in them are in network order.

use crate::{
    error::{During, Error},
    link::address::{family, octets, read_ip},
    message::{Attributes, Message, Received, read_u16_be, read_u32_be},
    namespace::Namespace,
    socket::Socket,
};
use rustix::io::Errno;
use std::{fmt, net::IpAddr};

const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const CT_NEW: u16 = NFNL_SUBSYS_CTNETLINK << 8;
const CT_GET: u16 = CT_NEW | 1;
const CT_DELETE: u16 = CT_NEW | 2;
const NFGENMSG_LEN: usize = 4;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_MARK: u16 = 8;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// Identifier, type and code of ICMP; ICMPv6 has the next three numbers.
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMPV6_ID: u16 = 7;
/// A busy host's table is some megabytes.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A tracked connection, by its original direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Conntrack mark; says nothing about which flow is meant.
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

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, protocol, source, destination, key, .. } = self;
        write!(f, "zone {zone} protocol {protocol} {source} to {destination}")?;
        match key {
            FlowKey::Ports { source, destination } => write!(f, " ports {source} to {destination}"),
            FlowKey::Icmp { kind, code, id } => write!(f, " type {kind} code {code} id {id}"),
            FlowKey::None => Ok(()),
        }
    }
}

/// The connections tracked in a namespace, of one zone or of all.
pub fn entries(namespace: &Namespace, zone: Option<u16>) -> Result<Vec<Flow>, Error> {
    let mut socket = Socket::open_in(namespace, libc::NETLINK_NETFILTER)?;
    socket.set_receive_buffer(RECEIVE_BUFFER)?;
    let mut message = Message::new(CT_GET, 0).fixed(&nfgenmsg(0));
    if let Some(zone) = zone {
        // Kernels since 6.8 filter; older ones send everything.
        message = message.u16_be(CTA_ZONE, zone);
    }
    let wanted = |flow: &Flow| zone.is_none_or(|zone| flow.zone == zone);
    socket
        .dump(&message, |received| read_message(received).filter(wanted))
        .during("list tracked connections", &zone.map(|zone| format!("of zone {zone}")).unwrap_or_default())
}

/// A connection whose addresses are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translated {
    /// As it came.
    pub flow: Flow,
    /// As whom it goes on.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// And to which port, if its protocol has ports.
    pub destination_port: Option<u16>,
}

/// The connections of a namespace whose addresses are translated.
pub fn translated(namespace: &Namespace) -> Result<Vec<Translated>, Error> {
    let mut socket = Socket::open_in(namespace, libc::NETLINK_NETFILTER)?;
    socket.set_receive_buffer(RECEIVE_BUFFER)?;
    let message = Message::new(CT_GET, 0).fixed(&nfgenmsg(0));
    socket.dump(&message, read_translated).during("list translated connections", "")
}

pub(crate) fn read_translated(message: Received<'_>) -> Option<Translated> {
    if message.kind != CT_NEW {
        return None;
    }
    let attributes = message.payload.get(NFGENMSG_LEN..)?;
    let flow = read_flow(attributes)?;
    // Replies come from where it goes, and go to as whom it goes on.
    let tuple = Attributes::find(attributes, CTA_TUPLE_REPLY)?;
    let (destination, source) = read_addresses(tuple)?;
    let destination_port = match read_key(Attributes::find(tuple, CTA_TUPLE_PROTO)?) {
        FlowKey::Ports { source, .. } => Some(source),
        _ => None,
    };
    let same = flow.source == source && flow.destination == destination;
    let same_port = match flow.key {
        FlowKey::Ports { destination, .. } => destination_port == Some(destination),
        _ => true,
    };
    (!same || !same_port).then_some(Translated { flow, source, destination, destination_port })
}

/// Source and destination of a tuple.
fn read_addresses(tuple: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let ip = Attributes::find(tuple, CTA_TUPLE_IP)?;
    let address = |v4, v6| Attributes::find(ip, v4).or_else(|| Attributes::find(ip, v6)).and_then(read_ip);
    address(CTA_IP_V4_SRC, CTA_IP_V6_SRC).zip(address(CTA_IP_V4_DST, CTA_IP_V6_DST))
}

/// Forgets a connection. One that is not tracked counts as forgotten.
pub fn delete(namespace: &Namespace, flow: &Flow) -> Result<(), Error> {
    delete_all(namespace, std::slice::from_ref(flow)).map(|_| ())
}

/// Forgets connections by one socket; returns how many of them were still tracked.
pub fn delete_all(namespace: &Namespace, flows: &[Flow]) -> Result<usize, Error> {
    let mut socket = Socket::open_in(namespace, libc::NETLINK_NETFILTER)?;
    let mut deleted = 0;
    for flow in flows {
        match socket.request(deletion(flow)) {
            Ok(()) => deleted += 1,
            Err(cause) if cause.errno() == Some(Errno::NOENT) => {}
            Err(cause) => return Err(cause.during("delete tracked connection", flow.to_string())),
        }
    }
    Ok(deleted)
}

/// Always with a tuple: without one the kernel would forget every connection.
fn deletion(flow: &Flow) -> Message {
    let (source, destination) = match flow.source {
        IpAddr::V4(_) => (CTA_IP_V4_SRC, CTA_IP_V4_DST),
        IpAddr::V6(_) => (CTA_IP_V6_SRC, CTA_IP_V6_DST),
    };
    let icmp = if flow.source.is_ipv4() { CTA_PROTO_ICMP_ID } else { CTA_PROTO_ICMPV6_ID };
    Message::new(CT_DELETE, 0)
        .fixed(&nfgenmsg(family(flow.source)))
        .nest(CTA_TUPLE_ORIG, |tuple| {
            tuple
                .nest(CTA_TUPLE_IP, |ip| {
                    ip.bytes(source, &octets(flow.source)).bytes(destination, &octets(flow.destination))
                })
                .nest(CTA_TUPLE_PROTO, |protocol| {
                    let protocol = protocol.u8(CTA_PROTO_NUM, flow.protocol);
                    match flow.key {
                        FlowKey::Ports { source, destination } => {
                            protocol.u16_be(CTA_PROTO_SRC_PORT, source).u16_be(CTA_PROTO_DST_PORT, destination)
                        }
                        FlowKey::Icmp { kind, code, id } => {
                            protocol.u16_be(icmp, id).u8(icmp + 1, kind).u8(icmp + 2, code)
                        }
                        FlowKey::None => protocol,
                    }
                })
        })
        .u16_be(CTA_ZONE, flow.zone)
}

/// `struct nfgenmsg` of `linux/netfilter/nfnetlink.h`.
fn nfgenmsg(family: u8) -> [u8; NFGENMSG_LEN] {
    [family, 0, 0, 0]
}

pub(crate) fn read_message(message: Received<'_>) -> Option<Flow> {
    if message.kind != CT_NEW {
        return None;
    }
    read_flow(message.payload.get(NFGENMSG_LEN..)?)
}

fn read_flow(attributes: &[u8]) -> Option<Flow> {
    let tuple = Attributes::find(attributes, CTA_TUPLE_ORIG)?;
    let (source, destination) = read_addresses(tuple)?;
    let protocol = Attributes::find(tuple, CTA_TUPLE_PROTO)?;
    Some(Flow {
        zone: Attributes::find(attributes, CTA_ZONE).and_then(|v| read_u16_be(v, 0)).unwrap_or(0),
        protocol: *Attributes::find(protocol, CTA_PROTO_NUM)?.first()?,
        source,
        destination,
        key: read_key(protocol),
        mark: Attributes::find(attributes, CTA_MARK).and_then(|v| read_u32_be(v, 0)).unwrap_or(0),
    })
}

fn read_key(protocol: &[u8]) -> FlowKey {
    let number = |attribute| Attributes::find(protocol, attribute).and_then(|v| read_u16_be(v, 0));
    if let (Some(source), Some(destination)) = (number(CTA_PROTO_SRC_PORT), number(CTA_PROTO_DST_PORT)) {
        return FlowKey::Ports { source, destination };
    }
    for icmp in [CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID] {
        let byte = |attribute| Attributes::find(protocol, attribute).and_then(|v| v.first().copied());
        if let (Some(id), Some(kind), Some(code)) = (number(icmp), byte(icmp + 1), byte(icmp + 2)) {
            return FlowKey::Icmp { kind, code, id };
        }
    }
    FlowKey::None
}

#[cfg(test)]
mod tests;
