//! Announcements: frames that tell the neighbours on a wire which Ethernet address an IP address has now.

use crate::{error::Error, frames, namespace::Namespace};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
};

const ETHERNET_BROADCAST: [u8; 6] = [0xff; 6];
/// All nodes of a link, ff02::1, and the Ethernet address that follows from it (RFC 2464 §7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ETHERNET_ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// The sender forwards packets (RFC 4861 §4.4, flag R).
const ROUTER: u8 = 0x80;
/// What was known before is to be overwritten (flag O).
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// Length of an advertisement with that option, in bytes.
const ADVERTISEMENT: u8 = 32;

/// Who has an address now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub address: IpAddr,
    /// The Ethernet address of who has it.
    pub mac: [u8; 6],
    /// It is a router.
    pub routes: bool,
}

impl Announcement {
    /// The whole frame: an ARP announcement (RFC 5227 §3), or an unsolicited neighbour advertisement (RFC 4861 §7.2.6).
    pub fn frame(&self) -> Vec<u8> {
        match self.address {
            IpAddr::V4(address) => self.arp(address),
            IpAddr::V6(address) => self.advertisement(address),
        }
    }

    fn arp(&self, address: Ipv4Addr) -> Vec<u8> {
        let mut frame = [&ETHERNET_BROADCAST[..], &self.mac, &ARP].concat();
        // Ethernet and IPv4, the lengths of their addresses, a request. Sender and target have the same address.
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(self.mac);
        frame.extend(address.octets());
        frame.extend([0; 6]);
        frame.extend(address.octets());
        frame
    }

    fn advertisement(&self, address: Ipv6Addr) -> Vec<u8> {
        let flags = if self.routes { ROUTER | OVERRIDE } else { OVERRIDE };
        let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
        message.extend(address.octets());
        // The option's length is in units of eight bytes.
        message.extend([TARGET_LINK_LAYER_ADDRESS, 1]);
        message.extend(self.mac);
        let ends = [address.octets(), ALL_NODES.octets()].concat();
        let summed = [&ends[..], &[0, 0, 0, ADVERTISEMENT, 0, 0, 0, ICMPV6], &message].concat();
        message[2..4].copy_from_slice(&checksum(&summed).to_be_bytes());
        let mut frame = [&ETHERNET_ALL_NODES[..], &self.mac, &IPV6].concat();
        // The hop limit of 255 proves that no router forwarded it.
        frame.extend([0x60, 0, 0, 0, 0, ADVERTISEMENT, ICMPV6, 255]);
        frame.extend(ends);
        frame.extend(message);
        frame
    }
}

/// The Internet's checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, _) = bytes.as_chunks::<2>();
    // One's complement: what overflows is added again.
    !pairs.iter().fold(0_u16, |sum, pair| {
        let (sum, over) = sum.overflowing_add(u16::from_be_bytes(*pair));
        sum + u16::from(over)
    })
}

/// Sends announcements by the interfaces of one namespace. It hears nothing.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
}

impl Announcer {
    /// Opens one in a namespace.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        Ok(Self { socket: frames::open_mute(namespace)? })
    }

    /// Sends one out of an interface, past what a bridge or its rules would do with it.
    pub fn send(&self, interface: u32, announcement: &Announcement) -> Result<(), Error> {
        frames::send(&self.socket, interface, &announcement.frame())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];

    fn frame(address: &str, routes: bool) -> Vec<u8> {
        Announcement { address: address.parse().unwrap(), mac: MAC, routes }.frame()
    }

    #[test]
    fn an_arp_announcement_asks_for_its_own_address() {
        let frame = frame("10.0.0.9", false);
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[6..12], MAC);
        assert_eq!(frame[20..22], [0, 1], "a request");
        assert_eq!((&frame[22..28], &frame[32..38]), (&MAC[..], &[0; 6][..]));
        assert_eq!((&frame[28..32], &frame[38..42]), (&[10, 0, 0, 9][..], &[10, 0, 0, 9][..]));
    }

    /// A receiver sums what it got, the checksum with it, and expects all ones.
    #[test]
    fn an_advertisement_overrides_and_its_checksum_is_right() {
        for (routes, flags) in [(false, 0x20), (true, 0xa0)] {
            let frame = frame("fd00:10::9", routes);
            let packet = &frame[14..];
            assert_eq!((packet.len(), packet[5], packet[6], packet[7]), (72, 32, 58, 255));
            assert_eq!((packet[40], packet[44], &packet[66..72]), (136, flags, &MAC[..]));
            assert_eq!(packet[48..64], packet[8..24], "the target is the source");
            let summed = [&packet[8..40], &[0, 0, 0, 32, 0, 0, 0, 58], &packet[40..]].concat();
            assert_eq!(checksum(&summed), 0);
        }
    }
}
