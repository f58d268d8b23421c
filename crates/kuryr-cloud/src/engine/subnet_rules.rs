//! What must hold within one subnet.

use crate::engine::{
    faults::{check_prefix, invalid_input},
    runs::{address, number},
    subnetpool::version,
};
use ipnet::IpNet;
use kuryr_neutron::{AllocationPool, Fault, Ipv6Mode, Subnet};
use std::net::IpAddr;

/// Most resolvers of a subnet (Neutron's `max_dns_nameservers`).
const MOST_RESOLVERS: usize = 5;
/// Most routes of a subnet (Neutron's `max_subnet_host_routes`).
const MOST_ROUTES: usize = 20;

/// The gateway of a subnet that names none: the first address. Ranges of one address have none.
pub(crate) fn default_gateway(cidr: IpNet) -> Option<IpAddr> {
    let first = number(cidr.network()).checked_add(1)?;
    address(first, cidr.network()).filter(|ip| cidr.contains(ip))
}

/// First and last address that ports may have by choice of the cloud: without IPv4's network and broadcast
/// addresses and IPv6's router anycast address, except where that leaves nothing.
fn usable(cidr: IpNet) -> (u128, u128) {
    let (first, last) = (number(cidr.network()), number(cidr.broadcast()));
    if is_tiny(cidr) { (first, last) } else { (first + 1, last - u128::from(version(&cidr) == 4)) }
}

/// One or two addresses: all of them are for hosts, the gateway's too.
fn is_tiny(cidr: IpNet) -> bool {
    cidr.max_prefix_len() - cidr.prefix_len() < 2
}

