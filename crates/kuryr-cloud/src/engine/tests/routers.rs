//! Routers: interfaces, gateways, routes.

use super::{admin, at, ip, ips, net, new_port, new_subnet, on, refused, txn, user};
use crate::engine::{Txn, network, port, router, subnet};
use kuryr_neutron::{
    ExternalGateway, Fault, NetworkId, NetworkUpdate, NewNetwork, NewPort, NewRouter, NewSubnet, PortId, Route, Router,
    RouterId, RouterInterface, RouterUpdate, SubnetId,
};

fn new_router(txn: &mut Txn) -> Router {
    router::create(txn, &admin(), NewRouter::default()).unwrap()
}

fn by_subnet(id: SubnetId) -> RouterInterface {
    RouterInterface { subnet_id: Some(id), port_id: None }
}

fn by_port(id: PortId) -> RouterInterface {
    RouterInterface { subnet_id: None, port_id: Some(id) }
}

fn add(txn: &mut Txn, router: RouterId, interface: RouterInterface) -> Result<router::RouterInterfaceInfo, Fault> {
    router::add_interface(txn, &admin(), router, interface)
}

fn external(txn: &mut Txn, cidr: &str) -> NetworkId {
    let new = NewNetwork { router_external: Some(true), ..NewNetwork::default() };
    let id = network::create(txn, &admin(), new).unwrap().id;
    new_subnet(txn, id, cidr);
    id
}

fn to(network_id: NetworkId) -> ExternalGateway {
    ExternalGateway { network_id, enable_snat: None, external_fixed_ips: Vec::new() }
}

fn set_gateway(txn: &mut Txn, router: RouterId, gateway: Option<ExternalGateway>) -> Result<Router, Fault> {
    let update = RouterUpdate { external_gateway_info: Some(gateway), ..RouterUpdate::default() };
    router::update(txn, &admin(), router, update, None)
}

#[test]
fn an_interface_takes_the_gateways_address() {
    let mut txn = txn();
    let (_, subnet) = net(&mut txn, "10.0.0.0/24");
    let router = new_router(&mut txn);
    let info = add(&mut txn, router.id, by_subnet(subnet.id)).unwrap();
    assert_eq!((info.subnet_id, info.network_id), (subnet.id, subnet.network_id));
    let interface = txn.ports[&info.port_id].clone();
    assert_eq!(ips(&interface), ["10.0.0.1"]);
    assert_eq!(interface.device_owner, "network:router_interface");
    assert_eq!(interface.device_id, router.id.to_string());
    assert!(!interface.port_security_enabled && interface.security_groups.is_empty());
    assert_eq!(txn.routers[&router.id].revision_number, router.revision_number + 1);

    let direct = refused(port::delete(&mut txn, &admin(), interface.id), "ServicePortInUse", 409);
    assert!(direct.message.contains("cannot be deleted directly via the port API"), "{direct}");
    refused(subnet::delete(&mut txn, &admin(), subnet.id), "SubnetInUse", 409);
    refused(router::delete(&mut txn, &admin(), router.id), "RouterInUse", 409);
    router::remove_interface(&mut txn, &admin(), router.id, by_subnet(subnet.id)).unwrap();
    let gone = router::remove_interface(&mut txn, &admin(), router.id, by_subnet(subnet.id));
    refused(gone, "RouterInterfaceNotFoundForSubnet", 404);
    router::delete(&mut txn, &admin(), router.id).unwrap();
    refused(router::delete(&mut txn, &admin(), router.id), "RouterNotFound", 404);
    assert!(txn.ports.is_empty());
    txn.assert_sound();
}

