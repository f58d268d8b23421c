//! Which addresses a port gets.

use crate::engine::{
    Txn,
    faults::invalid_input,
    row::Row,
    runs::{Runs, address, number},
};
use ipnet::IpNet;
use kuryr_neutron::{Fault, FixedIp, FixedIpRequest, Ipv6Mode, MacAddr, NetworkId, PortId, Subnet, SubnetId};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

/// Most addresses of a port (Neutron's `max_fixed_ips_per_port`).
const MOST_ADDRESSES: usize = 5;

/// Whose addresses are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) port: PortId,
    pub(crate) network: NetworkId,
    pub(crate) mac: MacAddr,
    pub(crate) owner: &'a str,
    /// What it has now.
    pub(crate) has: &'a [FixedIp],
}

impl Holder<'_> {
    /// Routers choose their addresses also where hosts form their own.
    fn is_router(&self) -> bool {
        self.owner.starts_with("network:router")
    }
}

/// True when hosts form their addresses of this subnet from their MAC address (SLAAC).
pub(crate) fn is_automatic(subnet: &Subnet) -> bool {
    let forms = |mode| matches!(mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless));
    forms(subnet.ipv6_address_mode) || forms(subnet.ipv6_ra_mode)
}

/// True when a host may have this address of the range: not IPv4's network and broadcast addresses, and IPv6's
/// router anycast address only if it is a router.
pub(crate) fn is_host_address(cidr: IpNet, ip: IpAddr, router: bool) -> bool {
    let short = cidr.max_prefix_len() - cidr.prefix_len() < 2;
    cidr.contains(&ip)
        && match ip {
            IpAddr::V4(_) => short || ip != cidr.network() && ip != cidr.broadcast(),
            IpAddr::V6(_) => short || router || ip != cidr.network(),
        }
}

/// The address a host with this MAC address forms in a /64 (RFC 4291, modified EUI-64).
pub(crate) fn eui64(cidr: IpNet, mac: MacAddr) -> IpAddr {
    let MacAddr([a, b, c, d, e, f]) = mac;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    IpAddr::V6(Ipv6Addr::from(number(cidr.network()) | u128::from(host)))
}

/// The addresses of a port that leaves the choice to the cloud: one of each IP version the network has.
pub(crate) fn choose(txn: &mut Txn, holder: Holder<'_>) -> Result<Vec<FixedIp>, Fault> {
    let mut chosen = Vec::new();
    for version in [4, 6] {
        let subnets: Vec<Arc<Subnet>> = txn
            .subnets_of_network(holder.network)
            .filter(|s| s.ip_version == version && !is_automatic(s))
            .cloned()
            .collect();
        if subnets.is_empty() {
            continue;
        }
        let ip = subnets.iter().find_map(|subnet| pick(txn, subnet, &chosen));
        chosen.push(ip.ok_or_else(|| exhausted(holder.network))?);
    }
    add_automatic(txn, holder, &mut chosen)?;
    Ok(chosen)
}

/// The addresses a port asks for, in the order of the requests. Those it has already stay where they fit.
pub(crate) fn grant(txn: &mut Txn, holder: Holder<'_>, requests: &[FixedIpRequest]) -> Result<Vec<FixedIp>, Fault> {
    if requests.len() > MOST_ADDRESSES {
        return Err(invalid_input("Exceeded maximum amount of fixed ips per port"));
    }
    let subnets: Vec<Arc<Subnet>> = txn.subnets_of_network(holder.network).cloned().collect();
    let mut granted: Vec<Option<FixedIp>> = vec![None; requests.len()];
    // Exact wishes first, so that none of them is given away to one that would take any.
    for (slot, request) in granted.iter_mut().zip(requests) {
        *slot = exact(txn, holder, &subnets, request)?;
    }
    for i in 0..requests.len() {
        if granted[i].is_none() {
            let taken: Vec<FixedIp> = granted.iter().flatten().copied().collect();
            granted[i] = Some(any(txn, holder, &subnets, &requests[i], &taken)?);
        }
    }
    let mut granted: Vec<FixedIp> = granted.into_iter().flatten().collect();
    if !requests.is_empty() {
        add_automatic(txn, holder, &mut granted)?;
    }
    for (i, ip) in granted.iter().enumerate() {
        if granted[..i].contains(ip) {
            return Err(Fault::invalid("fixed_ips", format!("Duplicate IP address '{}'", ip.ip_address)));
        }
    }
    Ok(granted)
}

