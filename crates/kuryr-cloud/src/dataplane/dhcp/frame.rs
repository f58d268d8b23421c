//! A datagram with what is around it on the wire: Ethernet, IPv4 (RFC 791) and UDP (RFC 768).

use kuryr_neutron::MacAddr;
use std::net::Ipv4Addr;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
const PROTOCOL_UDP: u8 = 17;
/// How many routers it may pass: there is none on the way.
const TIME_TO_LIVE: u8 = 64;

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender's and receiver's Ethernet addresses.
    pub macs: (MacAddr, MacAddr),
    /// Sender's and receiver's IP addresses.
    pub addresses: (Ipv4Addr, Ipv4Addr),
    /// Sender's and receiver's ports.
    pub ports: (u16, u16),
    /// What is in it.
    pub content: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Takes a frame apart; `None`: it is none, or not the whole of one. Checksums are not looked at: the kernel leaves them
    /// out between interfaces of one machine.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (&to, rest) = frame.split_first_chunk::<6>()?;
        let (&from, rest) = rest.split_first_chunk::<6>()?;
        let (kind, packet) = rest.split_first_chunk::<2>()?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let is_udp = *kind == TYPE_IPV4 && packet[0] >> 4 == 4 && *packet.get(9)? == PROTOCOL_UDP;
        if !is_udp || header < IPV4 {
            return None;
        }
        let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
        // Behind the packet there may be padding: Ethernet's shortest frame is longer than the shortest datagram.
        let packet_length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let above = packet.get(header..packet_length)?;
        let (&[a, b, c, d, e, f, _, _], _) = above.split_first_chunk::<UDP>()?;
        let content = above.get(UDP..usize::from(u16::from_be_bytes([e, f])))?;
        Some(Self {
            macs: (MacAddr(from), MacAddr(to)),
            addresses: (address(12)?, address(16)?),
            ports: (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            content,
        })
    }

    /// The whole frame; `None`: it would be longer than a packet can be.
    pub fn write(&self) -> Option<Vec<u8>> {
        let udp_length = u16::try_from(UDP + self.content.len()).ok()?;
        let packet_length = udp_length.checked_add(IPV4 as u16)?;
        let (source, destination) = self.addresses;
        let mut frame = Vec::with_capacity(ETHERNET + usize::from(packet_length));
        frame.extend(self.macs.1.0);
        frame.extend(self.macs.0.0);
        frame.extend(TYPE_IPV4);
        // Version and header's length, no priority, the length, no identity and no fragment.
        frame.extend([0x45, 0]);
        frame.extend(packet_length.to_be_bytes());
        frame.extend([0, 0, 0, 0, TIME_TO_LIVE, PROTOCOL_UDP, 0, 0]);
        frame.extend(source.octets());
        frame.extend(destination.octets());
        let sum = checksum(&frame[ETHERNET..]);
        frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
        for part in [self.ports.0, self.ports.1, udp_length, 0] {
            frame.extend(part.to_be_bytes());
        }
        frame.extend(self.content);
        let ends = [source.octets(), destination.octets()].concat();
        let length = udp_length.to_be_bytes();
        let pseudo = [&ends[..], &[0, PROTOCOL_UDP], &length, &frame[ETHERNET + IPV4..]].concat();
        // Zero would say that there is none.
        let sum = match checksum(&pseudo) {
            0 => u16::MAX,
            sum => sum,
        };
        frame[ETHERNET + IPV4 + 6..ETHERNET + IPV4 + UDP].copy_from_slice(&sum.to_be_bytes());
        Some(frame)
    }
}

/// The Internet's checksum (RFC 1071).
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]));
    // One's complement: what overflows is added again.
    !pairs.fold(0_u16, |sum, pair| {
        let (sum, over) = sum.overflowing_add(pair);
        sum + u16::from(over)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datagram(content: &[u8]) -> Datagram<'_> {
        Datagram {
            macs: (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2])),
            addresses: ([10, 0, 0, 1].into(), [10, 0, 0, 9].into()),
            ports: (67, 68),
            content,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_with_right_checksums(
            content in proptest::collection::vec(any::<u8>(), 0..700),
            padding in 0..60_usize,
        ) {
            let mut frame = datagram(&content).write().unwrap();
            prop_assert_eq!(checksum(&frame[14..34]), 0);
            let length = u16::try_from(frame.len() - 34).unwrap().to_be_bytes();
            let summed = [&frame[26..34], &[0, 17], &length, &frame[34..]].concat();
            prop_assert_eq!(checksum(&summed), 0);
            frame.resize(frame.len() + padding, 0);
            prop_assert_eq!(Datagram::read(&frame), Some(datagram(&content)));
        }

        #[test]
        fn any_frame_is_read_or_not(frame in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(Datagram::read(&frame).is_none_or(|read| read.content.len() < frame.len()));
        }

        #[test]
        fn a_frame_that_was_cut_or_changed_is_no_reason_to_stop(
            cut in 0..60_usize, at in 0..50_usize, byte in any::<u8>(),
        ) {
            let mut frame = datagram(b"twelve bytes").write().unwrap();
            frame[at] = byte;
            frame.truncate(frame.len() - cut.min(frame.len()));
            prop_assert!(Datagram::read(&frame).is_none_or(|read| read.content.len() <= 12));
        }
    }
}
