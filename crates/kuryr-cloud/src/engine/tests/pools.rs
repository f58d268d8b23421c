//! Subnet pools: what they give, and when they refuse.

use super::{admin, new_network, refused, txn, user};
use crate::engine::{Txn, subnet, subnetpool};
use kuryr_neutron::{Fault, NetworkId, NewSubnet, NewSubnetPool, Subnet, SubnetPool, SubnetPoolUpdate};

fn pool(prefixes: &[&str]) -> NewSubnetPool {
    let prefixes = prefixes.iter().map(|p| p.parse().unwrap()).collect();
    NewSubnetPool { name: "pool".to_owned(), prefixes, ..NewSubnetPool::default() }
}

fn create(txn: &mut Txn, new: NewSubnetPool) -> Result<SubnetPool, Fault> {
    subnetpool::create(txn, &admin(), new)
}

fn take(
    txn: &mut Txn,
    pool: &SubnetPool,
    network: NetworkId,
    cidr: Option<&str>,
    length: Option<u8>,
) -> Result<Subnet, Fault> {
    let new = NewSubnet {
        network_id: Some(network),
        subnetpool_id: Some(Some(pool.id)),
        cidr: cidr.map(|c| c.parse().unwrap()),
        prefixlen: length,
        ..NewSubnet::default()
    };
    subnet::create(txn, &admin(), new)
}

#[test]
fn prefixes_are_merged_and_bounds_have_defaults() {
    let mut txn = txn();
    let v4 = create(&mut txn, pool(&["10.0.1.0/24", "10.0.0.0/24", "10.8.0.0/16", "10.8.1.0/24"])).unwrap();
    let prefixes: Vec<_> = v4.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["10.0.0.0/23", "10.8.0.0/16"]);
    assert_eq!((v4.min_prefixlen, v4.default_prefixlen, v4.max_prefixlen, v4.ip_version), (8, 8, 32, 4));
    let v6 = create(&mut txn, pool(&["fd00::/48"])).unwrap();
    assert_eq!((v6.min_prefixlen, v6.default_prefixlen, v6.max_prefixlen, v6.ip_version), (64, 64, 128, 6));
}

#[test]
fn wrong_pools_are_refused() {
    let mut txn = txn();
    refused(create(&mut txn, pool(&[])), "EmptySubnetPoolPrefixList", 400);
    refused(create(&mut txn, pool(&["10.0.0.0/8", "fd00::/48"])), "PrefixVersionMismatch", 400);
    refused(create(&mut txn, pool(&["10.0.0.1/8"])), "HTTPBadRequest", 400);
    for (min, default, max) in [(24, 23, 32), (24, 25, 24), (26, 26, 25), (24, 24, 33)] {
        let bounds = NewSubnetPool {
            min_prefixlen: Some(min),
            default_prefixlen: Some(default),
            max_prefixlen: Some(max),
            ..pool(&["10.0.0.0/8"])
        };
        refused(create(&mut txn, bounds), "IllegalSubnetPoolPrefixBounds", 400);
    }
    let default = || NewSubnetPool { is_default: Some(true), ..pool(&["10.0.0.0/8"]) };
    create(&mut txn, default()).unwrap();
    refused(create(&mut txn, default()), "InvalidInput", 400);
    refused(subnetpool::create(&mut txn, &user("u"), default()), "PolicyNotAuthorized", 403);
}

#[test]
fn a_pool_of_one_range_gives_that_range_once() {
    // What a container network does: a pool per range, and the subnet names both.
    let mut txn = txn();
    let new = NewSubnetPool { default_prefixlen: Some(24), ..pool(&["10.7.0.0/24"]) };
    let pool = create(&mut txn, new).unwrap();
    let network = new_network(&mut txn).id;
    let subnet = take(&mut txn, &pool, network, Some("10.7.0.0/24"), None).unwrap();
    assert_eq!((subnet.subnetpool_id, subnet.cidr), (Some(pool.id), pool.prefixes[0]));
    let other = new_network(&mut txn).id;
    let fault = refused(take(&mut txn, &pool, other, Some("10.7.0.0/24"), None), "SubnetAllocationError", 400);
    assert!(fault.message.contains("Cannot allocate requested subnet"), "{fault}");
    refused(subnetpool::delete(&mut txn, &admin(), pool.id), "SubnetPoolDeleteError", 400);
    subnet::delete(&mut txn, &admin(), subnet.id).unwrap();
    subnetpool::delete(&mut txn, &admin(), pool.id).unwrap();
    txn.assert_sound();
}

