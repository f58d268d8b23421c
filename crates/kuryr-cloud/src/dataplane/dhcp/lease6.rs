//! What DHCPv6 tells a port of itself: its addresses on subnets whose `ipv6_address_mode` is DHCPv6, and their resolvers.

use super::lease::served;
use crate::engine::State;
use kuryr_neutron::{Ipv6Mode, MacAddr, NetworkId, Port, Subnet};
use std::net::{IpAddr, Ipv6Addr};

/// What a port is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease6 {
    /// Its network, by which the server is known.
    pub network: NetworkId,
    /// Its addresses of subnets that are `dhcpv6-stateful`.
    pub addresses: Vec<Ipv6Addr>,
    /// Resolvers, of `dhcpv6-stateless` ones too.
    pub resolvers: Vec<Ipv6Addr>,
}

impl Lease6 {
    /// The lease of the port that a MAC address is on a network, and that port. `None`: there is no such port, it is down, or the
    /// network's own, or none of its subnets is for DHCPv6.
    pub fn find(state: &State, network: NetworkId, mac: MacAddr) -> Option<(&Port, Self)> {
        let port = served(state, network, mac)?;
        let mut lease = Self { network, addresses: Vec::new(), resolvers: Vec::new() };
        let mut is_served = false;
        for fixed in &port.fixed_ips {
            let (Some(subnet), IpAddr::V6(address)) = (state.subnets.get(&fixed.subnet_id), fixed.ip_address) else {
                continue;
            };
            match subnet.ipv6_address_mode.filter(|_| subnet.enable_dhcp) {
                Some(Ipv6Mode::Dhcpv6Stateful) => lease.addresses.push(address),
                Some(Ipv6Mode::Dhcpv6Stateless) => {}
                Some(Ipv6Mode::Slaac) | None => continue,
            }
            is_served = true;
            lease.resolvers.extend(resolvers(subnet));
        }
        is_served.then_some((port, lease))
    }
}

/// The resolvers that a subnet announces by IPv6.
pub(super) fn resolvers(subnet: &Subnet) -> impl Iterator<Item = Ipv6Addr> {
    let announced = subnet.dns_nameservers.iter().filter(|ip| !ip.is_unspecified());
    announced.filter_map(|ip| if let IpAddr::V6(ip) = *ip { Some(ip) } else { None })
}
