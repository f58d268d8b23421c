//! What a port is told of itself: its first IPv4 address on a subnet that offers DHCP, and that subnet's settings.

use crate::engine::State;
use ipnet::{IpNet, Ipv4Net};
use kuryr_neutron::{MacAddr, NetworkId, Port, Subnet};
use std::net::{IpAddr, Ipv4Addr};

/// The server's address on subnets without a gateway. It is nobody's there, and no route leads to it, so clients prolong
/// their leases by broadcast alone.
const SERVER_WITHOUT_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Begins the `device_owner` of ports that belong to the network itself.
const OF_THE_NETWORK: &str = "network:";

/// What a port is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its address, with the subnet's prefix length.
    pub address: Ipv4Net,
    /// The server's identity. As with ML2/OVN it is the gateway's address, whoever has that.
    pub server: Ipv4Addr,
    /// The gateway, if there is one.
    pub router: Option<Ipv4Addr>,
    /// Resolvers.
    pub resolvers: Vec<Ipv4Addr>,
    /// Routes: where to and through whom. If there are any the default route is among them, for who is told of routes by
    /// this option does not look at the gateway (RFC 3442).
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// MTU of the network, in bytes.
    pub mtu: u16,
}

impl Lease {
    /// The lease of the port that a MAC address is on a network, and that port. `None`: there is no such port, it is down, or the
    /// network's own, or none of its subnets offers DHCP.
    pub fn find(state: &State, network: NetworkId, mac: MacAddr) -> Option<(&Port, Self)> {
        let port = served(state, network, mac)?;
        let mtu = state.networks.get(&network)?.network.mtu;
        let lease = port.fixed_ips.iter().find_map(|fixed| {
            let subnet = state.subnets.get(&fixed.subnet_id).filter(|subnet| subnet.enable_dhcp)?;
            Self::new(v4(fixed.ip_address)?, subnet, mtu)
        })?;
        Some((port, lease))
    }

    fn new(address: Ipv4Addr, subnet: &Subnet, mtu: u32) -> Option<Self> {
        let router = subnet.gateway_ip.and_then(v4);
        let mut routes: Vec<(Ipv4Net, Ipv4Addr)> = subnet
            .host_routes
            .iter()
            .filter_map(|route| {
                let IpNet::V4(destination) = route.destination else { return None };
                Some((destination.trunc(), v4(route.nexthop)?))
            })
            .collect();
        if let Some(router) =
            router.filter(|_| routes.iter().all(|(to, _)| *to != Ipv4Net::default()) && !routes.is_empty())
        {
            routes.push((Ipv4Net::default(), router));
        }
        Some(Self {
            address: Ipv4Net::new(address, subnet.cidr.prefix_len()).ok()?,
            // A port can be its subnet's gateway itself, and would look for the server within.
            server: router.filter(|router| *router != address).unwrap_or(SERVER_WITHOUT_GATEWAY),
            router,
            // 0.0.0.0 is how Neutron is told that nobody shall be announced.
            resolvers: subnet
                .dns_nameservers
                .iter()
                .filter_map(|ip| v4(*ip))
                .filter(|ip| !ip.is_unspecified())
                .collect(),
            routes,
            mtu: mtu.try_into().unwrap_or(u16::MAX),
        })
    }
}

/// The port that a MAC address is on a network, if it is up and not the network's own. That it is here its interface on the
/// network's bridge says: subports of trunks are bound to no host.
pub(super) fn served(state: &State, network: NetworkId, mac: MacAddr) -> Option<&Port> {
    let port = state.port_by_mac(network, mac).filter(|port| port.admin_state_up)?;
    (!port.device_owner.starts_with(OF_THE_NETWORK)).then_some(port)
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(address) = address { Some(address) } else { None }
}
