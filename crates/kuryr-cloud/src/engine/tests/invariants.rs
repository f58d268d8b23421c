//! Random sequences of operations: whatever is asked, in whatever order, the invariants hold.

use super::{admin, at, new_network, on, range, txn};
use crate::engine::{State, Txn, network, port, rbac, router, security_group, security_group_rule, subnet, tags};
use kuryr_neutron::{
    AllocationPool, Direction, Ethertype, ExternalGateway, Fault, FixedIpRequest, NetworkId, NetworkUpdate, NewNetwork,
    NewRbacPolicy, NewRouter, NewSecurityGroup, NewSecurityGroupRule, NewSubnet, PortId, PortUpdate, ProjectId,
    RbacAction, RbacPolicyUpdate, RbacTarget, RouterInterface, RouterUpdate, Shareable, SubnetUpdate,
};
use proptest::{prelude::*, sample::Index};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

/// Addresses of one subnet: what a port asks for, or what is released.
#[derive(Debug, Clone)]
enum Ask {
    Any,
    Exact(u8),
    Release(Index),
    Move(Index, u8),
    /// Fails after it took an address: nothing of it may remain.
    TakeAndFail,
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        6 => Just(Ask::Any),
        3 => any::<u8>().prop_map(Ask::Exact),
        4 => any::<Index>().prop_map(Ask::Release),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(i, ip)| Ask::Move(i, ip)),
        1 => Just(Ask::TakeAndFail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn addresses_follow_a_model(asks in prop::collection::vec(asks(), 1..80), split in 2u8..12) {
        let mut txn = txn();
        let id = new_network(&mut txn).id;
        let host = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        let pools = vec![
            AllocationPool { start: host(2), end: host(split) },
            AllocationPool { start: host(split + 2), end: host(14) },
        ];
        let pools: Vec<_> = pools.into_iter().filter(|p| p.start <= p.end).collect();
        let pool: BTreeSet<IpAddr> = (2..=14).map(host).filter(|ip| pools.iter().any(|p| p.start <= *ip && *ip <= p.end)).collect();
        let new = NewSubnet { allocation_pools: Some(pools), ..range(id, "10.0.0.0/28") };
        let subnet = subnet::create(&mut txn, &admin(), new).unwrap();
        let mut model: BTreeMap<IpAddr, PortId> = BTreeMap::new();
        for ask in asks {
            let free: Vec<IpAddr> = pool.iter().filter(|ip| !model.contains_key(ip)).copied().collect();
            match ask {
                Ask::Any => match port::create(&mut txn, &admin(), on(id)) {
                    Ok(port) => {
                        prop_assert!(free.contains(&port.fixed_ips[0].ip_address));
                        model.insert(port.fixed_ips[0].ip_address, port.id);
                    }
                    Err(fault) => {
                        prop_assert_eq!(fault.error_type, "IpAddressGenerationFailure");
                        prop_assert!(free.is_empty(), "{:?} were free", free);
                    }
                },
                Ask::Exact(n) => {
                    let wish = FixedIpRequest { subnet_id: Some(subnet.id), ip_address: Some(host(n)) };
                    let mut new = on(id);
                    new.fixed_ips = Some(vec![wish]);
                    match port::create(&mut txn, &admin(), new) {
                        Ok(port) => prop_assert_eq!(model.insert(host(n), port.id), None),
                        Err(fault) if fault.error_type == "InvalidIpForSubnet" => prop_assert!(n == 0 || n >= 15),
                        Err(fault) => {
                            prop_assert_eq!(fault.error_type, "IpAddressAlreadyAllocated");
                            prop_assert!(model.contains_key(&host(n)));
                        }
                    }
                }
                Ask::Release(i) if !model.is_empty() => {
                    let ip = *model.keys().nth(i.index(model.len())).unwrap();
                    port::delete(&mut txn, &admin(), model.remove(&ip).unwrap()).unwrap();
                }
                Ask::Move(i, n) if !model.is_empty() => {
                    let ip = *model.keys().nth(i.index(model.len())).unwrap();
                    let mover = model[&ip];
                    let update = PortUpdate { fixed_ips: Some(vec![at(None, Some(&host(n).to_string()))]), ..PortUpdate::default() };
                    match port::update(&mut txn, &admin(), mover, update, None) {
                        Ok(_) => {
                            model.remove(&ip);
                            prop_assert_eq!(model.insert(host(n), mover), None);
                        }
                        Err(_) => prop_assert!(n == 0 || n >= 15 || model.contains_key(&host(n))),
                    }
                }
                Ask::TakeAndFail => {
                    let before = txn.savepoint();
                    let _ = port::create(&mut txn, &admin(), on(id));
                    txn.rollback(before);
                }
                Ask::Release(_) | Ask::Move(..) => {}
            }
            let held: BTreeMap<IpAddr, PortId> =
                txn.ports.values().flat_map(|p| p.fixed_ips.iter().map(|ip| (ip.ip_address, p.id))).collect();
            prop_assert_eq!(&held, &model);
        }
        txn.assert_sound();
    }

    #[test]
    fn whatever_is_asked_the_invariants_hold(steps in prop::collection::vec((0..KINDS, any::<[Index; 3]>()), 1..120)) {
        let mut txn = txn();
        for (what, which) in steps {
            let before = (txn.savepoint(), txn.to_rows());
            if anything(&mut txn, what, which).is_err() {
                txn.rollback(before.0);
                prop_assert_eq!(txn.to_rows(), before.1, "an error leaves nothing");
            }
            check(&txn)?;
        }
        txn.assert_sound();
        // What was done, done again from the log, gives the same state.
        let mut replayed = State::fresh();
        txn.changes().iter().for_each(|change| replayed.apply(change));
        prop_assert_eq!(replayed.to_rows(), txn.to_rows());
        replayed.assert_sound();
    }
}

