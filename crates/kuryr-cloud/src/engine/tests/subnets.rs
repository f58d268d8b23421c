//! Subnets: defaults, ranges, pools, automatic addresses.

use super::{admin, at, ip, ips, net, new_network, new_port, new_subnet, on, range, refused, txn};
use crate::engine::{Txn, port, subnet};
use kuryr_neutron::{AllocationPool, Fault, Ipv6Mode, NewPort, NewSubnet, PortUpdate, Subnet, SubnetUpdate};

fn pool(start: &str, end: &str) -> AllocationPool {
    AllocationPool { start: ip(start), end: ip(end) }
}

fn create(txn: &mut Txn, new: NewSubnet) -> Result<Subnet, Fault> {
    subnet::create(txn, &admin(), new)
}

#[test]
fn gateway_and_pools_have_neutrons_defaults() {
    let cases = [
        ("10.0.0.0/24", Some("10.0.0.1"), vec![pool("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/30", Some("10.0.0.1"), vec![pool("10.0.0.2", "10.0.0.2")]),
        ("fd00::/64", Some("fd00::1"), vec![pool("fd00::2", "fd00::ffff:ffff:ffff:ffff")]),
    ];
    let mut txn = txn();
    for (cidr, gateway, pools) in cases {
        let (_, subnet) = net(&mut txn, cidr);
        assert_eq!(subnet.gateway_ip, gateway.map(ip), "{cidr}");
        assert_eq!(subnet.allocation_pools, pools, "{cidr}");
    }
    let id = new_network(&mut txn).id;
    let tiny = |cidr| NewSubnet { enable_dhcp: Some(false), ..range(id, cidr) };
    let two = create(&mut txn, tiny("10.1.0.0/31")).unwrap();
    assert_eq!(two.allocation_pools, [pool("10.1.0.0", "10.1.0.1")]);
    let one = create(&mut txn, tiny("10.2.0.9/32")).unwrap();
    assert_eq!((one.gateway_ip, one.allocation_pools), (None, vec![pool("10.2.0.9", "10.2.0.9")]));
    refused(create(&mut txn, range(id, "10.3.0.0/31")), "InvalidInput", 400);
}

#[test]
fn a_gateway_can_be_none_or_in_the_middle() {
    let mut txn = txn();
    let id = new_network(&mut txn).id;
    let none = create(&mut txn, NewSubnet { gateway_ip: Some(None), ..range(id, "10.0.0.0/29") }).unwrap();
    assert_eq!((none.gateway_ip, none.allocation_pools), (None, vec![pool("10.0.0.1", "10.0.0.6")]));
    let middle = NewSubnet { gateway_ip: Some(Some(ip("10.1.0.3"))), ..range(id, "10.1.0.0/29") };
    let middle = create(&mut txn, middle).unwrap();
    assert_eq!(middle.allocation_pools, [pool("10.1.0.1", "10.1.0.2"), pool("10.1.0.4", "10.1.0.6")]);
    for wrong in ["10.2.0.0", "10.2.0.255", "fd00::1"] {
        let new = NewSubnet { gateway_ip: Some(Some(ip(wrong))), ..range(id, "10.2.0.0/24") };
        refused(create(&mut txn, new), "InvalidInput", 400);
    }
}

#[test]
fn ranges_are_exact_and_do_not_overlap_on_a_network() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let fault = refused(create(&mut txn, range(id, "10.1.0.1/24")), "HTTPBadRequest", 400);
    assert_eq!(
        fault.message,
        "Invalid input for cidr. Reason: '10.1.0.1/24' isn't a recognized IP subnet cidr, '10.1.0.0/24' is recommended."
    );
    for overlapping in ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"] {
        let fault = refused(create(&mut txn, range(id, overlapping)), "InvalidInput", 400);
        assert!(fault.message.contains("overlaps with another subnet"), "{fault}");
    }
    refused(create(&mut txn, range(id, "0.0.0.0/0")), "InvalidInput", 400);
    refused(create(&mut txn, NewSubnet { ip_version: Some(6), ..range(id, "10.1.0.0/24") }), "InvalidInput", 400);
    refused(create(&mut txn, NewSubnet { ip_version: Some(5), ..range(id, "10.1.0.0/24") }), "HTTPBadRequest", 400);
    refused(create(&mut txn, NewSubnet { network_id: Some(id), ..NewSubnet::default() }), "BadRequest", 400);
    let other = new_network(&mut txn).id;
    new_subnet(&mut txn, other, "10.0.0.0/24");
}

#[test]
fn allocation_pools_are_in_the_range_apart_and_without_the_gateway() {
    let mut txn = txn();
    let id = new_network(&mut txn).id;
    let mut with = |pools: &[AllocationPool]| {
        create(&mut txn, NewSubnet { allocation_pools: Some(pools.to_vec()), ..range(id, "10.0.0.0/24") })
    };
    refused(with(&[pool("10.0.0.9", "10.0.0.2")]), "InvalidAllocationPool", 400);
    refused(with(&[pool("fd00::1", "fd00::2")]), "InvalidAllocationPool", 400);
    refused(with(&[pool("10.0.0.9", "10.0.1.2")]), "OutOfBoundsAllocationPool", 400);
    refused(with(&[pool("10.0.0.9", "10.0.0.255")]), "OutOfBoundsAllocationPool", 400);
    let overlap = [pool("10.0.0.10", "10.0.0.20"), pool("10.0.0.20", "10.0.0.30")];
    let fault = refused(with(&overlap), "OverlappingAllocationPools", 409);
    assert!(fault.message.contains("10.0.0.10-10.0.0.20 10.0.0.20-10.0.0.30"), "{fault}");
    refused(with(&[pool("10.0.0.1", "10.0.0.20")]), "GatewayConflictWithAllocationPools", 409);
    with(&[pool("10.0.0.100", "10.0.0.110"), pool("10.0.0.50", "10.0.0.60")]).unwrap();
}

