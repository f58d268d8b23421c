//! Networks: their MTU, zones, sharing, revisions and tags.

use super::{admin, net, new_network, new_port, new_subnet, on, refused, txn, user};
use crate::engine::{Txn, network, port, subnet, tags, visible};
use kuryr_neutron::{Network, NetworkUpdate, NewNetwork, NewPort, NewSubnet, Tag};

fn create(txn: &mut Txn, new: NewNetwork) -> Result<Network, kuryr_neutron::Fault> {
    network::create(txn, &admin(), new)
}

#[test]
fn a_network_has_the_clouds_mtu_unless_it_asks_for_another() {
    let mut txn = txn();
    assert_eq!(new_network(&mut txn).mtu, 1500);
    assert_eq!(create(&mut txn, NewNetwork { mtu: Some(0), ..NewNetwork::default() }).unwrap().mtu, 1500);
    assert_eq!(create(&mut txn, NewNetwork { mtu: Some(9000), ..NewNetwork::default() }).unwrap().mtu, 9000);
    for wrong in [67, 65536] {
        refused(create(&mut txn, NewNetwork { mtu: Some(wrong), ..NewNetwork::default() }), "InvalidInput", 400);
    }
    let small = create(&mut txn, NewNetwork { mtu: Some(1279), ..NewNetwork::default() }).unwrap();
    refused(subnet::create(&mut txn, &admin(), super::range(small.id, "fd00::/64")), "NetworkMTUSubnetConflict", 409);
}

#[test]
fn zones_are_the_smallest_free_numbers_and_stay() {
    let mut txn = txn();
    let networks: Vec<_> = (0..3).map(|_| new_network(&mut txn).id).collect();
    let zone = |txn: &Txn, id| txn.networks[&id].zone;
    assert_eq!(networks.iter().map(|id| zone(&txn, *id)).collect::<Vec<_>>(), [1, 2, 3]);
    network::delete(&mut txn, &admin(), networks[1]).unwrap();
    let update = NetworkUpdate { name: Some("x".to_owned()), ..NetworkUpdate::default() };
    network::update(&mut txn, &admin(), networks[2], update, None).unwrap();
    assert_eq!(zone(&txn, networks[2]), 3);
    let next = new_network(&mut txn).id;
    assert_eq!(zone(&txn, next), 2);
    txn.assert_sound();
}

#[test]
fn zones_run_out_at_sixteen_bits() {
    let mut txn = txn();
    for _ in 0..65535 {
        new_network(&mut txn);
    }
    refused(create(&mut txn, NewNetwork::default()), "NoNetworkAvailable", 503);
}

#[test]
fn a_network_goes_with_its_subnets_but_not_with_ports() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    new_subnet(&mut txn, id, "fd00::/64");
    let port = new_port(&mut txn, id);
    let fault = refused(network::delete(&mut txn, &admin(), id), "NetworkInUse", 409);
    assert!(fault.message.contains("There are one or more ports still in use"), "{fault}");
    port::delete(&mut txn, &admin(), port.id).unwrap();
    let dhcp = NewPort { device_owner: Some("network:dhcp".to_owned()), ..on(id) };
    port::create(&mut txn, &admin(), dhcp).unwrap();
    network::delete(&mut txn, &admin(), id).unwrap();
    assert!(txn.subnets.is_empty() && txn.ports.is_empty());
    refused(network::delete(&mut txn, &admin(), id), "NetworkNotFound", 404);
}

#[test]
fn others_do_not_see_a_network_until_it_is_shared() {
    let mut txn = txn();
    let alice = user("alice");
    let network = network::create(&mut txn, &alice, NewNetwork::default()).unwrap();
    let bob = user("bob");
    assert!(!visible(&txn, &bob, &network));
    refused(network::delete(&mut txn, &bob, network.id), "NetworkNotFound", 404);
    refused(port::create(&mut txn, &bob, on(network.id)), "NetworkNotFound", 404);
    let share = |shared| NetworkUpdate { shared: Some(shared), ..NetworkUpdate::default() };
    refused(network::update(&mut txn, &alice, network.id, share(true), None), "PolicyNotAuthorized", 403);
    network::update(&mut txn, &admin(), network.id, share(true), None).unwrap();
    refused(network::delete(&mut txn, &bob, network.id), "PolicyNotAuthorized", 403);
    refused(subnet::create(&mut txn, &bob, super::range(network.id, "10.0.0.0/24")), "PolicyNotAuthorized", 403);
    let guest = port::create(&mut txn, &bob, on(network.id)).unwrap();
    assert!(visible(&txn, &alice, &guest), "the network's owner sees its ports");
    assert!(!visible(&txn, &user("carol"), &guest));
    let mac = NewPort { mac_address: Some("fa:16:3e:00:00:01".parse().unwrap()), ..on(network.id) };
    refused(port::create(&mut txn, &bob, mac), "PolicyNotAuthorized", 403);
    refused(network::update(&mut txn, &admin(), network.id, share(false), None), "InvalidSharedSetting", 409);
    port::delete(&mut txn, &bob, guest.id).unwrap();
    network::update(&mut txn, &admin(), network.id, share(false), None).unwrap();
}

