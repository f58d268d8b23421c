//! From a client's message of DHCPv6 to the answer (RFC 8415 §18.3). Pure, as DHCP's.

use super::{
    frame6::{Packet, UDP},
    lease6::Lease6,
};
use crate::dataplane::policy::link_local;
use dhcproto::{
    Decoder, Encodable,
    v6::{DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, OptionCode, Status, StatusCode},
};
use kuryr_neutron::MacAddr;
use std::net::Ipv6Addr;

/// Where servers listen.
pub const SERVER: u16 = 547;
/// Where clients listen.
const CLIENT: u16 = 546;
/// How long an address is promised, when a client asks this server again, and when any, in seconds.
const LEASE: u32 = 43_200;
const RENEW: u32 = LEASE / 2;
const REBIND: u32 = LEASE / 5 * 4;
/// A unique identifier of the kind UUID (RFC 6355).
const DUID_UUID: [u8; 2] = [0, 4];
/// Length of UDP's header, in bytes.
const UDP_HEADER: usize = 8;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request6 {
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its IP address: of the link alone.
    address: Ipv6Addr,
    kind: MessageType,
    xid: [u8; 3],
    client: Option<Vec<u8>>,
    server: Option<Vec<u8>>,
    /// What it calls its interfaces, with the addresses it says they have.
    wants: Vec<(u32, Vec<Ipv6Addr>)>,
}

impl Request6 {
    /// Reads a frame; `None`: it is no client's message. Its options are taken apart here, as far as they are looked at: the
    /// crate's reading of all of them takes lengths on trust.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let packet = Packet::read(frame).filter(|packet| packet.protocol == UDP)?;
        let (&[_, _, high, low, ..], message) = packet.above.split_first_chunk::<UDP_HEADER>()?;
        if u16::from_be_bytes([high, low]) != SERVER || !packet.addresses.0.is_unicast_link_local() {
            return None;
        }
        let (&[kind, a, b, c], rest) = message.split_first_chunk::<4>()?;
        let mut request = Self {
            mac: packet.macs.0,
            address: packet.addresses.0,
            kind: kind.into(),
            xid: [a, b, c],
            client: None,
            server: None,
            wants: Vec::new(),
        };
        for (code, data) in options(rest) {
            match code {
                OptionCode::ClientId => request.client = Some(data.to_vec()),
                OptionCode::ServerId => request.server = Some(data.to_vec()),
                OptionCode::IANA => {
                    // Its name and two times.
                    let (&[a, b, c, d, ..], inner) = data.split_first_chunk::<12>()?;
                    let inner = options(inner).filter(|(code, _)| *code == OptionCode::IAAddr);
                    let addresses = inner.filter_map(|(_, data)| Some(Ipv6Addr::from(*data.first_chunk::<16>()?)));
                    request.wants.push((u32::from_be_bytes([a, b, c, d]), addresses.collect()));
                }
                _ => {}
            }
        }
        Some(request)
    }

    /// The frame that answers it, from a server with this Ethernet address; `None`: none is due.
    pub fn answer(&self, lease: &Lease6, server: MacAddr) -> Option<Vec<u8>> {
        let own = [&DUID_UUID[..], lease.network.0.as_bytes()].concat();
        if self.server.as_ref().is_some_and(|chosen| *chosen != own) {
            return None;
        }
        let (kind, mut options) = self.verdict(lease)?;
        options.extend(self.client.clone().map(DhcpOption::ClientId));
        options.push(DhcpOption::ServerId(own));
        if !lease.resolvers.is_empty() {
            options.push(DhcpOption::DomainNameServers(lease.resolvers.clone()));
        }
        let mut message = Message::new_with_id(kind, self.xid);
        message.set_opts(options.into_iter().collect());
        let content = message.to_vec().ok()?;
        let length = u16::try_from(UDP_HEADER + content.len()).ok()?;
        let mut above = [SERVER, CLIENT, length, 0].map(u16::to_be_bytes).concat();
        above.extend(content);
        let addresses = (link_local(server), self.address);
        Packet { macs: (server, self.mac), addresses, protocol: UDP, above: &above }.write()
    }

    /// The kind of the answer, and what is in it for this kind alone.
    fn verdict(&self, lease: &Lease6) -> Option<(MessageType, Vec<DhcpOption>)> {
        let named = self.client.is_some();
        let to_us = named && self.server.is_some();
        match self.kind {
            MessageType::Solicit if named && self.server.is_none() => {
                Some((MessageType::Advertise, self.bindings(lease)))
            }
            MessageType::Request | MessageType::Renew if to_us => Some((MessageType::Reply, self.bindings(lease))),
            MessageType::Rebind if named && self.server.is_none() => Some((MessageType::Reply, self.bindings(lease))),
            MessageType::Confirm if named && self.server.is_none() => {
                let mut addresses = self.wants.iter().flat_map(|(_, addresses)| addresses).peekable();
                addresses.peek()?;
                let right = addresses.all(|address| lease.addresses.contains(address));
                let status = if right { Status::Success } else { Status::NotOnLink };
                Some((MessageType::Reply, vec![says(status)]))
            }
            // An address given back or declined stays the port's: Neutron gave it, and takes it with the port.
            MessageType::Release | MessageType::Decline if to_us => {
                Some((MessageType::Reply, vec![says(Status::Success)]))
            }
            MessageType::InformationRequest => Some((MessageType::Reply, Vec::new())),
            _ => None,
        }
    }

    /// All addresses are the first interface's. What it says it has besides counts no more.
    fn bindings(&self, lease: &Lease6) -> Vec<DhcpOption> {
        let bound = self.wants.iter().enumerate().map(|(index, (id, has))| {
            let given: &[Ipv6Addr] = if index == 0 { &lease.addresses } else { &[] };
            let mut opts: DhcpOptions = given.iter().map(|address| lasts(*address, LEASE)).collect();
            has.iter().filter(|address| !given.contains(address)).for_each(|gone| opts.insert(lasts(*gone, 0)));
            if given.is_empty() {
                opts.insert(says(Status::NoAddrsAvail));
            }
            DhcpOption::IANA(IANA { id: *id, t1: RENEW, t2: REBIND, opts })
        });
        bound.collect()
    }

    /// It says that another has an address of its lease.
    pub fn declines(&self) -> bool {
        self.kind == MessageType::Decline
    }
}

fn lasts(addr: Ipv6Addr, life: u32) -> DhcpOption {
    DhcpOption::IAAddr(IAAddr { addr, preferred_life: life, valid_life: life, opts: DhcpOptions::new() })
}

fn says(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: String::new() })
}

/// Options with their codes, up to the first that is cut off.
fn options(bytes: &[u8]) -> impl Iterator<Item = (OptionCode, &[u8])> {
    let mut decoder = Decoder::new(bytes);
    std::iter::from_fn(move || {
        let code = decoder.read_u16().ok()?;
        let length = decoder.read_u16().ok()?;
        Some((code.into(), decoder.read_slice(length.into()).ok()?))
    })
}

#[cfg(test)]
mod tests;
