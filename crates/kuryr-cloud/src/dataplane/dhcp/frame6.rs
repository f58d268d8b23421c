//! A packet of IPv6 (RFC 8200) with UDP or ICMPv6 in it, on Ethernet.

use kuryr_neutron::MacAddr;
use std::net::Ipv6Addr;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
const TYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// It proves that no router forwarded a packet (RFC 4861 §6.1).
const HOP_LIMIT: u8 = 255;
/// Numbers of protocols.
pub const UDP: u8 = 17;
/// See [`UDP`].
pub const ICMPV6: u8 = 58;

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Sender's and receiver's Ethernet addresses.
    pub macs: (MacAddr, MacAddr),
    /// Sender's and receiver's IP addresses.
    pub addresses: (Ipv6Addr, Ipv6Addr),
    /// Number of the protocol above.
    pub protocol: u8,
    /// What is above, with its own header. A checksum is in it (of UDP at 6, of ICMPv6 at 2), and is made when it is written.
    pub above: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a frame apart; `None`: it is none, or not the whole of one. Checksums are not looked at: the kernel leaves them
    /// out between interfaces of one machine.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (&to, rest) = frame.split_first_chunk::<6>()?;
        let (&from, rest) = rest.split_first_chunk::<6>()?;
        let (kind, packet) = rest.split_first_chunk::<2>()?;
        let (header, above) = packet.split_first_chunk::<IPV6>()?;
        if *kind != TYPE_IPV6 || header[0] >> 4 != 6 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let address = |at: usize| Some(Ipv6Addr::from(*header.get(at..)?.first_chunk::<16>()?));
        Some(Self {
            macs: (MacAddr(from), MacAddr(to)),
            addresses: (address(8)?, address(24)?),
            protocol: header[6],
            above: above.get(..length)?,
        })
    }

    /// The whole frame; `None`: it would be longer than a packet can be, or there is no room for its checksum.
    pub fn write(&self) -> Option<Vec<u8>> {
        let length = u16::try_from(self.above.len()).ok()?.to_be_bytes();
        let ends = [self.addresses.0.octets(), self.addresses.1.octets()].concat();
        let mut frame = [&self.macs.1.0[..], &self.macs.0.0, &TYPE_IPV6, &[0x60, 0, 0, 0], &length].concat();
        frame.extend([self.protocol, HOP_LIMIT]);
        frame.extend(&ends);
        frame.extend(self.above);
        let at = ETHERNET + IPV6 + if self.protocol == UDP { 6 } else { 2 };
        frame.get_mut(at..at + 2)?.fill(0);
        let above = &frame[ETHERNET + IPV6..];
        let sum = super::frame::checksum(&[&ends[..], &[0, 0], &length, &[0, 0, 0, self.protocol], above].concat());
        // Zero would say that there is none.
        let sum = if sum == 0 { u16::MAX } else { sum };
        frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_with_a_right_checksum(
            above in proptest::collection::vec(any::<u8>(), 8..300), padding in 0..60_usize, udp in any::<bool>(),
        ) {
            let protocol = if udp { UDP } else { ICMPV6 };
            let macs = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
            let addresses = ("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
            let mut frame = Packet { macs, addresses, protocol, above: &above }.write().unwrap();
            let length = u16::try_from(above.len()).unwrap().to_be_bytes();
            let summed = [&frame[22..54], &[0, 0], &length, &[0, 0, 0, protocol], &frame[54..]].concat();
            prop_assert_eq!(super::super::frame::checksum(&summed), 0);
            let at = if udp { 6 } else { 2 };
            let above = [&above[..at], &frame[54 + at..56 + at], &above[at + 2..]].concat();
            frame.resize(frame.len() + padding, 0);
            let read = Packet::read(&frame).unwrap();
            prop_assert_eq!(read, Packet { macs, addresses, protocol, above: &above });
        }

        #[test]
        fn any_frame_is_read_or_not(frame in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(Packet::read(&frame).is_none_or(|read| read.above.len() < frame.len()));
        }
    }
}