#[test]
fn a_revision_counts_changes_and_guards_them() {
    let mut txn = txn();
    let network = new_network(&mut txn);
    let rename = |name: &str| NetworkUpdate { name: Some(name.to_owned()), ..NetworkUpdate::default() };
    let renamed = network::update(&mut txn, &admin(), network.id, rename("a"), Some(network.revision_number)).unwrap();
    assert_eq!(renamed.revision_number, network.revision_number + 1);
    let same = network::update(&mut txn, &admin(), network.id, rename("a"), None).unwrap();
    assert_eq!(same, renamed, "nothing changed");
    let stale = network::update(&mut txn, &admin(), network.id, rename("b"), Some(network.revision_number));
    let fault = refused(stale, "RevisionNumberConstraintFailed", 412);
    assert!(fault.message.contains(&renamed.revision_number.to_string()), "{fault}");
    let (id, subnet) = (network.id, new_subnet(&mut txn, network.id, "10.0.0.0/24"));
    let joined = &txn.networks[&id].network;
    assert_eq!(joined.subnets, [subnet.id]);
    assert_eq!(joined.revision_number, renamed.revision_number + 1);
    assert_eq!(network.created_at.unwrap().subsec_nanosecond(), 0);
}

#[test]
fn wrong_input_names_its_field() {
    let mut txn = txn();
    let long = NewNetwork { name: "é".repeat(256), ..NewNetwork::default() };
    assert!(refused(create(&mut txn, long), "HTTPBadRequest", 400).message.contains("Invalid input for name."));
    let vxlan = NewNetwork { provider_network_type: Some(Some("vxlan".to_owned())), ..NewNetwork::default() };
    refused(create(&mut txn, vxlan), "InvalidInput", 400);
    let other = NewNetwork { project_id: Some(kuryr_neutron::ProjectId("b".to_owned())), ..NewNetwork::default() };
    refused(network::create(&mut txn, &user("a"), other), "PolicyNotAuthorized", 403);
    refused(subnet::create(&mut txn, &admin(), NewSubnet::default()), "HTTPBadRequest", 400);
}

#[test]
fn one_external_network_is_the_default() {
    let mut txn = txn();
    let outside = create(&mut txn, NewNetwork { router_external: Some(true), ..NewNetwork::default() }).unwrap();
    assert!(visible(&txn, &user("u"), &outside));
    refused(port::create(&mut txn, &user("u"), on(outside.id)), "PolicyNotAuthorized", 403);
    let default = || NewNetwork { router_external: Some(true), is_default: Some(true), ..NewNetwork::default() };
    create(&mut txn, default()).unwrap();
    refused(create(&mut txn, default()), "DefaultExternalNetworkExists", 409);
}

#[test]
fn tags_are_a_set_and_change_the_revision() {
    let mut txn = txn();
    let network = new_network(&mut txn);
    let tag = |text: &str| text.parse::<Tag>().unwrap();
    let (kind, id) = (tags::Kind::Network, network.id.0);
    let all = tags::replace(&mut txn, &admin(), kind, id, vec![tag("b"), tag("a:1"), tag("b")]).unwrap();
    assert_eq!(all, [tag("a:1"), tag("b")]);
    tags::add(&mut txn, &admin(), kind, id, tag("b")).unwrap();
    tags::remove(&mut txn, &admin(), kind, id, &tag("b")).unwrap();
    refused(tags::remove(&mut txn, &admin(), kind, id, &tag("b")), "TagNotFound", 404);
    let now = &txn.networks[&network.id].network;
    assert_eq!((now.tags.as_slice(), now.revision_number), ([tag("a:1")].as_slice(), network.revision_number + 2));
    let unchecked: Tag = serde_json::from_str("\"a,b\"").unwrap();
    refused(tags::add(&mut txn, &admin(), kind, id, unchecked), "HTTPBadRequest", 400);
    refused(tags::add(&mut txn, &user("x"), kind, id, tag("c")), "NetworkNotFound", 404);
}
