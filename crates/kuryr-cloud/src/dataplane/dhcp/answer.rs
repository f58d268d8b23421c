//! From a client's message to the answer (RFC 2131 §4.3). Pure: an address is the port's for as long as the port has it, so
//! there is nothing to remember of who was offered what.

use super::{frame::Datagram, lease::Lease};
use dhcproto::{
    Encodable,
    v4::{DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, borrowed},
};
use kuryr_neutron::MacAddr;
use std::net::Ipv4Addr;

/// Where servers listen.
pub const SERVER: u16 = 67;
/// Where clients listen.
const CLIENT: u16 = 68;
/// How long an address is promised, in seconds: as long as ML2/OVN promises it. Clients ask again after half of it.
const LEASE: u32 = 43_200;
/// Shorter messages are padded: clients of BOOTP's time take none (RFC 1542 §2.1).
const SHORTEST: usize = 300;
/// Length of an Ethernet address, in bytes.
const ETHERNET: u8 = 6;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its Ethernet address.
    pub mac: MacAddr,
    kind: MessageType,
    xid: u32,
    flags: Flags,
    /// The address it has.
    has: Ipv4Addr,
    /// The address it asks for.
    wants: Option<Ipv4Addr>,
    /// The server it has chosen.
    server: Option<Ipv4Addr>,
    /// What it calls itself: to be repeated (RFC 6842).
    client: Option<Vec<u8>>,
}

impl Request {
    /// Reads a frame; `None`: it is no client's message, a relay's, or of an Ethernet address that is not its sender's.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let datagram = Datagram::read(frame).filter(|datagram| datagram.ports.1 == SERVER)?;
        let message = borrowed::Message::new(datagram.content).ok()?;
        let mac = datagram.macs.0;
        let ethernet = message.htype() == HType::Eth && message.hlen() == ETHERNET;
        // Only behind the length is the address as long as that.
        let its_own = ethernet && message.chaddr() == mac.0.as_slice() && message.giaddr().is_unspecified();
        if message.opcode() != Opcode::BootRequest || !its_own {
            return None;
        }
        let option = |code| message.opts().find(|option| option.code() == code);
        let address = |code| option(code).and_then(|it| Some(Ipv4Addr::from(<[u8; 4]>::try_from(it.data()).ok()?)));
        let kind = *option(OptionCode::MessageType)?.data().first()?;
        Some(Self {
            mac,
            kind: kind.into(),
            xid: message.xid(),
            flags: message.flags(),
            has: message.ciaddr(),
            wants: address(OptionCode::RequestedIpAddress),
            server: address(OptionCode::ServerIdentifier),
            client: option(OptionCode::ClientIdentifier).map(|it| it.data().to_vec()),
        })
    }

    /// It says that another has the address of its lease.
    pub fn declines(&self) -> bool {
        self.kind == MessageType::Decline
    }

    /// The frame that answers it, from a server with this Ethernet address; `None`: none is due.
    pub fn answer(&self, lease: &Lease, server: MacAddr) -> Option<Vec<u8>> {
        let kind = self.verdict(lease)?;
        let refused = kind == MessageType::Nak;
        let mut message = Message::new_with_id(
            self.xid,
            if refused { Ipv4Addr::UNSPECIFIED } else { self.has },
            if refused || self.informs() { Ipv4Addr::UNSPECIFIED } else { lease.address.addr() },
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::UNSPECIFIED,
            &self.mac.0,
        );
        message.set_opcode(Opcode::BootReply).set_flags(self.flags);
        let mut options = vec![DhcpOption::MessageType(kind), DhcpOption::ServerIdentifier(lease.server)];
        options.extend(self.client.clone().map(DhcpOption::ClientIdentifier));
        if !refused {
            options.extend((!self.informs()).then_some(DhcpOption::AddressLeaseTime(LEASE)));
            options.extend(of_subnet(lease));
        }
        for option in options {
            message.opts_mut().insert(option);
        }
        let mut content = message.to_vec().ok()?;
        content.resize(content.len().max(SHORTEST), 0);
        let (mac, address) = self.receiver(lease, refused);
        let macs = (server, mac);
        Datagram { macs, addresses: (lease.server, address), ports: (SERVER, CLIENT), content: &content }.write()
    }

    fn informs(&self) -> bool {
        self.kind == MessageType::Inform
    }

    /// What its message is answered with.
    fn verdict(&self, lease: &Lease) -> Option<MessageType> {
        let address = lease.address.addr();
        match self.kind {
            MessageType::Discover => Some(MessageType::Offer),
            MessageType::Inform => (!self.has.is_unspecified()).then_some(MessageType::Ack),
            // It has chosen another server.
            MessageType::Request if self.server.is_some_and(|server| server != lease.server) => None,
            // Before it has an address it names the one it wants; who prolongs a lease has it.
            MessageType::Request => {
                let wants = self.wants.or((!self.has.is_unspecified()).then_some(self.has))?;
                Some(if wants == address { MessageType::Ack } else { MessageType::Nak })
            }
            // An address given back or declined stays the port's: Neutron gave it, and takes it with the port.
            _ => None,
        }
    }

    /// To whom an answer goes (RFC 2131 §4.1).
    fn receiver(&self, lease: &Lease, refused: bool) -> (MacAddr, Ipv4Addr) {
        let all = (MacAddr([0xff; 6]), Ipv4Addr::BROADCAST);
        match self.has {
            _ if refused => all,
            has if !has.is_unspecified() => (self.mac, has),
            _ if self.flags.broadcast() => all,
            _ => (self.mac, lease.address.addr()),
        }
    }
}

/// Options that a subnet gives; what it has not is not there.
fn of_subnet(lease: &Lease) -> Vec<DhcpOption> {
    let mut options = vec![DhcpOption::SubnetMask(lease.address.netmask()), DhcpOption::InterfaceMtu(lease.mtu)];
    options.extend(lease.router.map(|router| DhcpOption::Router(vec![router])));
    if !lease.resolvers.is_empty() {
        options.push(DhcpOption::DomainNameServer(lease.resolvers.clone()));
    }
    if !lease.routes.is_empty() {
        options.push(DhcpOption::ClasslessStaticRoute(lease.routes.clone()));
    }
    options
}

#[cfg(test)]
mod tests;
