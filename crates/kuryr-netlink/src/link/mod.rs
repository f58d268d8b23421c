//! Links (network interfaces): list, create, change, delete.

mod address;
mod spec;

pub use spec::{BridgeSpec, LinkChange, PeerSpec, VethSpec};

use crate::{
    error::{Cause, During, Error},
    message::Message,
    namespace::Namespace,
    socket::Socket,
};

const RTM_DELLINK: u16 = 17;

/// `struct ifinfomsg` of `linux/rtnetlink.h`.
fn ifinfomsg(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

/// A network interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Kind of virtual link, such as `bridge` or `veth`; absent for hardware and loopback.
    pub kind: Option<String>,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// The other side is there (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Index of the bridge (or other master) it belongs to.
    pub controller: Option<u32>,
    /// Index of the veth peer, in the peer's namespace.
    pub peer_index: Option<u32>,
    /// This namespace's id for the peer's namespace; absent if it is the same.
    pub peer_namespace_id: Option<i32>,
    /// Text an operator or we attached.
    pub alias: Option<String>,
}

/// The links, addresses and routes of one namespace, by a `NETLINK_ROUTE` socket.
#[derive(Debug)]
pub struct Links {
    pub(crate) socket: Socket,
}

impl Links {
    /// Of the calling thread's namespace.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(libc::NETLINK_ROUTE)? })
    }

    /// Of a namespace.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        Ok(Self { socket: Socket::open_in(namespace, libc::NETLINK_ROUTE)? })
    }

    /// All links.
    pub fn list(&mut self) -> Result<Vec<Link>, Error> {
        Err(Cause::Unsupported.during("list links", ""))
    }

    /// The link of this name.
    pub fn get(&mut self, name: &str) -> Result<Option<Link>, Error> {
        Err(Cause::Unsupported.during("get link", name))
    }

    /// The link of this index.
    pub fn by_index(&mut self, index: u32) -> Result<Option<Link>, Error> {
        Err(Cause::Unsupported.during("get link", index.to_string()))
    }

    /// Makes a bridge, up, that forwards at once: no spanning tree, no forwarding delay, no multicast snooping.
    pub fn create_bridge(&mut self, spec: &BridgeSpec<'_>) -> Result<(), Error> {
        Err(Cause::Unsupported.during("create bridge", spec.name))
    }

    /// Makes a pair of veth links in one step; the peer is born in its namespace and stays down.
    pub fn create_veth(&mut self, spec: &VethSpec<'_>) -> Result<(), Error> {
        Err(Cause::Unsupported.during("create veth", spec.name))
    }

    /// Changes a link.
    pub fn set(&mut self, index: u32, change: &LinkChange<'_>) -> Result<(), Error> {
        let _ = change;
        Err(Cause::Unsupported.during("set link", index.to_string()))
    }

    /// Deletes a link; one that is not there is an error.
    pub fn delete(&mut self, index: u32) -> Result<(), Error> {
        let message = Message::new(RTM_DELLINK, 0).fixed(&ifinfomsg(index, 0, 0));
        self.socket.request(message).during("delete link", &index.to_string())
    }

    /// Deletes a link; false if there was none of this name.
    pub fn delete_by_name(&mut self, name: &str) -> Result<bool, Error> {
        Err(Cause::Unsupported.during("delete link", name))
    }
}
