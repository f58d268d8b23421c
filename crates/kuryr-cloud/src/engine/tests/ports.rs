//! Ports: addresses, MAC addresses, bindings.

use super::{HOST, admin, at, ips, net, new_network, new_port, new_subnet, on, refused, txn, user};
use crate::engine::{Txn, network, port, subnet};
use kuryr_neutron::{
    AllocationPool, Fault, FixedIpRequest, HostId, NetworkId, NewNetwork, NewPort, NewSubnet, Port, PortUpdate, Status,
};

fn wanting(network: NetworkId, requests: &[FixedIpRequest]) -> NewPort {
    NewPort { fixed_ips: Some(requests.to_vec()), ..on(network) }
}

fn create(txn: &mut Txn, new: NewPort) -> Result<Port, Fault> {
    port::create(txn, &admin(), new)
}

fn update(txn: &mut Txn, port: &Port, update: PortUpdate) -> Result<Port, Fault> {
    port::update(txn, &admin(), port.id, update, None)
}

#[test]
fn a_port_gets_an_address_of_each_version() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    new_subnet(&mut txn, id, "fd00::/64");
    let first = new_port(&mut txn, id);
    assert_eq!(ips(&first), ["10.0.0.2", "fd00::2"]);
    assert!(first.mac_address.to_string().starts_with("fa:16:3e:"));
    assert_eq!((first.status, first.binding_vif_type.as_str()), (Status::Down, "unbound"));
    let none = create(&mut txn, wanting(id, &[])).unwrap();
    assert!(none.fixed_ips.is_empty());
    let bare = new_network(&mut txn).id;
    assert!(new_port(&mut txn, bare).fixed_ips.is_empty());
}

#[test]
fn addresses_are_given_as_asked() {
    let mut txn = txn();
    let (id, v4) = net(&mut txn, "10.0.0.0/24");
    let v6 = new_subnet(&mut txn, id, "fd00::/64");
    let both = [at(Some(v6.id), Some("fd00::9")), at(None, Some("10.0.0.9"))];
    assert_eq!(ips(&create(&mut txn, wanting(id, &both)).unwrap()), ["fd00::9", "10.0.0.9"]);
    assert_eq!(ips(&create(&mut txn, wanting(id, &[at(Some(v4.id), None)])).unwrap()), ["10.0.0.2"]);
    let two = [at(Some(v4.id), None), at(Some(v4.id), Some("10.0.0.3"))];
    assert_eq!(ips(&create(&mut txn, wanting(id, &two)).unwrap()), ["10.0.0.4", "10.0.0.3"]);
    // The gateway's address is outside of the allocation pools, and free.
    assert_eq!(ips(&create(&mut txn, wanting(id, &[at(None, Some("10.0.0.1"))])).unwrap()), ["10.0.0.1"]);
    txn.assert_sound();
}

#[test]
fn wrong_addresses_are_refused() {
    let mut txn = txn();
    let (id, subnet) = net(&mut txn, "10.0.0.0/24");
    let (_, other) = net(&mut txn, "10.0.0.0/24");
    let mut ask = |requests: &[FixedIpRequest]| create(&mut txn, wanting(id, requests));
    let in_subnet = |ip: &str| [at(Some(subnet.id), Some(ip))];
    ask(&in_subnet("10.0.0.7")).unwrap();
    let fault = refused(ask(&in_subnet("10.0.0.7")), "IpAddressAlreadyAllocated", 409);
    assert_eq!(fault.message, format!("IP address 10.0.0.7 already allocated in subnet {}", subnet.id));
    for wrong in ["10.0.1.1", "10.0.0.0", "10.0.0.255", "fd00::1"] {
        refused(ask(&in_subnet(wrong)), "InvalidIpForSubnet", 400);
        refused(ask(&[at(None, Some(wrong))]), "InvalidIpForNetwork", 400);
    }
    refused(ask(&[at(Some(other.id), None)]), "InvalidInput", 400);
    refused(ask(&[at(Some(kuryr_neutron::SubnetId::random()), None)]), "SubnetNotFound", 404);
    refused(ask(&[at(None, None)]), "InvalidInput", 400);
    refused(ask(&[at(None, Some("10.0.0.8")); 2]), "HTTPBadRequest", 400);
    refused(ask(&[at(Some(subnet.id), None); 6]), "InvalidInput", 400);
    refused(create(&mut txn, NewPort::default()), "HTTPBadRequest", 400);
}

