//! Links (network interfaces): list, create, change, delete.

pub(crate) mod address;
mod request;
mod spec;
mod stacked;
#[cfg(test)]
mod tests;
pub(crate) mod traffic;

pub use request::check_name;
pub use spec::{BridgeSpec, FunctionChange, LinkChange, PeerSpec, Stacked, StackedSpec, VethSpec};
pub use traffic::Traffic;

use crate::{
    error::{Cause, During, Error},
    message::{Attributes, Message, Received, read_text, read_u32},
    namespace::Namespace,
    socket::Socket,
};
use rustix::io::Errno;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFINFOMSG_LEN: usize = 16;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// Leaves the statistics, the bulk of a link's description, out of answers.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

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
    /// The other side is there and up (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Index of the bridge (or other master) it belongs to.
    pub controller: Option<u32>,
    /// Index of the veth peer, in the peer's namespace; of a link on top of another one, that one's.
    pub peer_index: Option<u32>,
    /// This namespace's id for the peer's namespace; absent if it is the same.
    pub peer_namespace_id: Option<i32>,
    /// Text an operator or we attached.
    pub alias: Option<String>,
    /// Of a `vlan`: its id.
    pub vlan: Option<u16>,
}

impl Link {
    /// Reads a link from what follows `struct nlmsghdr` in `RTM_NEWLINK` and `RTM_DELLINK`; nothing from messages of
    /// another family, which tell of a bridge's ports, or from nonsense.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        if i32::from(*payload.first()?) != libc::AF_UNSPEC {
            return None;
        }
        let flags = read_u32(payload, 8)?;
        let mut link = Self {
            index: read_u32(payload, 4)?,
            name: String::new(),
            kind: None,
            mac: None,
            mtu: 0,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            controller: None,
            peer_index: None,
            peer_namespace_id: None,
            alias: None,
            vlan: None,
        };
        for (attribute, value) in Attributes::after(payload, IFINFOMSG_LEN) {
            match attribute {
                IFLA_IFNAME => link.name = read_text(value),
                IFLA_ADDRESS => link.mac = value.try_into().ok(),
                IFLA_MTU => link.mtu = read_u32(value, 0)?,
                IFLA_MASTER => link.controller = read_u32(value, 0),
                IFLA_LINK => link.peer_index = read_u32(value, 0).filter(|index| *index != 0),
                IFLA_LINK_NETNSID => link.peer_namespace_id = read_u32(value, 0).map(u32::cast_signed),
                IFLA_IFALIAS => link.alias = Some(read_text(value)),
                IFLA_LINKINFO => {
                    link.kind = Attributes::find(value, IFLA_INFO_KIND).map(read_text);
                    let data = Attributes::find(value, IFLA_INFO_DATA).filter(|_| link.is("vlan"));
                    link.vlan = data.and_then(stacked::vlan_id);
                }
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }

    /// It is of this kind of virtual link.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
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
        let message = Message::new(RTM_GETLINK, 0)
            .fixed(&request::ifinfomsg(0, 0, 0))
            .u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        self.socket.dump(&message, read_link).during("list links", "")
    }

    /// The link of this name. A name that no link can have is nobody's.
    pub fn get(&mut self, name: &str) -> Result<Option<Link>, Error> {
        if request::check_name(name).is_err() {
            return Ok(None);
        }
        let message = Message::new(RTM_GETLINK, 0).fixed(&request::ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, name);
        self.find(message).during("get link", name)
    }

    /// The link of this index.
    pub fn by_index(&mut self, index: u32) -> Result<Option<Link>, Error> {
        let message = Message::new(RTM_GETLINK, 0).fixed(&request::ifinfomsg(index, 0, 0));
        self.find(message).during("get link", &index.to_string())
    }

    fn find(&mut self, message: Message) -> Result<Option<Link>, Cause> {
        match self.socket.ask(message.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS), read_link) {
            Ok(Some(link)) => Ok(Some(link)),
            Ok(None) => Err(Cause::Malformed("no link in the answer")),
            Err(cause) if cause.errno() == Some(Errno::NODEV) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Makes a bridge, up, that forwards at once: no spanning tree, no forwarding delay, no multicast snooping.
    pub fn create_bridge(&mut self, spec: &BridgeSpec<'_>) -> Result<(), Error> {
        self.create(spec.name, request::bridge(spec), spec.alias).during("create bridge", spec.name)
    }

    /// Makes a pair of veth links in one step; the peer is born in its namespace and stays down.
    pub fn create_veth(&mut self, spec: &VethSpec<'_>) -> Result<(), Error> {
        self.create(spec.name, request::veth(spec), spec.alias).during("create veth", spec.name)
    }

    fn create(&mut self, name: &str, message: Result<Message, Cause>, alias: Option<&str>) -> Result<(), Cause> {
        let alias = request::alias_of(name, alias)?;
        self.socket.request(message?)?;
        let Some(alias) = alias else { return Ok(()) };
        self.socket.request(alias).inspect_err(|_| {
            if let Err(error) = self.delete_by_name(name) {
                tracing::warn!(%error, "a link that was half made could not be removed");
            }
        })
    }

    /// Changes a link.
    pub fn set(&mut self, index: u32, change: &LinkChange<'_>) -> Result<(), Error> {
        let object = index.to_string();
        request::change(index, change).and_then(|message| self.socket.request(message)).during("set link", &object)?;
        match request::bridge_port(index, change) {
            Some(message) => self.socket.request(message).during("set bridge port", &object),
            None => Ok(()),
        }
    }

    /// Deletes a link, and its peer if it is a veth. One that is not there is an error.
    pub fn delete(&mut self, index: u32) -> Result<(), Error> {
        let message = Message::new(RTM_DELLINK, 0).fixed(&request::ifinfomsg(index, 0, 0));
        self.socket.request(message).during("delete link", &index.to_string())
    }

    /// Deletes a link, and its peer if it is a veth; false if there was none of this name.
    pub fn delete_by_name(&mut self, name: &str) -> Result<bool, Error> {
        if request::check_name(name).is_err() {
            return Ok(false);
        }
        let message = Message::new(RTM_DELLINK, 0).fixed(&request::ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, name);
        match self.socket.request(message) {
            Ok(()) => Ok(true),
            Err(cause) if cause.errno() == Some(Errno::NODEV) => Ok(false),
            Err(cause) => Err(cause.during("delete link", name)),
        }
    }
}

fn read_link(message: Received<'_>) -> Option<Link> {
    (message.kind == RTM_NEWLINK).then(|| Link::parse(message.payload)).flatten()
}
