//! Routers of a network tell its hosts of themselves and of its IPv6 prefixes (RFC 4861 §4.2).

use super::{
    frame6::{ICMPV6, Packet},
    lease6::resolvers,
};
use crate::{
    dataplane::policy::link_local,
    engine::{ROUTER_INTERFACE, State},
};
use ipnet::{IpNet, Ipv6Net};
use kuryr_neutron::{Ipv6Mode, MacAddr, NetworkId, Port, RouterId, Subnet};
use std::net::Ipv6Addr;

/// Type of ICMPv6: a host asks for advertisements.
pub const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// All nodes of a link, and their Ethernet address (RFC 2464 §7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ETHERNET_ALL_NODES: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
/// What hosts put into their packets.
const HOP_LIMIT: u8 = 64;
/// Flags: addresses, or other settings, by DHCPv6.
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
/// Flags of a prefix: it is on the link, hosts form addresses of it.
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;
/// How long a router and a resolver count without being heard of again, in seconds.
const ROUTER_LIFETIME: u16 = 1800;
/// The same of addresses, as with ML2/OVN: a port has them for as long as Neutron says so, and a container's, which Docker
/// gave it, must not begin to end because its kernel has heard of them from a router too.
const FOREVER: u32 = u32::MAX;
/// Kinds of options.
const SOURCE_LINK_LAYER: u8 = 1;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const RESOLVERS: u8 = 25;

/// What a router tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// Its Ethernet address.
    pub router: MacAddr,
    /// MTU of the network, in bytes.
    pub mtu: u32,
    /// Prefixes, and how hosts get addresses of them.
    pub prefixes: Vec<(Ipv6Net, Ipv6Mode)>,
    /// Resolvers, for hosts that form their addresses and ask no DHCPv6.
    pub resolvers: Vec<Ipv6Addr>,
}

impl Advertisement {
    /// What the routers of a network tell: those that are up and on a subnet whose `ipv6_ra_mode` says so, as in Neutron.
    pub fn of_network(state: &State, network: NetworkId) -> Vec<Self> {
        let advertised = |subnet: &&Subnet| subnet.ipv6_ra_mode.is_some();
        let Some(record) = state.networks.get(&network) else { return Vec::new() };
        if !state.subnets_of_network(network).any(|subnet| advertised(&&**subnet)) {
            return Vec::new();
        }
        let up = |port: &Port| {
            let router = port.device_id.parse::<RouterId>().ok().and_then(|id| state.routers.get(&id));
            port.admin_state_up && router.is_some_and(|router| router.admin_state_up)
        };
        let ports = state.ports_of_network(network).filter(|port| port.device_owner == ROUTER_INTERFACE && up(port));
        let told = ports.map(|port| {
            let subnets = port.fixed_ips.iter().filter_map(|fixed| state.subnets.get(&fixed.subnet_id));
            let mut told =
                Self { router: port.mac_address, mtu: record.network.mtu, prefixes: Vec::new(), resolvers: Vec::new() };
            for subnet in subnets.filter(|subnet| advertised(&&***subnet)) {
                told.add(subnet);
            }
            told
        });
        told.filter(|told| !told.prefixes.is_empty()).collect()
    }

    fn add(&mut self, subnet: &Subnet) {
        let (IpNet::V6(prefix), Some(mode)) = (subnet.cidr, subnet.ipv6_ra_mode) else { return };
        self.prefixes.push((prefix, mode));
        if mode == Ipv6Mode::Slaac {
            self.resolvers.extend(resolvers(subnet));
        }
    }

    /// The frame that tells it to all who hear it.
    pub fn frame(&self) -> Option<Vec<u8>> {
        let flags = self.prefixes.iter().fold(0, |flags, (_, mode)| {
            flags
                | match mode {
                    Ipv6Mode::Slaac => 0,
                    Ipv6Mode::Dhcpv6Stateful => MANAGED,
                    Ipv6Mode::Dhcpv6Stateless => OTHER,
                }
        });
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, HOP_LIMIT, flags];
        message.extend(ROUTER_LIFETIME.to_be_bytes());
        // How long neighbours are believed in is for hosts to say.
        message.extend([0; 8]);
        // An option begins with its kind and its length in units of eight bytes.
        message.extend([SOURCE_LINK_LAYER, 1]);
        message.extend(self.router.0);
        message.extend([MTU, 1, 0, 0]);
        message.extend(self.mtu.to_be_bytes());
        for (prefix, mode) in &self.prefixes {
            let autonomous = if *mode == Ipv6Mode::Dhcpv6Stateful { 0 } else { AUTONOMOUS };
            message.extend([PREFIX, 4, prefix.prefix_len(), ON_LINK | autonomous]);
            message.extend(FOREVER.to_be_bytes());
            message.extend(FOREVER.to_be_bytes());
            message.extend([0; 4]);
            message.extend(prefix.network().octets());
        }
        if !self.resolvers.is_empty() {
            message.extend([RESOLVERS, u8::try_from(1 + 2 * self.resolvers.len()).ok()?, 0, 0]);
            message.extend(u32::from(ROUTER_LIFETIME).to_be_bytes());
            message.extend(self.resolvers.iter().flat_map(Ipv6Addr::octets));
        }
        let macs = (self.router, ETHERNET_ALL_NODES);
        Packet { macs, addresses: (link_local(self.router), ALL_NODES), protocol: ICMPV6, above: &message }.write()
    }
}

/// The Ethernet address of a host that asks for advertisements.
pub fn asks(frame: &[u8]) -> Option<MacAddr> {
    let packet = Packet::read(frame)?;
    (packet.protocol == ICMPV6 && packet.above.first() == Some(&SOLICITATION)).then_some(packet.macs.0)
}