#[test]
fn a_released_address_rests_for_a_round() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/29");
    let ports: Vec<_> = (0..3).map(|_| new_port(&mut txn, id)).collect();
    assert_eq!(ports.iter().flat_map(ips).collect::<Vec<_>>(), ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    port::delete(&mut txn, &admin(), ports[2].id).unwrap();
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.0.5"]);
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.0.6"]);
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.0.4"]);
    let full = port::create(&mut txn, &admin(), on(id));
    assert_eq!(
        refused(full, "IpAddressGenerationFailure", 409).message,
        format!("No more IP addresses available on network {id}.")
    );
}

#[test]
fn a_full_subnet_is_followed_by_the_next() {
    let mut txn = txn();
    let id = new_network(&mut txn).id;
    for last in [8, 16] {
        let cidr = format!("10.0.0.{last}/30");
        new_subnet(&mut txn, id, &cidr);
    }
    let mut given: Vec<_> = (0..2).flat_map(|_| ips(&new_port(&mut txn, id))).collect();
    given.sort();
    assert_eq!(given, ["10.0.0.10", "10.0.0.18"]);
    refused(port::create(&mut txn, &admin(), on(id)), "IpAddressGenerationFailure", 409);
}

#[test]
fn pools_in_pieces_are_used_to_the_last_address() {
    let mut txn = txn();
    let id = new_network(&mut txn).id;
    let piece = |a: &str, b: &str| AllocationPool { start: a.parse().unwrap(), end: b.parse().unwrap() };
    let pools = vec![piece("10.0.0.100", "10.0.0.101"), piece("10.0.0.10", "10.0.0.11")];
    let new = NewSubnet { allocation_pools: Some(pools), ..super::range(id, "10.0.0.0/24") };
    let subnet = subnet::create(&mut txn, &admin(), new).unwrap();
    let two = create(&mut txn, wanting(id, &[at(Some(subnet.id), None); 3])).unwrap();
    assert_eq!(ips(&two), ["10.0.0.10", "10.0.0.11", "10.0.0.100"]);
    refused(create(&mut txn, wanting(id, &[at(Some(subnet.id), None); 2])), "IpAddressGenerationFailure", 409);
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.0.101"]);
}

#[test]
fn allocation_is_quick_in_a_crowded_large_range() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/8");
    for _ in 0..20_000 {
        new_port(&mut txn, id);
    }
    // After a restart the choice starts behind the highest address, without looking at each one.
    let mut txn = Txn::new(crate::engine::State::from_rows(txn.to_rows()), std::sync::Arc::new(txn.options().clone()));
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.78.34"]);
}

#[test]
fn an_address_rests_for_a_round_whatever_happens_to_the_process() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    new_port(&mut txn, id);
    let gone = new_port(&mut txn, id);
    assert_eq!(ips(&gone), ["10.0.0.3"]);
    port::delete(&mut txn, &admin(), gone.id).unwrap();
    let mut txn = Txn::new(crate::engine::State::from_rows(txn.to_rows()), std::sync::Arc::new(txn.options().clone()));
    assert_eq!(ips(&new_port(&mut txn, id)), ["10.0.0.4"], "a neighbour may still remember whose 10.0.0.3 was");
}

#[test]
fn macs_are_unique_on_a_network() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (other, _) = net(&mut txn, "10.0.0.0/24");
    let with = |network, mac: &str| NewPort { mac_address: Some(mac.parse().unwrap()), ..on(network) };
    let first = create(&mut txn, with(id, "02:00:00:00:00:01")).unwrap();
    refused(create(&mut txn, with(id, "02:00:00:00:00:01")), "MacAddressInUse", 409);
    create(&mut txn, with(other, "02:00:00:00:00:01")).unwrap();
    for wrong in ["01:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"] {
        refused(create(&mut txn, with(id, wrong)), "HTTPBadRequest", 400);
    }
    assert_eq!(txn.ports_by_mac(first.mac_address).count(), 2);
}

