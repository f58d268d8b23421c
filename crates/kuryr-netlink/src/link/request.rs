//! Requests that make and change links, as bytes. Attribute numbers are those of `linux/if_link.h`.

use super::{
    BridgeSpec, IFF_UP, IFLA_ADDRESS, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO,
    IFLA_MASTER, IFLA_MTU, LinkChange, PeerSpec, RTM_NEWLINK, RTM_SETLINK, VethSpec,
};
use crate::{error::Cause, message::Message};
use std::os::fd::{AsRawFd, BorrowedFd};

pub const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_CREATE: u16 = 0x400;
const IFLA_PROTINFO: u16 = 12;
const IFLA_NET_NS_FD: u16 = 28;
const VETH_INFO_PEER: u16 = 1;
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_BR_NF_CALL_IPTABLES: u16 = 36;
const IFLA_BR_NF_CALL_IP6TABLES: u16 = 37;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_ISOLATED: u16 = 33;
/// `IFALIASZ` less its NUL.
const ALIAS_MAX: usize = 255;

/// `struct ifinfomsg` of `linux/rtnetlink.h`.
pub fn ifinfomsg(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

/// The kernel's rules for names of interfaces (`dev_valid_name`).
pub fn check_name(name: &str) -> Result<(), Cause> {
    let wrong = match name {
        "" => Some("is empty"),
        "." | ".." => Some("is a directory's"),
        _ if name.len() > 15 => Some("has more than 15 bytes"),
        _ if name.bytes().any(|b| b == b'/' || b == b':' || b == 0 || b.is_ascii_whitespace() || b == 0x0b) => {
            Some("contains a blank, a slash, a colon or NUL")
        }
        // The kernel would put a number in its place.
        _ if name.contains('%') => Some("contains a percent sign"),
        _ => None,
    };
    wrong.map_or(Ok(()), |wrong| Err(Cause::Invalid(format!("the interface name {name:?} {wrong}"))))
}

/// A bridge that is up and forwards at once.
pub fn bridge(spec: &BridgeSpec<'_>) -> Result<Message, Cause> {
    let message = begin(spec.name, spec.mtu, spec.mac, true)?;
    Ok(message.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "bridge").nest(IFLA_INFO_DATA, |data| {
            data.u32(IFLA_BR_FORWARD_DELAY, 0)
                .u32(IFLA_BR_STP_STATE, 0)
                .u8(IFLA_BR_MCAST_SNOOPING, 0)
                .u8(IFLA_BR_NF_CALL_IPTABLES, spec.nf_call_iptables.into())
                .u8(IFLA_BR_NF_CALL_IP6TABLES, spec.nf_call_ip6tables.into())
        })
    }))
}

/// A veth whose peer is born in its own namespace: moving it there later costs an RCU grace period, about 17 ms.
pub fn veth(spec: &VethSpec<'_>) -> Result<Message, Cause> {
    check_name(spec.peer.name)?;
    let mut message = begin(spec.name, spec.mtu, spec.mac, spec.up)?;
    if let Some(controller) = spec.controller {
        message = message.u32(IFLA_MASTER, controller);
    }
    Ok(message.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "veth")
            .nest(IFLA_INFO_DATA, |data| data.nest(VETH_INFO_PEER, |inner| peer(inner, &spec.peer)))
    }))
}

fn peer(message: Message, spec: &PeerSpec<'_>) -> Message {
    // Never up here: the first end does not exist yet, and the kernel answers ENOTCONN.
    let message = message
        .fixed(&ifinfomsg(0, 0, 0))
        .text(IFLA_IFNAME, spec.name)
        .u32(IFLA_MTU, spec.mtu)
        .maybe_bytes(IFLA_ADDRESS, spec.mac.as_ref().map(<[u8; 6]>::as_slice));
    namespace(message, spec.namespace)
}

/// The alias of a link that is being made: the kernel takes none in the request that makes it.
pub fn alias_of(name: &str, text: Option<&str>) -> Result<Option<Message>, Cause> {
    let Some(text) = text else { return Ok(None) };
    let message = Message::new(RTM_SETLINK, 0).fixed(&ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, name);
    alias(message, Some(text)).map(Some)
}

/// Everything of a change but what belongs to a bridge's port.
pub fn change(index: u32, change: &LinkChange<'_>) -> Result<Message, Cause> {
    let (flags, mask) = match change.up {
        Some(up) => (if up { IFF_UP } else { 0 }, IFF_UP),
        None => (0, 0),
    };
    let mut message = Message::new(RTM_SETLINK, 0).fixed(&ifinfomsg(index, flags, mask));
    if let Some(name) = change.name {
        check_name(name)?;
        message = message.text(IFLA_IFNAME, name);
    }
    if let Some(mtu) = change.mtu {
        message = message.u32(IFLA_MTU, mtu);
    }
    if let Some(controller) = change.controller {
        message = message.u32(IFLA_MASTER, controller.unwrap_or(0));
    }
    message = message.maybe_bytes(IFLA_ADDRESS, change.mac.as_ref().map(<[u8; 6]>::as_slice));
    Ok(namespace(alias(message, change.alias)?, change.namespace))
}

/// What a change says of the link as a bridge's port, if anything.
pub fn bridge_port(index: u32, change: &LinkChange<'_>) -> Option<Message> {
    let settings = [
        (IFLA_BRPORT_MODE, change.hairpin),
        (IFLA_BRPORT_LEARNING, change.learning),
        (IFLA_BRPORT_ISOLATED, change.isolated),
    ];
    if settings.iter().all(|(_, value)| value.is_none()) {
        return None;
    }
    let mut header = ifinfomsg(index, 0, 0);
    header[0] = libc::AF_BRIDGE.to_le_bytes()[0];
    Some(Message::new(RTM_SETLINK, 0).fixed(&header).nest(IFLA_PROTINFO, |mut message| {
        for (attribute, value) in settings {
            if let Some(value) = value {
                message = message.u8(attribute, value.into());
            }
        }
        message
    }))
}

fn begin(name: &str, mtu: u32, mac: Option<[u8; 6]>, up: bool) -> Result<Message, Cause> {
    check_name(name)?;
    let flags = if up { IFF_UP } else { 0 };
    Ok(Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
        .fixed(&ifinfomsg(0, flags, flags))
        .text(IFLA_IFNAME, name)
        .u32(IFLA_MTU, mtu)
        .maybe_bytes(IFLA_ADDRESS, mac.as_ref().map(<[u8; 6]>::as_slice)))
}

fn alias(message: Message, alias: Option<&str>) -> Result<Message, Cause> {
    match alias {
        Some(text) if text.len() > ALIAS_MAX || text.contains('\0') => {
            Err(Cause::Invalid(format!("the alias {text:?} is not text of at most {ALIAS_MAX} bytes")))
        }
        // Without a NUL: the kernel takes the attribute's length for the text's.
        Some(text) => Ok(message.bytes(IFLA_IFALIAS, text.as_bytes())),
        None => Ok(message),
    }
}

fn namespace(message: Message, namespace: Option<BorrowedFd<'_>>) -> Message {
    match namespace {
        Some(fd) => message.bytes(IFLA_NET_NS_FD, &fd.as_raw_fd().to_ne_bytes()),
        None => message,
    }
}