#[test]
fn wrong_interfaces_are_refused() {
    let mut txn = txn();
    let (network, subnet) = net(&mut txn, "10.0.0.0/24");
    let router = new_router(&mut txn).id;
    refused(add(&mut txn, router, RouterInterface::default()), "BadRequest", 400);
    let both = RouterInterface { subnet_id: Some(subnet.id), port_id: Some(PortId::random()) };
    refused(add(&mut txn, router, both), "BadRequest", 400);
    add(&mut txn, router, by_subnet(subnet.id)).unwrap();
    let fault = refused(add(&mut txn, router, by_subnet(subnet.id)), "BadRequest", 400);
    assert!(fault.message.contains(&format!("Cidr 10.0.0.0/24 of subnet {} overlaps", subnet.id)), "{fault}");
    let (_, twin) = net(&mut txn, "10.0.0.128/25");
    let fault = refused(add(&mut txn, router, by_subnet(twin.id)), "BadRequest", 400);
    assert!(fault.message.contains("overlaps with cidr 10.0.0.0/24"), "{fault}");
    let none = NewSubnet { gateway_ip: Some(None), ..super::range(network, "10.1.0.0/24") };
    let none = subnet::create(&mut txn, &admin(), none).unwrap();
    refused(add(&mut txn, router, by_subnet(none.id)), "BadRequest", 400);
    let other = new_router(&mut txn).id;
    refused(add(&mut txn, other, by_subnet(subnet.id)), "IpAddressAlreadyAllocated", 409);
    refused(router::add_interface(&mut txn, &user("u"), router, by_subnet(twin.id)), "RouterNotFound", 404);
    refused(add(&mut txn, RouterId::random(), by_subnet(twin.id)), "RouterNotFound", 404);
}

#[test]
fn a_free_port_becomes_an_interface() {
    let mut txn = txn();
    let (network, subnet) = net(&mut txn, "10.0.0.0/24");
    let router = new_router(&mut txn).id;
    let port = new_port(&mut txn, network);
    add(&mut txn, router, by_port(port.id)).unwrap();
    let interface = &txn.ports[&port.id];
    assert!(interface.port_security_enabled && interface.security_groups == port.security_groups);
    assert_eq!(interface.device_owner, "network:router_interface");
    let fault = refused(add(&mut txn, router, by_port(port.id)), "PortInUse", 409);
    assert!(fault.message.contains(&router.to_string()), "{fault}");
    let bare = NewPort { fixed_ips: Some(Vec::new()), ..on(network) };
    let bare = port::create(&mut txn, &admin(), bare).unwrap();
    refused(add(&mut txn, router, by_port(bare.id)), "BadRequest", 400);
    let wrong = RouterInterface { subnet_id: Some(SubnetId::random()), port_id: Some(port.id) };
    refused(router::remove_interface(&mut txn, &admin(), router, wrong), "SubnetMismatchForPort", 400);
    let info = router::remove_interface(&mut txn, &admin(), router, by_port(port.id)).unwrap();
    assert_eq!(info.subnet_ids, [subnet.id]);
    refused(router::remove_interface(&mut txn, &admin(), router, by_port(port.id)), "RouterInterfaceNotFound", 404);
    assert!(!txn.ports.contains_key(&port.id));
}

#[test]
fn ipv6_subnets_of_a_network_share_an_interface() {
    let mut txn = txn();
    let (network, first) = net(&mut txn, "fd00:1::/64");
    let second = new_subnet(&mut txn, network, "fd00:2::/64");
    let router = new_router(&mut txn).id;
    let one = add(&mut txn, router, by_subnet(first.id)).unwrap();
    let two = add(&mut txn, router, by_subnet(second.id)).unwrap();
    assert_eq!(one.port_id, two.port_id);
    assert_eq!(ips(&txn.ports[&one.port_id]), ["fd00:1::1", "fd00:2::1"]);
    router::remove_interface(&mut txn, &admin(), router, by_subnet(first.id)).unwrap();
    assert_eq!(ips(&txn.ports[&one.port_id]), ["fd00:2::1"]);
    router::remove_interface(&mut txn, &admin(), router, by_subnet(second.id)).unwrap();
    assert!(txn.ports.is_empty());
    txn.assert_sound();
}