pub(super) fn some<K: Copy, V>(table: &BTreeMap<K, V>, index: Index) -> Option<K> {
    (!table.is_empty()).then(|| *table.keys().nth(index.index(table.len())).unwrap())
}

/// Operations that [`anything`] knows.
pub(crate) const KINDS: u8 = TRUNKS + super::trunks::KINDS;
/// The first of those about trunks.
const TRUNKS: u8 = 36;

/// One operation with rows picked at random; what cannot be asked yet is left out.
pub(crate) fn anything(txn: &mut Txn, what: u8, [a, b, c]: [Index; 3]) -> Result<(), Fault> {
    let admin = &admin();
    let (network_id, subnet_id, port_id) = (some(&txn.networks, a), some(&txn.subnets, b), some(&txn.ports, c));
    let (group_id, router_id) = (some(&txn.security_groups, a), some(&txn.routers, b));
    let third_octet = c.index(4);
    match (what, network_id, subnet_id, port_id, group_id, router_id) {
        (0, ..) => {
            network::create(txn, admin, NewNetwork { router_external: Some(a.index(3) == 0), ..NewNetwork::default() })
                .map(drop)
        }
        (1, Some(n), ..) => network::delete(txn, admin, n),
        (2, Some(n), ..) => {
            let update = NetworkUpdate { port_security_enabled: Some(b.index(2) == 0), ..NetworkUpdate::default() };
            network::update(txn, admin, n, update, None).map(drop)
        }
        (3 | 4, Some(n), ..) => subnet::create(txn, admin, range(n, &format!("10.0.{third_octet}.0/28"))).map(drop),
        (5, Some(n), ..) => subnet::create(txn, admin, automatic(n, third_octet)).map(drop),
        (6, _, Some(s), ..) => subnet::delete(txn, admin, s),
        (7, _, Some(s), ..) => {
            let update = SubnetUpdate { gateway_ip: Some(None), ..SubnetUpdate::default() };
            subnet::update(txn, admin, s, update, None).map(drop)
        }
        (8..=11, Some(n), ..) => port::create(txn, admin, on(n)).map(drop),
        (12, Some(n), Some(s), ..) => {
            let mut new = on(n);
            new.fixed_ips = Some(vec![at(Some(s), None); c.index(4)]);
            port::create(txn, admin, new).map(drop)
        }
        (13, _, _, Some(p), ..) => port::delete(txn, admin, p),
        (14, _, Some(s), Some(p), Some(g), _) => {
            let update = PortUpdate {
                fixed_ips: Some(vec![at(Some(s), None)]),
                security_groups: Some(vec![g]),
                ..PortUpdate::default()
            };
            port::update(txn, admin, p, update, None).map(drop)
        }
        (15, _, _, Some(p), ..) => {
            let mac = kuryr_neutron::MacAddr([2, 0, 0, 0, 0, a.index(4) as u8]);
            port::update(txn, admin, p, PortUpdate { mac_address: Some(mac), ..PortUpdate::default() }, None).map(drop)
        }
        (16, ..) => security_group::create(txn, admin, NewSecurityGroup::default()).map(drop),
        (17, _, _, _, Some(g), _) => security_group::delete(txn, admin, g),
        (18, _, _, _, Some(g), _) => {
            let remote = some(&txn.security_groups, b);
            security_group_rule::create(txn, admin, from(g, remote, c.index(3))).map(drop)
        }
        (19, _, _, Some(p), ..) => tags::add(txn, admin, tags::Kind::Port, p.0, "t".parse().unwrap()),
        (20, ..) => router::create(txn, admin, NewRouter::default()).map(drop),
        (21, _, _, _, _, Some(r)) => {
            let interface = RouterInterface { subnet_id: some(&txn.subnets, c), port_id: None };
            router::add_interface(txn, admin, r, interface).map(drop)
        }
        (22, _, Some(s), _, _, Some(r)) => {
            router::remove_interface(txn, admin, r, RouterInterface { subnet_id: Some(s), port_id: None }).map(drop)
        }
        (23, Some(network_id), _, _, _, Some(r)) if c.index(3) > 0 => {
            let gateway = ExternalGateway { network_id, enable_snat: None, external_fixed_ips: Vec::new() };
            let gateway = (c.index(3) == 1).then_some(gateway);
            router::update(
                txn,
                admin,
                r,
                RouterUpdate { external_gateway_info: Some(gateway), ..RouterUpdate::default() },
                None,
            )
            .map(drop)
        }
        (23, _, _, _, _, Some(r)) => router::delete(txn, admin, r),
        (24, Some(n), _, _, Some(g), _) => {
            let (object, action) = match b.index(3) {
                0 => (Shareable::SecurityGroup(g), RbacAction::AccessAsShared),
                1 => (Shareable::Network(n), RbacAction::AccessAsShared),
                _ => (Shareable::Network(n), RbacAction::AccessAsExternal),
            };
            let new = NewRbacPolicy { project_id: None, object, action, target_tenant: target(third_octet) };
            rbac::create(txn, admin, new).map(drop)
        }
        (25, ..) => some(&txn.rbac_policies, a).map_or(Ok(()), |policy| {
            let target_tenant = Some(target(third_octet));
            rbac::update(txn, admin, policy, RbacPolicyUpdate { target_tenant }).map(drop)
        }),
        (26, ..) => some(&txn.rbac_policies, a).map_or(Ok(()), |policy| rbac::delete(txn, admin, policy)),
        (27..TRUNKS, ..) => super::qos::anything(txn, what - 27, [a, b, c]),
        (TRUNKS..KINDS, ..) => super::trunks::anything(txn, what - TRUNKS, [a, b, c]),
        _ => Ok(()),
    }
}