#[test]
fn ranges_are_given_where_they_fit_best() {
    let mut txn = txn();
    let new = NewSubnetPool { default_prefixlen: Some(26), ..pool(&["10.0.0.0/24"]) };
    let pool = create(&mut txn, new).unwrap();
    let mut next = |cidr: Option<&str>, length| {
        let network = new_network(&mut txn).id;
        take(&mut txn, &pool, network, cidr, length).map(|s| s.cidr.to_string())
    };
    assert_eq!(next(None, None).unwrap(), "10.0.0.0/26");
    assert_eq!(next(Some("10.0.0.128/26"), None).unwrap(), "10.0.0.128/26");
    assert_eq!(next(None, Some(27)).unwrap(), "10.0.0.64/27");
    assert_eq!(next(None, Some(28)).unwrap(), "10.0.0.96/28");
    assert_eq!(next(None, None).unwrap(), "10.0.0.192/26");
    refused(next(None, None), "SubnetAllocationError", 400);
    refused(next(Some("10.1.0.0/26"), None), "SubnetAllocationError", 400);
    refused(next(None, Some(7)), "MinPrefixSubnetAllocationError", 400);
    refused(next(None, Some(33)), "MaxPrefixSubnetAllocationError", 400);
    refused(next(Some("10.0.0.96/28"), Some(28)), "BadRequest", 400);
}

#[test]
fn ipv6_pools_work_alike() {
    let mut txn = txn();
    let pool = create(&mut txn, pool(&["fd00::/63"])).unwrap();
    let mut next = || {
        let network = new_network(&mut txn).id;
        take(&mut txn, &pool, network, None, None).map(|s| s.cidr.to_string())
    };
    assert_eq!(next().unwrap(), "fd00::/64");
    assert_eq!(next().unwrap(), "fd00:0:0:1::/64");
    refused(next(), "SubnetAllocationError", 400);
}

#[test]
fn subnets_of_a_network_are_of_one_pool_and_one_version() {
    let mut txn = txn();
    let pool = create(&mut txn, pool(&["10.0.0.0/16"])).unwrap();
    let (network, _) = super::net(&mut txn, "10.9.0.0/24");
    refused(take(&mut txn, &pool, network, None, Some(24)), "NetworkSubnetPoolAffinityError", 400);
    let v6 = NewSubnet {
        network_id: Some(network),
        subnetpool_id: Some(Some(pool.id)),
        ip_version: Some(6),
        ..NewSubnet::default()
    };
    refused(subnet::create(&mut txn, &admin(), v6), "BadRequest", 400);
}

#[test]
fn a_quota_counts_addresses() {
    let mut txn = txn();
    let new = NewSubnetPool { default_quota: Some(Some(300)), ..pool(&["10.0.0.0/16"]) };
    let pool = create(&mut txn, new).unwrap();
    let mut next = |length| {
        let network = new_network(&mut txn).id;
        take(&mut txn, &pool, network, None, Some(length))
    };
    next(24).unwrap();
    refused(next(25), "SubnetPoolQuotaExceeded", 409);
    next(27).unwrap();
}

#[test]
fn a_pool_may_only_grow() {
    let mut txn = txn();
    let pool = create(&mut txn, pool(&["10.0.0.0/16"])).unwrap();
    let mut change = |prefix: &str| {
        let update = SubnetPoolUpdate { prefixes: Some(vec![prefix.parse().unwrap()]), ..SubnetPoolUpdate::default() };
        subnetpool::update(&mut txn, &admin(), pool.id, update, None)
    };
    refused(change("10.0.0.0/17"), "IllegalSubnetPoolPrefixUpdate", 400);
    refused(change("fd00::/48"), "PrefixVersionMismatch", 400);
    assert_eq!(change("10.0.0.0/15").unwrap().prefixes[0].to_string(), "10.0.0.0/15");
}