#[test]
fn a_gateway_is_a_port_on_an_external_network() {
    let mut txn = txn();
    let outside = external(&mut txn, "192.0.2.0/24");
    let router = new_router(&mut txn).id;
    let with = set_gateway(&mut txn, router, Some(to(outside))).unwrap();
    let gateway = txn.router_gateway(router).unwrap().clone();
    assert_eq!(
        (ips(&gateway), gateway.device_owner.as_str()),
        (vec!["192.0.2.2".to_owned()], "network:router_gateway")
    );
    let info = with.external_gateway_info.unwrap();
    assert_eq!((info.enable_snat, info.external_fixed_ips[0].ip_address), (Some(true), Some(ip("192.0.2.2"))));
    refused(port::delete(&mut txn, &admin(), gateway.id), "ServicePortInUse", 409);
    let inside = NetworkUpdate { router_external: Some(false), ..NetworkUpdate::default() };
    refused(network::update(&mut txn, &admin(), outside, inside, None), "ExternalNetworkInUse", 409);

    let plain = ExternalGateway { enable_snat: Some(false), ..to(outside) };
    let same = set_gateway(&mut txn, router, Some(plain)).unwrap().external_gateway_info.unwrap();
    assert_eq!(same.enable_snat, Some(false));
    assert_eq!(txn.router_gateway(router).unwrap().id, gateway.id, "the port stays");
    let exact = ExternalGateway { external_fixed_ips: vec![at(None, Some("192.0.2.77"))], ..to(outside) };
    set_gateway(&mut txn, router, Some(exact)).unwrap();
    assert_eq!(ips(txn.router_gateway(router).unwrap()), ["192.0.2.77"]);

    assert_eq!(set_gateway(&mut txn, router, None).unwrap().external_gateway_info, None);
    assert!(txn.ports.is_empty());
    let (internal, _) = net(&mut txn, "10.0.0.0/24");
    let forged = NewPort {
        device_owner: Some("network:router_gateway".to_owned()),
        device_id: Some(router.to_string()),
        ..on(internal)
    };
    refused(port::create(&mut txn, &admin(), forged), "UnsupportedPortDeviceOwner", 409);
    let fault = refused(set_gateway(&mut txn, router, Some(to(internal))), "BadRequest", 400);
    assert!(fault.message.contains("is not an external network"), "{fault}");
    refused(set_gateway(&mut txn, router, Some(to(NetworkId::random()))), "NetworkNotFound", 404);
    let new = NewRouter { external_gateway_info: Some(Some(to(outside))), ..NewRouter::default() };
    let born = router::create(&mut txn, &user("u"), new).unwrap();
    assert!(born.external_gateway_info.is_some(), "external networks are for everybody's routers");
    router::delete(&mut txn, &user("u"), born.id).unwrap();
    assert!(txn.ports.is_empty());
    txn.assert_sound();
}

#[test]
fn inside_and_outside_do_not_overlap() {
    let mut txn = txn();
    let outside = external(&mut txn, "10.0.0.0/16");
    let (_, inside) = net(&mut txn, "10.0.1.0/24");
    let router = new_router(&mut txn).id;
    set_gateway(&mut txn, router, Some(to(outside))).unwrap();
    refused(add(&mut txn, router, by_subnet(inside.id)), "BadRequest", 400);
    set_gateway(&mut txn, router, None).unwrap();
    add(&mut txn, router, by_subnet(inside.id)).unwrap();
    let before = txn.savepoint();
    refused(set_gateway(&mut txn, router, Some(to(outside))), "BadRequest", 400);
    txn.rollback(before);
    txn.assert_sound();
}

#[test]
fn routes_lead_through_neighbours_and_hold_their_interface() {
    let mut txn = txn();
    let (_, subnet) = net(&mut txn, "10.0.0.0/24");
    let router = new_router(&mut txn).id;
    add(&mut txn, router, by_subnet(subnet.id)).unwrap();
    let mut route = |destination: &str, nexthop: &str| {
        let route = Route { destination: destination.parse().unwrap(), nexthop: ip(nexthop) };
        let update = RouterUpdate { routes: Some(vec![route]), ..RouterUpdate::default() };
        router::update(&mut txn, &admin(), router, update, None)
    };
    refused(route("10.9.0.0/16", "10.1.0.1"), "InvalidRoutes", 400);
    refused(route("10.9.0.0/16", "10.0.0.1"), "InvalidRoutes", 400);
    refused(route("fd00::/16", "10.0.0.9"), "InvalidRoutes", 400);
    refused(route("10.9.0.1/16", "10.0.0.9"), "HTTPBadRequest", 400);
    assert_eq!(route("10.9.0.0/16", "10.0.0.9").unwrap().routes.len(), 1);
    let held = router::remove_interface(&mut txn, &admin(), router, by_subnet(subnet.id));
    refused(held, "RouterInterfaceInUseByRoute", 409);
}