#[test]
fn an_update_keeps_the_rules() {
    let mut txn = txn();
    let (id, subnet) = net(&mut txn, "10.0.0.0/24");
    let mut change = |update: SubnetUpdate| subnet::update(&mut txn, &admin(), subnet.id, update, None);
    let gateway = |text: &str| SubnetUpdate { gateway_ip: Some(Some(ip(text))), ..SubnetUpdate::default() };
    refused(change(gateway("10.0.0.9")), "GatewayConflictWithAllocationPools", 409);
    let pools = vec![pool("10.0.0.10", "10.0.0.20")];
    change(SubnetUpdate { allocation_pools: Some(pools), ..SubnetUpdate::default() }).unwrap();
    assert_eq!(change(gateway("10.0.0.9")).unwrap().gateway_ip, Some(ip("10.0.0.9")));
    assert_eq!(change(SubnetUpdate { gateway_ip: Some(None), ..SubnetUpdate::default() }).unwrap().gateway_ip, None);
    change(gateway("10.0.0.9")).unwrap();
    let held = NewPort { fixed_ips: Some(vec![at(None, Some("10.0.0.9"))]), ..on(id) };
    port::create(&mut txn, &admin(), held).unwrap();
    let moved = subnet::update(&mut txn, &admin(), subnet.id, gateway("10.0.0.8"), None);
    refused(moved, "GatewayIpInUse", 409);
    let resolvers = SubnetUpdate { dns_nameservers: Some(vec![ip("1.1.1.1"); 2]), ..SubnetUpdate::default() };
    refused(subnet::update(&mut txn, &admin(), subnet.id, resolvers, None), "HTTPBadRequest", 400);
}

#[test]
fn a_subnet_with_addresses_in_use_stays() {
    let mut txn = txn();
    let (id, subnet) = net(&mut txn, "10.0.0.0/24");
    let held = new_port(&mut txn, id);
    refused(subnet::delete(&mut txn, &admin(), subnet.id), "SubnetInUse", 409);
    port::delete(&mut txn, &admin(), held.id).unwrap();
    subnet::delete(&mut txn, &admin(), subnet.id).unwrap();
    assert!(txn.networks[&id].network.subnets.is_empty());
    refused(subnet::delete(&mut txn, &admin(), subnet.id), "SubnetNotFound", 404);
    txn.assert_sound();
}

#[test]
fn hosts_form_their_own_addresses_of_automatic_subnets() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let mac = Some("fa:16:3e:00:00:01".parse().unwrap());
    let early = port::create(&mut txn, &admin(), NewPort { mac_address: mac, ..on(id) }).unwrap();
    let slaac = || NewSubnet {
        ipv6_ra_mode: Some(Some(Ipv6Mode::Slaac)),
        ipv6_address_mode: Some(Some(Ipv6Mode::Slaac)),
        ..range(id, "fd00::/64")
    };
    refused(create(&mut txn, NewSubnet { enable_dhcp: Some(false), ..slaac() }), "InvalidInput", 400);
    refused(create(&mut txn, NewSubnet { cidr: "fd00::/63".parse().ok(), ..slaac() }), "InvalidInput", 400);
    refused(create(&mut txn, NewSubnet { cidr: "10.9.0.0/24".parse().ok(), ..slaac() }), "InvalidInput", 400);
    let mixed = NewSubnet { ipv6_address_mode: Some(Some(Ipv6Mode::Dhcpv6Stateful)), ..slaac() };
    refused(create(&mut txn, mixed), "InvalidInput", 400);
    let subnet = create(&mut txn, slaac()).unwrap();
    assert_eq!(ips(&txn.ports[&early.id]), ["10.0.0.2", "fd00::f816:3eff:fe00:1"]);
    let late = new_port(&mut txn, id);
    assert_eq!(late.fixed_ips.len(), 2);
    let fixed = NewPort { fixed_ips: Some(vec![at(Some(subnet.id), Some("fd00::7"))]), ..on(id) };
    refused(port::create(&mut txn, &admin(), fixed), "AllocationOnAutoAddressSubnet", 400);
    // A router sits on the address that a host with another MAC address would form.
    let squatter = NewPort {
        device_owner: Some("network:router_interface".to_owned()),
        fixed_ips: Some(vec![at(Some(subnet.id), Some("fd00::f816:3eff:fe00:2"))]),
        ..on(id)
    };
    let squatter = port::create(&mut txn, &admin(), squatter).unwrap();
    let collide = PortUpdate { mac_address: "fa:16:3e:00:00:02".parse().ok(), ..PortUpdate::default() };
    refused(port::update(&mut txn, &admin(), early.id, collide, None), "IpAddressAlreadyAllocated", 409);
    refused(subnet::delete(&mut txn, &admin(), subnet.id), "SubnetInUse", 409);
    port::delete(&mut txn, &admin(), squatter.id).unwrap();
    subnet::delete(&mut txn, &admin(), subnet.id).unwrap();
    assert_eq!(ips(&txn.ports[&late.id]), ["10.0.0.3"]);
    txn.assert_sound();
}
