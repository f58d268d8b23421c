//! SCTP without a kernel that speaks it: the first packet of an association, and whether it arrives.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, bind, ipproto, recv, sendto, socket};

use crate::world::run_in;

/// How long a packet may take that arrives.
const LIMIT: Duration = Duration::from_secs(2);
/// The sender's port.
const SOURCE: u16 = 40_000;

/// Send an INIT (RFC 9260, 3.3.2) from one network namespace to an address of another, and say whether it is seen there.
pub fn arrives(from: &File, to: &File, address: Ipv4Addr, port: u16) -> Result<bool> {
    let raw = || Ok(socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::SCTP))?);
    let ear = run_in(to, raw)?;
    bind(&ear, &SocketAddrV4::new(address, 0))?;
    set_socket_timeout(&ear, Timeout::Recv, Some(LIMIT / 4))?;
    let mouth = run_in(from, raw)?;
    let started = Instant::now();
    let mut packet = [0_u8; 256];
    while started.elapsed() < LIMIT {
        sendto(&mouth, &init(port), SendFlags::empty(), &SocketAddrV4::new(address, 0))?;
        match recv(&ear, &mut packet, RecvFlags::empty()) {
            // A header of IPv4 without options comes first.
            Ok((length, _)) if packet.get(20..length).is_some_and(|sctp| sctp.starts_with(&init(port)[..4])) => {
                return Ok(true);
            }
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn init(port: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(SOURCE.to_be_bytes());
    packet.extend(port.to_be_bytes());
    // Verification tag and checksum.
    packet.extend([0; 8]);
    // INIT, 20 bytes: tag, window, streams out and in, first sequence number.
    packet.extend([1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    let checksum = crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_9260() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
