//! Quotas: what is counted, and what is refused.

use super::{admin, range, refused, user};
use crate::engine::{
    Txn, network, port,
    quota::{self, Counted, UNLIMITED},
    router, security_group, subnet, tests,
};
use kuryr_neutron::{
    FixedIpRequest, NewNetwork, NewPort, NewRouter, NewSecurityGroup, ProjectId, RouterInterface, SubnetId,
};
use std::collections::BTreeMap;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

fn project() -> ProjectId {
    ProjectId(PROJECT.to_owned())
}

fn limited(kind: Counted, limit: i32) -> Txn {
    let mut txn = tests::txn();
    quota::update(&mut txn, &admin(), &project(), BTreeMap::from([(kind, limit)]), false).unwrap();
    txn
}

#[test]
fn a_limit_is_one_projects_and_ends_with_its_deletion() {
    let (mut txn, own, other) = (limited(Counted::Network, 1), user(PROJECT), user("other"));
    let new = NewNetwork::default;
    let first = network::create(&mut txn, &own, new()).unwrap();
    let fault = refused(network::create(&mut txn, &own, new()), "OverQuota", 409);
    assert_eq!(fault.message, "Quota exceeded for resources: ['network'].");
    network::create(&mut txn, &other, new()).unwrap();
    let for_it = NewNetwork { project_id: Some(project()), ..new() };
    refused(network::create(&mut txn, &admin(), for_it), "OverQuota", 409);
    network::delete(&mut txn, &own, first.id).unwrap();
    network::create(&mut txn, &own, new()).unwrap();
    refused(quota::delete(&mut txn, &own, &project()), "PolicyNotAuthorized", 403);
    quota::delete(&mut txn, &admin(), &project()).unwrap();
    refused(quota::delete(&mut txn, &admin(), &project()), "TenantQuotaNotFound", 404);
    network::create(&mut txn, &own, new()).unwrap();
    assert_eq!(txn.used_of(&project(), Counted::Network), 2);
    txn.assert_sound();
}

#[test]
fn a_routers_interfaces_count_and_are_not_refused() {
    let (mut txn, own) = (limited(Counted::Port, 1), user(PROJECT));
    let network = network::create(&mut txn, &own, NewNetwork::default()).unwrap().id;
    let subnet: SubnetId = subnet::create(&mut txn, &own, range(network, "10.0.0.0/24")).unwrap().id;
    let router = router::create(&mut txn, &own, NewRouter::default()).unwrap().id;
    let interface = RouterInterface { subnet_id: Some(subnet), ..RouterInterface::default() };
    router::add_interface(&mut txn, &own, router, interface).unwrap();
    assert_eq!(txn.used_of(&project(), Counted::Port), 1);
    let new = || NewPort {
        network_id: Some(network),
        fixed_ips: Some(vec![FixedIpRequest { subnet_id: Some(subnet), ip_address: None }]),
        ..NewPort::default()
    };
    refused(port::create(&mut txn, &own, new()), "OverQuota", 409);
    quota::update(&mut txn, &admin(), &project(), BTreeMap::from([(Counted::Port, 3)]), false).unwrap();
    refused(port::create_bulk(&mut txn, &own, vec![new(), new(), new()]), "OverQuota", 409);
    assert_eq!(txn.used_of(&project(), Counted::Port), 1, "all or none");
    port::create_bulk(&mut txn, &own, vec![new(), new()]).unwrap();
    txn.assert_sound();
}

#[test]
fn a_group_needs_room_for_its_rules() {
    let (mut txn, own) = (limited(Counted::SecurityGroupRule, 7), user(PROJECT));
    let new = || NewSecurityGroup { name: "g".to_owned(), ..NewSecurityGroup::default() };
    security_group::create(&mut txn, &own, new()).unwrap();
    assert_eq!(txn.used_of(&project(), Counted::SecurityGroupRule), 6, "with the default group's");
    refused(security_group::create(&mut txn, &own, new()), "OverQuota", 409);
}

#[test]
fn a_limit_below_what_there_is_must_be_forced() {
    let (mut txn, own) = (tests::txn(), user(PROJECT));
    network::create(&mut txn, &own, NewNetwork::default()).unwrap();
    let none = BTreeMap::from([(Counted::Network, 0)]);
    refused(quota::update(&mut txn, &own, &project(), none.clone(), false), "PolicyNotAuthorized", 403);
    refused(quota::update(&mut txn, &admin(), &project(), none.clone(), false), "HTTPBadRequest", 400);
    quota::update(&mut txn, &admin(), &project(), none, true).unwrap();
    assert_eq!(quota::limit(&txn, &project(), Counted::Network), 0);
    assert_eq!(quota::limit(&txn, &project(), Counted::Port), UNLIMITED);
    let nowhere = ProjectId("nowhere".to_owned());
    let some = BTreeMap::from([(Counted::Port, 1)]);
    refused(quota::update(&mut txn, &admin(), &nowhere, some, false), "HTTPBadRequest", 400);
}
