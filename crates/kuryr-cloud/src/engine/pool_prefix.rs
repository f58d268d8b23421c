//! Ranges that subnets get from a subnet pool.

use crate::engine::{
    Txn,
    runs::{address, number},
};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use kuryr_neutron::{Fault, ProjectId, SubnetPool};
use std::net::IpAddr;

/// The range a subnet gets: `cidr` if that is free in the pool, or any of the wanted length.
pub(crate) fn allocate(
    txn: &Txn,
    pool: &SubnetPool,
    project: &ProjectId,
    cidr: Option<IpNet>,
    prefixlen: Option<u8>,
) -> Result<IpNet, Fault> {
    let length = cidr.map(|c| c.prefix_len()).or(prefixlen).unwrap_or(pool.default_prefixlen);
    check_length(pool, length)?;
    check_quota(txn, pool, project, length)?;
    let free = free(txn, pool);
    match cidr {
        Some(cidr) => free
            .iter()
            .any(|f| f.contains(&cidr))
            .then_some(cidr)
            .ok_or_else(|| failed("Cannot allocate requested subnet from the available set of prefixes")),
        // The smallest range that is big enough: big ones stay whole.
        None => free
            .iter()
            .filter(|f| f.prefix_len() <= length)
            .max_by_key(|f| (f.prefix_len(), std::cmp::Reverse(f.network())))
            .and_then(|f| IpNet::new(f.network(), length).ok())
            .ok_or_else(|| failed(&format!("Insufficient prefix space to allocate subnet size /{length}"))),
    }
}

fn failed(reason: &str) -> Fault {
    Fault::bad_request("SubnetAllocationError", format!("Failed to allocate subnet: {reason}."))
}

fn check_length(pool: &SubnetPool, length: u8) -> Result<(), Fault> {
    let (error_type, word, bound) = if length > pool.max_prefixlen {
        ("MaxPrefixSubnetAllocationError", "maximum", pool.max_prefixlen)
    } else if length < pool.min_prefixlen {
        ("MinPrefixSubnetAllocationError", "minimum", pool.min_prefixlen)
    } else {
        return Ok(());
    };
    Err(Fault::bad_request(
        error_type,
        format!("Unable to allocate subnet with prefix length {length}, {word} allowed prefix is {bound}."),
    ))
}

/// IPv4 is counted in addresses, IPv6 in ranges of 64 bits.
fn check_quota(txn: &Txn, pool: &SubnetPool, project: &ProjectId, length: u8) -> Result<(), Fault> {
    let Some(quota) = pool.default_quota else { return Ok(()) };
    let unit = if pool.ip_version == 4 { 32 } else { 64u8 };
    let units = |length: u8| 1u128.checked_shl(unit.saturating_sub(length).into()).unwrap_or(u128::MAX);
    let used = txn
        .subnets_of_pool(pool.id)
        .filter(|s| s.project_id == *project)
        .fold(0u128, |sum, s| sum.saturating_add(units(s.cidr.prefix_len())));
    if used.saturating_add(units(length)) <= quota.into() {
        return Ok(());
    }
    Err(Fault::conflict("SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded."))
}

/// What is left of a pool's prefixes, as the fewest ranges.
fn free(txn: &Txn, pool: &SubnetPool) -> Vec<IpNet> {
    let mut taken: Vec<IpNet> = txn.subnets_of_pool(pool.id).map(|s| s.cidr).collect();
    taken.sort_by_key(IpNet::network);
    let mut free = Vec::new();
    for prefix in &pool.prefixes {
        let mut next = Some(number(prefix.network()));
        let last = number(prefix.broadcast());
        for used in taken.iter().filter(|t| prefix.contains(*t)) {
            let (first_used, last_used) = (number(used.network()), number(used.broadcast()));
            if let (Some(first), Some(end)) = (next, first_used.checked_sub(1)) {
                free.extend(between(first, end, prefix.network()));
            }
            next = last_used.checked_add(1);
        }
        free.extend(next.into_iter().flat_map(|first| between(first, last, prefix.network())));
    }
    free
}

/// The fewest ranges that make `first..=last`, none if that is empty.
fn between(first: u128, last: u128, like: IpAddr) -> Vec<IpNet> {
    match (address(first, like), address(last, like)) {
        _ if first > last => Vec::new(),
        (Some(IpAddr::V4(first)), Some(IpAddr::V4(last))) => Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect(),
        (Some(IpAddr::V6(first)), Some(IpAddr::V6(last))) => Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}
