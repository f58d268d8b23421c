//! Trunks.

use super::{HOST, admin, invariants::some, net, new_network, new_port, on, refused, txn};
use crate::engine::{State, Txn, network, port, router, trunk, trunk_details};
use kuryr_neutron::{
    DEVICE_OWNER_SUBPORT, Fault, HostId, NetworkId, NetworkUpdate, NewPort, NewRouter, NewTrunk, Port, PortId,
    PortUpdate, RouterInterface, Status, SubPort, Trunk, TrunkId, TrunkUpdate, VIF_TYPE_BRIDGE, VIF_TYPE_UNBOUND,
};
use proptest::{prelude::*, sample::Index, test_runner::TestCaseError};
use std::collections::BTreeSet;

fn with(txn: &mut Txn, parent: PortId, sub_ports: Vec<SubPort>) -> Result<Trunk, Fault> {
    let new = NewTrunk { port_id: Some(parent), sub_ports, ..NewTrunk::default() };
    trunk::create(txn, &admin(), new)
}

fn bound(txn: &mut Txn, network: NetworkId) -> Port {
    let new = NewPort { binding_host_id: Some(HostId(HOST.to_owned())), ..on(network) };
    port::create(txn, &admin(), new).unwrap()
}

fn status(txn: &Txn, id: TrunkId) -> Status {
    txn.trunks[&id].status
}

#[test]
fn a_trunk_of_this_host_works_when_the_data_plane_says_so() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (here, nowhere) = (bound(&mut txn, id), new_port(&mut txn, id));
    let (one, two) = (new_port(&mut txn, id), new_port(&mut txn, id));
    let local = with(&mut txn, here.id, vec![SubPort::on_vlan(one.id, 7)]).unwrap();
    assert_eq!(local.status, Status::Down, "it is not wired yet");
    let unbound = with(&mut txn, nowhere.id, Vec::new()).unwrap();
    assert_eq!(unbound.status, Status::Active, "there is nothing to wire");

    trunk::set_status(&mut txn, local.id, Status::Active).unwrap();
    let told = trunk::add_subports(&mut txn, &admin(), local.id, &[SubPort::on_vlan(two.id, 8)]).unwrap();
    assert_eq!((told.status, status(&txn, local.id)), (Status::Down, Status::Down));
    let told = trunk::remove_subports(&mut txn, &admin(), local.id, &[two.id]).unwrap();
    assert_eq!(told.sub_ports, [SubPort::on_vlan(one.id, 7)]);
    let told = trunk::add_subports(&mut txn, &admin(), unbound.id, &[SubPort::on_vlan(two.id, 7)]).unwrap();
    assert_eq!((told.status, status(&txn, unbound.id)), (Status::Down, Status::Active));
    txn.assert_sound();
}

#[test]
fn a_subport_tells_what_carries_it_as_long_as_it_is_carried() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (parent, sub) = (new_port(&mut txn, id), new_port(&mut txn, id));
    let made = with(&mut txn, parent.id, vec![SubPort::on_vlan(sub.id, 7)]).unwrap();
    let carried = &txn.ports[&sub.id];
    assert_eq!((&*carried.device_owner, &*carried.binding_vif_type), (DEVICE_OWNER_SUBPORT, VIF_TYPE_BRIDGE));
    assert_eq!(carried.binding_profile["parent_name"], parent.id.to_string());
    assert_eq!(carried.binding_profile["tag"], 7);
    let details = trunk_details(&txn, parent.id).unwrap();
    assert_eq!((details.trunk_id, details.sub_ports[0].mac_address), (made.id, Some(sub.mac_address)));
    assert_eq!(trunk_details(&txn, sub.id), None);

    port::set_status(&mut txn, sub.id, Status::Active).unwrap();
    trunk::delete(&mut txn, &admin(), made.id).unwrap();
    let free = &txn.ports[&sub.id];
    assert_eq!((&*free.device_owner, &*free.binding_vif_type), ("", VIF_TYPE_UNBOUND));
    assert!(free.binding_profile.is_empty() && free.status == Status::Down, "{free:?}");
    assert_eq!(trunk_details(&txn, parent.id), None);
    port::delete(&mut txn, &admin(), sub.id).unwrap();
    port::delete(&mut txn, &admin(), parent.id).unwrap();
}