#[test]
fn a_binding_tells_how_to_plug() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let bound = |host: &str| NewPort { binding_host_id: Some(HostId(host.to_owned())), ..on(id) };
    let port = create(&mut txn, bound(HOST)).unwrap();
    assert_eq!(port.binding_vif_type, "bridge");
    let details = serde_json::json!({
        "port_filter": true, "connectivity": "l2", "bridge_name": id.bridge_name(), "netns": "/run/netns/kuryr",
    });
    assert_eq!(serde_json::Value::from(port.binding_vif_details.clone()), details);
    assert_eq!(create(&mut txn, bound("elsewhere")).unwrap().binding_vif_type, "binding_failed");
    let theirs = network::create(&mut txn, &user("u"), NewNetwork::default()).unwrap().id;
    let theirs = NewPort { network_id: Some(theirs), ..bound(HOST) };
    refused(port::create(&mut txn, &user("u"), theirs), "PolicyNotAuthorized", 403);
    let sriov = NewPort { binding_vnic_type: Some("direct".to_owned()), ..bound(HOST) };
    assert_eq!(create(&mut txn, sriov).unwrap().binding_vif_type, "binding_failed");

    port::set_status(&mut txn, port.id, Status::Active).unwrap();
    let mac = || PortUpdate { mac_address: "02:00:00:00:00:09".parse().ok(), ..PortUpdate::default() };
    let fault = refused(update(&mut txn, &port, mac()), "PortBound", 409);
    assert!(fault.message.contains("port type: bridge"), "{fault}");
    let unbind = PortUpdate { binding_host_id: Some(HostId::default()), ..PortUpdate::default() };
    let free = update(&mut txn, &port, unbind).unwrap();
    assert_eq!((free.binding_vif_type.as_str(), free.status), ("unbound", Status::Down));
    assert!(free.binding_vif_details.is_empty());
    // Host, owner and MAC address come together when a container takes a port.
    let taken = PortUpdate {
        binding_host_id: Some(HostId(HOST.to_owned())),
        device_owner: Some("compute:kuryr".to_owned()),
        ..mac()
    };
    assert_eq!(update(&mut txn, &port, taken).unwrap().binding_vif_type, "bridge");

    let failed = port::set_binding_failed(&mut txn, port.id).unwrap();
    assert_eq!(failed.binding_vif_type, "binding_failed");
    let rename = PortUpdate { name: Some("x".to_owned()), ..PortUpdate::default() };
    assert_eq!(update(&mut txn, &port, rename).unwrap().binding_vif_type, "binding_failed", "a name mends nothing");
    let again = PortUpdate { binding_host_id: Some(HostId(HOST.to_owned())), ..PortUpdate::default() };
    assert_eq!(update(&mut txn, &port, again).unwrap().binding_vif_type, "bridge");
}

#[test]
fn an_update_of_addresses_keeps_those_that_fit() {
    let mut txn = txn();
    let (id, subnet) = net(&mut txn, "10.0.0.0/29");
    let port = create(&mut txn, wanting(id, &[at(Some(subnet.id), None); 2])).unwrap();
    let with = |requests: &[FixedIpRequest]| PortUpdate { fixed_ips: Some(requests.to_vec()), ..PortUpdate::default() };
    let more = update(&mut txn, &port, with(&[at(Some(subnet.id), None), at(None, Some("10.0.0.3"))])).unwrap();
    assert_eq!(ips(&more), ["10.0.0.2", "10.0.0.3"]);
    let swapped = update(&mut txn, &port, with(&[at(None, Some("10.0.0.6"))])).unwrap();
    assert_eq!(ips(&swapped), ["10.0.0.6"]);
    assert_eq!(txn.ports_of_subnet(subnet.id).count(), 1);
    assert_eq!(update(&mut txn, &port, with(&[])).unwrap().fixed_ips, []);
    txn.assert_sound();
}

#[test]
fn bulk_is_all_or_nothing() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/29");
    let six = || (0..6).map(|_| on(id)).collect();
    refused(port::create_bulk(&mut txn, &admin(), six()), "IpAddressGenerationFailure", 409);
    assert!(txn.ports.is_empty());
    let five = (0..5).map(|_| on(id)).collect();
    assert_eq!(port::create_bulk(&mut txn, &admin(), five).unwrap().len(), 5);
    txn.assert_sound();
}

#[test]
fn ports_of_others_are_not_there() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let port = new_port(&mut txn, id);
    refused(port::delete(&mut txn, &user("u"), port.id), "PortNotFound", 404);
    refused(port::update(&mut txn, &user("u"), port.id, PortUpdate::default(), None), "PortNotFound", 404);
    refused(
        port::update(&mut txn, &admin(), port.id, PortUpdate::default(), Some(7)),
        "RevisionNumberConstraintFailed",
        412,
    );
    port::delete(&mut txn, &admin(), port.id).unwrap();
    refused(port::delete(&mut txn, &admin(), port.id), "PortNotFound", 404);
}
