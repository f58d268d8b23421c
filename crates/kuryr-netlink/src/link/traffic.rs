//! What passed a link so far.

use super::{IFINFOMSG_LEN, IFLA_IFNAME, Links, RTM_GETLINK, RTM_NEWLINK, request};
use crate::{
    error::{During, Error},
    message::{Attributes, Message},
};
use rustix::io::Errno;

/// `struct rtnl_link_stats64`.
const IFLA_STATS64: u16 = 23;

/// What a link counted since it was made, seen from its own side: what a tap received is what its container sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that came in.
    pub received_packets: u64,
    /// Packets that went out.
    pub sent_packets: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
    /// Bytes that went out.
    pub sent_bytes: u64,
    /// Packets that came in and found no place.
    pub received_dropped: u64,
    /// Packets that were to go out and found no place, or no other side.
    pub sent_dropped: u64,
}

impl Links {
    /// What passed a link; `None`: there is no such link.
    pub fn traffic(&mut self, name: &str) -> Result<Option<Traffic>, Error> {
        if request::check_name(name).is_err() {
            return Ok(None);
        }
        let message = Message::new(RTM_GETLINK, 0).fixed(&request::ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, name);
        let answer = self.socket.ask(message, |m| {
            (m.kind == RTM_NEWLINK).then_some(())?;
            let (_, bytes) = Attributes::after(m.payload, IFINFOMSG_LEN).find(|(kind, _)| *kind == IFLA_STATS64)?;
            read(bytes)
        });
        match answer {
            Ok(traffic) => Ok(traffic),
            Err(cause) if cause.errno() == Some(Errno::NODEV) => Ok(None),
            Err(cause) => Err(cause).during("get traffic of link", name),
        }
    }
}

pub(crate) fn read(bytes: &[u8]) -> Option<Traffic> {
    // Eight bytes each: packets, bytes, errors, dropped; received, then sent, of each.
    let number = |index: usize| bytes.get(index * 8..)?.first_chunk().copied().map(u64::from_ne_bytes);
    Some(Traffic {
        received_packets: number(0)?,
        sent_packets: number(1)?,
        received_bytes: number(2)?,
        sent_bytes: number(3)?,
        received_dropped: number(6)?,
        sent_dropped: number(7)?,
    })
}