/// All usable addresses but the gateway.
pub(crate) fn default_pools(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<AllocationPool> {
    let (first, last) = usable(cidr);
    let ranges = match gateway.filter(|g| cidr.contains(g) && !is_tiny(cidr)).map(number) {
        Some(g) => vec![(first, g.checked_sub(1)), (g.saturating_add(1), Some(last))],
        None => vec![(first, Some(last))],
    };
    let range = |(start, end): (u128, Option<u128>)| {
        let end = end.filter(|end| start <= *end)?;
        Some(AllocationPool { start: address(start, cidr.network())?, end: address(end, cidr.network())? })
    };
    ranges.into_iter().filter_map(range).collect()
}

/// Checks everything that a subnet says of itself.
pub(crate) fn check(subnet: &Subnet) -> Result<(), Fault> {
    check_dhcp(subnet)?;
    check_modes(subnet)?;
    check_pools(subnet)?;
    check_gateway(subnet)?;
    check_announcements(subnet)
}

fn check_dhcp(subnet: &Subnet) -> Result<(), Fault> {
    let cidr = subnet.cidr;
    if !subnet.enable_dhcp {
        return Ok(());
    }
    if cidr.network().is_multicast() {
        return Err(invalid_input("Multicast IP subnet is not supported if enable_dhcp is True"));
    }
    if cidr.network().is_loopback() {
        return Err(invalid_input("Loopback IP subnet is not supported if enable_dhcp is True"));
    }
    if cidr.prefix_len() > cidr.max_prefix_len() - 2 {
        return Err(invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled"));
    }
    Ok(())
}

fn word(mode: Ipv6Mode) -> &'static str {
    match mode {
        Ipv6Mode::Slaac => "slaac",
        Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
        Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
    }
}

fn check_modes(subnet: &Subnet) -> Result<(), Fault> {
    let (ra, address) = (subnet.ipv6_ra_mode, subnet.ipv6_address_mode);
    if ra.is_none() && address.is_none() {
        return Ok(());
    }
    if subnet.ip_version == 4 {
        return Err(invalid_input("ipv6_address_mode and ipv6_ra_mode are not valid when ip_version is 4"));
    }
    if !subnet.enable_dhcp {
        return Err(invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"));
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return Err(invalid_input(format!(
            "ipv6_ra_mode set to '{}' with ipv6_address_mode set to '{}' is not valid. If both attributes are set, they must be the same value",
            word(ra),
            word(address)
        )));
    }
    if crate::engine::addresses::is_automatic(subnet) && subnet.cidr.prefix_len() != 64 {
        return Err(invalid_input(format!(
            "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64",
            subnet.cidr
        )));
    }
    Ok(())
}

fn check_gateway(subnet: &Subnet) -> Result<(), Fault> {
    let Some(gateway) = subnet.gateway_ip else { return Ok(()) };
    if gateway.is_ipv4() != subnet.cidr.addr().is_ipv4() {
        return Err(invalid_input(format!(
            "gateway_ip '{gateway}' does not match the ip_version '{}'",
            subnet.ip_version
        )));
    }
    // A gateway outside of the range is allowed, as in Neutron: hosts reach it on the link.
    if subnet.cidr.contains(&gateway) && !crate::engine::addresses::is_host_address(subnet.cidr, gateway, true) {
        return Err(invalid_input("Gateway is not valid on subnet"));
    }
    match subnet.allocation_pools.iter().find(|pool| pool.start <= gateway && gateway <= pool.end) {
        Some(pool) if !is_tiny(subnet.cidr) => Err(Fault::conflict(
            "GatewayConflictWithAllocationPools",
            format!("Gateway ip {gateway} conflicts with allocation pool {}.", text(pool)),
        )),
        _ => Ok(()),
    }
}

fn text(pool: &AllocationPool) -> String {
    format!("{}-{}", pool.start, pool.end)
}

fn check_pools(subnet: &Subnet) -> Result<(), Fault> {
    let (first, last) = usable(subnet.cidr);
    let v4 = subnet.cidr.addr().is_ipv4();
    for (i, pool) in subnet.allocation_pools.iter().enumerate() {
        if pool.start.is_ipv4() != v4 || pool.end.is_ipv4() != v4 || pool.start > pool.end {
            return Err(Fault::bad_request(
                "InvalidAllocationPool",
                format!("The allocation pool {} is not valid.", text(pool)),
            ));
        }
        if number(pool.start) < first || number(pool.end) > last {
            return Err(Fault::bad_request(
                "OutOfBoundsAllocationPool",
                format!("The allocation pool {} spans beyond the subnet cidr {}.", text(pool), subnet.cidr),
            ));
        }
        let earlier = subnet.allocation_pools.iter().take(i);
        if let Some(other) = earlier.into_iter().find(|o| o.start <= pool.end && pool.start <= o.end) {
            return Err(Fault::conflict(
                "OverlappingAllocationPools",
                format!(
                    "Found overlapping allocation pools: {} {} for subnet {}.",
                    text(other),
                    text(pool),
                    subnet.cidr
                ),
            ));
        }
    }
    Ok(())
}

fn check_announcements(subnet: &Subnet) -> Result<(), Fault> {
    let v4 = subnet.cidr.addr().is_ipv4();
    if subnet.dns_nameservers.len() > MOST_RESOLVERS {
        return Err(Fault::bad_request(
            "DNSNameServersExhausted",
            format!(
                "Unable to complete operation for {}. The number of DNS nameservers exceeds the limit {MOST_RESOLVERS}.",
                subnet.id
            ),
        ));
    }
    for (i, resolver) in subnet.dns_nameservers.iter().enumerate() {
        if resolver.is_ipv4() != v4 {
            return Err(invalid_input(format!(
                "dns_nameserver '{resolver}' does not match the ip_version '{}'",
                subnet.ip_version
            )));
        }
        if subnet.dns_nameservers[..i].contains(resolver) {
            return Err(Fault::invalid("dns_nameservers", format!("Duplicate nameserver '{resolver}'")));
        }
    }
    if subnet.host_routes.len() > MOST_ROUTES {
        return Err(Fault::bad_request(
            "HostRoutesExhausted",
            format!(
                "Unable to complete operation for {}. The number of host routes exceeds the limit {MOST_ROUTES}.",
                subnet.id
            ),
        ));
    }
    for (i, route) in subnet.host_routes.iter().enumerate() {
        check_prefix("host_routes", route.destination)?;
        if route.destination.addr().is_ipv4() != v4 || route.nexthop.is_ipv4() != v4 {
            return Err(invalid_input(format!(
                "host route to '{}' through '{}' does not match the ip_version '{}'",
                route.destination, route.nexthop, subnet.ip_version
            )));
        }
        if subnet.host_routes[..i].contains(route) {
            return Err(Fault::invalid("host_routes", format!("Duplicate hostroute '{}'", route.destination)));
        }
    }
    Ok(())
}