fn target(n: usize) -> RbacTarget {
    if n == 0 { RbacTarget::All } else { RbacTarget::Project(ProjectId(format!("project {n}"))) }
}

fn automatic(network: NetworkId, n: usize) -> NewSubnet {
    let mode = Some(Some(kuryr_neutron::Ipv6Mode::Slaac));
    NewSubnet { ipv6_ra_mode: mode, ipv6_address_mode: mode, ..range(network, &format!("fd00:{n}::/64")) }
}

fn from(
    group: kuryr_neutron::SecurityGroupId,
    remote: Option<kuryr_neutron::SecurityGroupId>,
    n: usize,
) -> NewSecurityGroupRule {
    NewSecurityGroupRule {
        security_group_id: group,
        direction: Direction::Ingress,
        ethertype: Some(if n == 0 { Ethertype::IPv4 } else { Ethertype::IPv6 }),
        project_id: None,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_ip_prefix: None,
        remote_group_id: Some(remote),
        remote_address_group_id: None,
        description: None,
    }
}

/// What must hold between rows at any time.
fn check(state: &State) -> Result<(), TestCaseError> {
    for policy in state.rbac_policies.values() {
        let is_there = match policy.object {
            Shareable::Network(id) => state.networks.contains_key(&id),
            Shareable::SecurityGroup(id) => state.security_groups.contains_key(&id),
            Shareable::AddressGroup(id) => state.address_groups.contains_key(&id),
            Shareable::SubnetPool(id) => state.subnetpools.contains_key(&id),
            Shareable::QosPolicy(id) => state.qos_policies.contains_key(&id),
        };
        prop_assert!(is_there, "{:?} is about nothing", policy);
    }
    for (id, record) in &state.networks {
        let says = |policy: &kuryr_neutron::RbacPolicy| policy.action == RbacAction::AccessAsExternal;
        let exposed = state.policies_of(Shareable::Network(*id)).any(|policy| says(policy));
        prop_assert_eq!(record.network.router_external, exposed);
    }
    let mut addresses = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for port in state.ports.values() {
        prop_assert!(state.networks.contains_key(&port.network_id));
        prop_assert!(macs.insert((port.network_id, port.mac_address)), "MAC twice");
        for ip in &port.fixed_ips {
            let subnet = &state.subnets[&ip.subnet_id];
            prop_assert_eq!(subnet.network_id, port.network_id);
            prop_assert!(subnet.cidr.contains(&ip.ip_address));
            prop_assert!(addresses.insert(*ip), "address twice");
        }
        prop_assert!(port.security_groups.iter().all(|g| state.security_groups.contains_key(g)));
        prop_assert!(port.port_security_enabled || port.security_groups.is_empty());
    }
    let zones: BTreeSet<u16> = state.networks.values().map(|n| n.zone).collect();
    prop_assert_eq!(zones.len(), state.networks.len());
    for record in state.networks.values() {
        let listed: BTreeSet<_> = record.network.subnets.iter().copied().collect();
        let there: BTreeSet<_> = state.subnets_of_network(record.network.id).map(|s| s.id).collect();
        prop_assert_eq!(listed, there);
    }
    super::qos::check(state)?;
    super::trunks::check(state)?;
    for rule in state.security_group_rules.values() {
        prop_assert!(state.security_groups.contains_key(&rule.security_group_id));
        prop_assert!(rule.remote_group_id.is_none_or(|g| state.security_groups.contains_key(&g)));
    }
    for router in state.routers.values() {
        let told = router.external_gateway_info.as_ref();
        let told = told.map(|g| (g.network_id, g.external_fixed_ips.clone()));
        let port = state.router_gateway(router.id);
        let real = port.map(|p| (p.network_id, p.fixed_ips.iter().map(|ip| (*ip).into()).collect::<Vec<_>>()));
        prop_assert_eq!(told, real);
    }
    Ok(())
}