#[test]
fn ports_of_trunks_are_needed() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (parent, sub) = (new_port(&mut txn, id), new_port(&mut txn, id));
    with(&mut txn, parent.id, vec![SubPort::on_vlan(sub.id, 7)]).unwrap();
    let router = router::create(&mut txn, &admin(), NewRouter::default()).unwrap().id;
    for (port, refusal) in [(parent.id, "PortInUseAsTrunkParent"), (sub.id, "PortInUseAsSubPort")] {
        refused(port::delete(&mut txn, &admin(), port), refusal, 409);
        let interface = RouterInterface { subnet_id: None, port_id: Some(port) };
        refused(router::add_interface(&mut txn, &admin(), router, interface), refusal, 409);
    }
    refused(network::delete(&mut txn, &admin(), id), "NetworkInUse", 409);
}

#[test]
fn a_parents_binding_is_its_subports() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (parent, sub) = (bound(&mut txn, id), new_port(&mut txn, id));
    let made = with(&mut txn, parent.id, vec![SubPort::on_vlan(sub.id, 7)]).unwrap();
    trunk::set_status(&mut txn, made.id, Status::Active).unwrap();
    port::set_status(&mut txn, sub.id, Status::Active).unwrap();
    let unbind = PortUpdate { binding_host_id: Some(HostId(String::new())), ..PortUpdate::default() };
    port::update(&mut txn, &admin(), parent.id, unbind, None).unwrap();
    assert_eq!((status(&txn, made.id), txn.ports[&sub.id].status), (Status::Down, Status::Down));
    let lose = PortUpdate { binding_host_id: Some(HostId("nowhere".to_owned())), ..PortUpdate::default() };
    port::update(&mut txn, &admin(), parent.id, lose, None).unwrap();
    refused(trunk::delete(&mut txn, &admin(), made.id), "TrunkInUse", 409);
}

#[test]
fn subports_are_no_wider_than_their_trunk() {
    let mut txn = txn();
    let (wide, narrow) = (new_network(&mut txn).id, new_network(&mut txn).id);
    let update = NetworkUpdate { mtu: Some(1400), ..NetworkUpdate::default() };
    network::update(&mut txn, &admin(), narrow, update, None).unwrap();
    let (one, two) = (new_port(&mut txn, wide), new_port(&mut txn, narrow));
    let refusal = with(&mut txn, two.id, vec![SubPort::on_vlan(one.id, 7)]);
    refused(refusal, "SubPortMtuGreaterThanTrunkPortMtu", 409);
    with(&mut txn, one.id, vec![SubPort::on_vlan(two.id, 7)]).unwrap();
}

/// Operations that [`anything`] knows.
pub(super) const KINDS: u8 = 6;

/// One operation with rows picked at random; what cannot be asked yet is left out.
pub(super) fn anything(txn: &mut Txn, what: u8, [a, b, c]: [Index; 3]) -> Result<(), Fault> {
    let admin = &admin();
    let (id, one, two) = (some(&txn.trunks, a), some(&txn.ports, b), some(&txn.ports, c));
    let vlan = a.index(4) as u16 + 1;
    match (what, id, one, two) {
        (0, _, Some(parent), Some(sub)) => with(txn, parent, vec![SubPort::on_vlan(sub, vlan)]).map(drop),
        (1, Some(id), Some(sub), _) => trunk::add_subports(txn, admin, id, &[SubPort::on_vlan(sub, vlan)]).map(drop),
        (2, Some(id), ..) => {
            let known: Vec<PortId> = txn.trunks[&id].sub_ports.iter().take(1).map(|sub| sub.port_id).collect();
            trunk::remove_subports(txn, admin, id, &known).map(drop)
        }
        (3, Some(id), ..) => {
            let update = TrunkUpdate { admin_state_up: Some(b.index(3) > 0), ..TrunkUpdate::default() };
            trunk::update(txn, admin, id, update, None).map(drop)
        }
        (4, Some(id), ..) => trunk::delete(txn, admin, id),
        (_, _, Some(port), _) => {
            let host = HostId(["", HOST, "nowhere"][c.index(3)].to_owned());
            let bind = PortUpdate { binding_host_id: Some(host), ..PortUpdate::default() };
            port::update(txn, admin, port, bind, None).map(drop)
        }
        _ => Ok(()),
    }
}

/// What must hold between rows at any time.
pub(super) fn check(state: &State) -> Result<(), TestCaseError> {
    let mut ports = BTreeSet::new();
    for trunk in state.trunks.values() {
        let mut vlans = BTreeSet::new();
        prop_assert!(state.ports.contains_key(&trunk.port_id));
        prop_assert!(ports.insert(trunk.port_id), "a port has two places in trunks");
        for sub in &trunk.sub_ports {
            prop_assert!(state.ports.contains_key(&sub.port_id));
            prop_assert!(ports.insert(sub.port_id), "a port has two places in trunks");
            prop_assert!(vlans.insert(sub.segmentation_id), "a VLAN twice");
        }
    }
    Ok(())
}
