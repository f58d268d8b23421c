//! Addresses of links.

use super::Links;
use crate::{
    error::{During, Error},
    message::{Attributes, Message, Received, read_u32},
};
use ipnet::IpNet;
use rustix::io::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFADDRMSG_LEN: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_NODAD: u8 = 0x02;

impl Links {
    /// The addresses of a link, link-local ones included.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<IpNet>, Error> {
        let message = Message::new(RTM_GETADDR, 0).fixed(&ifaddrmsg(0, 0, 0, index));
        let list = self.socket.dump(&message, |message| read_address(message, index));
        list.during("list addresses of link", &index.to_string())
    }

    /// Gives a link an address. IPv6 addresses are usable at once, without duplicate address detection. One that is
    /// there already counts as given.
    pub fn add_address(&mut self, index: u32, address: IpNet) -> Result<(), Error> {
        let flags = if address.addr().is_ipv6() { IFA_F_NODAD } else { 0 };
        let mut message = of_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, flags);
        if let IpNet::V4(net) = address
            && net.prefix_len() < 31
        {
            message = message.bytes(IFA_BROADCAST, &net.broadcast().octets());
        }
        match self.socket.request(message) {
            Err(cause) if cause.errno() == Some(Errno::EXIST) => Ok(()),
            done => done.during("add address", &address.to_string()),
        }
    }

    /// Takes an address from a link. One that is not there counts as taken.
    pub fn delete_address(&mut self, index: u32, address: IpNet) -> Result<(), Error> {
        match self.socket.request(of_address(RTM_DELADDR, 0, index, address, 0)) {
            Err(cause) if cause.errno() == Some(Errno::ADDRNOTAVAIL) => Ok(()),
            done => done.during("delete address", &address.to_string()),
        }
    }
}

fn of_address(kind: u16, message_flags: u16, index: u32, address: IpNet, flags: u8) -> Message {
    let octets = octets(address.addr());
    Message::new(kind, message_flags)
        .fixed(&ifaddrmsg(family(address.addr()), address.prefix_len(), flags, index))
        .bytes(IFA_LOCAL, &octets)
        .bytes(IFA_ADDRESS, &octets)
}

/// `struct ifaddrmsg` of `linux/if_addr.h`.
fn ifaddrmsg(family: u8, prefix: u8, flags: u8, index: u32) -> [u8; IFADDRMSG_LEN] {
    let mut header = [family, prefix, flags, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    header
}

pub(crate) fn read_address(message: Received<'_>, wanted: u32) -> Option<IpNet> {
    if message.kind != RTM_NEWADDR || read_u32(message.payload, 4)? != wanted {
        return None;
    }
    let prefix = *message.payload.get(1)?;
    let attributes = message.payload.get(IFADDRMSG_LEN..)?;
    // On point-to-point links IFA_ADDRESS is the other side's.
    let own = Attributes::find(attributes, IFA_LOCAL).or_else(|| Attributes::find(attributes, IFA_ADDRESS))?;
    IpNet::new(read_ip(own)?, prefix).ok()
}

/// The kernel's number for an address's family.
pub(crate) fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    family.to_le_bytes()[0]
}

/// An address as attributes carry it.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The address in an attribute: 4 or 16 bytes.
pub(crate) fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(|b| IpAddr::from(Ipv4Addr::from(b)));
    let v6 = || <[u8; 16]>::try_from(bytes).map(|b| IpAddr::from(Ipv6Addr::from(b)));
    v4().or_else(|_| v6()).ok()
}