/// The address a request names, if it names one.
fn exact(
    txn: &Txn,
    holder: Holder<'_>,
    subnets: &[Arc<Subnet>],
    request: &FixedIpRequest,
) -> Result<Option<FixedIp>, Fault> {
    let named = match request.subnet_id {
        Some(id) => Some(on_network(txn, holder.network, subnets, id)?),
        None => None,
    };
    let Some(ip) = request.ip_address else { return Ok(None) };
    let router = holder.is_router();
    let subnet = match named {
        Some(subnet) if is_host_address(subnet.cidr, ip, router) => subnet,
        Some(_) => {
            return Err(Fault::bad_request(
                "InvalidIpForSubnet",
                format!("IP address {ip} is not a valid IP for the specified subnet."),
            ));
        }
        None => subnets.iter().find(|s| is_host_address(s.cidr, ip, router)).ok_or_else(|| {
            Fault::bad_request(
                "InvalidIpForNetwork",
                format!("IP address {ip} is not a valid IP for any of the subnets on the specified network."),
            )
        })?,
    };
    if is_automatic(subnet) && !router && ip != eui64(subnet.cidr, holder.mac) {
        return Err(Fault::bad_request(
            "AllocationOnAutoAddressSubnet",
            format!(
                "IPv6 address {ip} cannot be directly assigned to a port on subnet {} as the subnet is configured for automatic addresses",
                subnet.id
            ),
        ));
    }
    check_free(txn, holder.port, subnet.id, ip)?;
    Ok(Some(FixedIp { subnet_id: subnet.id, ip_address: ip }))
}

/// Any address of the subnet that a request names.
fn any(
    txn: &mut Txn,
    holder: Holder<'_>,
    subnets: &[Arc<Subnet>],
    request: &FixedIpRequest,
    taken: &[FixedIp],
) -> Result<FixedIp, Fault> {
    let id = request.subnet_id.ok_or_else(|| invalid_input("IP allocation requires subnet_id or ip_address"))?;
    let subnet = on_network(txn, holder.network, subnets, id)?;
    if is_automatic(subnet) && !holder.is_router() {
        let ip_address = eui64(subnet.cidr, holder.mac);
        check_free(txn, holder.port, id, ip_address)?;
        return Ok(FixedIp { subnet_id: id, ip_address });
    }
    if let Some(kept) = holder.has.iter().find(|ip| ip.subnet_id == id && !taken.contains(ip)) {
        return Ok(*kept);
    }
    pick(txn, subnet, taken).ok_or_else(|| exhausted(holder.network))
}

fn on_network<'a>(
    txn: &Txn,
    network: NetworkId,
    subnets: &'a [Arc<Subnet>],
    id: SubnetId,
) -> Result<&'a Arc<Subnet>, Fault> {
    subnets.iter().find(|s| s.id == id).ok_or_else(|| match txn.subnets.get(&id) {
        Some(_) => invalid_input(format!(
            "Failed to create port on network {network}, because fixed_ips included invalid subnet {id}"
        )),
        None => Subnet::missing(id),
    })
}

/// 409 when another port than this one holds the address.
pub(crate) fn check_free(txn: &Txn, holder: PortId, subnet: SubnetId, ip: IpAddr) -> Result<(), Fault> {
    match txn.port_by_address(subnet, ip) {
        Some(port) if port.id != holder => Err(Fault::conflict(
            "IpAddressAlreadyAllocated",
            format!("IP address {ip} already allocated in subnet {subnet}"),
        )),
        _ => Ok(()),
    }
}

fn exhausted(network: NetworkId) -> Fault {
    Fault::conflict("IpAddressGenerationFailure", format!("No more IP addresses available on network {network}."))
}

/// Hosts form addresses of automatic subnets whether they ask or not.
fn add_automatic(txn: &Txn, holder: Holder<'_>, ips: &mut Vec<FixedIp>) -> Result<(), Fault> {
    if holder.is_router() {
        return Ok(());
    }
    for subnet in txn.subnets_of_network(holder.network).filter(|s| is_automatic(s)) {
        if !ips.iter().any(|ip| ip.subnet_id == subnet.id) {
            let ip_address = eui64(subnet.cidr, holder.mac);
            check_free(txn, holder.port, subnet.id, ip_address)?;
            ips.push(FixedIp { subnet_id: subnet.id, ip_address });
        }
    }
    Ok(())
}

/// A free address of a subnet's allocation pools that is not among those just taken.
///
/// The search goes on behind the address given last, so one that was just released rests for a whole round:
/// neighbours that still remember it do not meet a stranger. It is a row of its own, so that it outlives the process.
fn pick(txn: &mut Txn, subnet: &Subnet, taken: &[FixedIp]) -> Option<FixedIp> {
    let none = Runs::default();
    let used = txn.used_addresses(subnet.id).unwrap_or(&none);
    let mut pools: Vec<(u128, u128)> =
        subnet.allocation_pools.iter().map(|pool| (number(pool.start), number(pool.end))).collect();
    pools.sort_unstable();
    let start = txn.addresses_given.get(&subnet.id).map_or(0, |given| number(given.last).saturating_add(1));
    let ahead = pools.iter().filter(|(_, last)| start <= *last).map(|&(first, last)| (first.max(start), last));
    let found = ahead.chain(pools.iter().copied()).find_map(|(mut first, last)| {
        loop {
            let n = used.first_free(first, last)?;
            let ip = FixedIp { subnet_id: subnet.id, ip_address: address(n, subnet.cidr.addr())? };
            if !taken.contains(&ip) {
                return Some(ip);
            }
            first = n.checked_add(1)?;
        }
    });
    let ip = found?;
    txn.give(subnet.id, ip.ip_address);
    Some(ip)
}
