//! vlan: containers on networks of their own, carried by the machine's trunk.

use crate::{
    guest,
    machine::{PARENT, cloud, docker, lonely, network, neutron, port, shown, waiting},
    rival::Rival,
};
use kuryr_binding::Driver;
use kuryr_netlink::{Links, Stacked};
use kuryr_neutron::{DEVICE_OWNER_SUBPORT, Network, NewTrunk, Port, Trunk};
use kuryr_openstack::{Neutron, Query};
use serde_json::json;
use std::sync::Arc;

const THIS: &str = "on_trunks::containers_are_carried_on_vlans_of_the_machines_trunk";

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_carried_on_vlans_of_the_machines_trunk() {
    let Some(cloud) = cloud() else { return };
    if !guest::has(Stacked::Vlan(7), "8021q") {
        return guest::again(THIS);
    }
    let rival = Arc::new(Rival::default());
    let neutron = neutron(&cloud, Arc::clone(&rival));
    let network = network(&neutron, "198.51.100.0/24").await;
    let parent = port(&neutron, network, None).await;
    let new = NewTrunk { name: "machine".to_owned(), port_id: Some(parent.id), ..NewTrunk::default() };
    let trunk = neutron.create::<Trunk>(&new).await.unwrap().id;
    let machine = lonely(&parent);

    let mut docker = docker(&machine, &neutron, Driver::Vlan);
    docker.create_network("192.0.2.0/24", "192.0.2.1").await;
    // Somebody takes the VLAN id that was free a moment ago.
    let theirs = port(&neutron, network, None).await;
    let id = theirs.id.to_string();
    rival.get_ahead("/add_subports", move |body| body["sub_ports"][0]["port_id"] = json!(id));
    rival.calls();
    let container = docker.start(1).await.unwrap();
    println!("one start, asked for twice, with a rival: {:?}", rival.calls());

    let carried = neutron.get::<Trunk>(trunk).await.unwrap().sub_ports;
    assert_eq!(carried.len(), 2, "{carried:?}");
    let ours = carried.iter().find(|sub| sub.port_id != theirs.id).unwrap();
    let found = neutron.get::<Port>(ours.port_id).await.unwrap();
    assert_eq!(
        (found.device_id.as_str(), found.device_owner.as_str()),
        (container.endpoint.as_str(), DEVICE_OWNER_SUBPORT)
    );
    assert!(found.binding_host_id.is_empty(), "{found:?}");
    assert_eq!(container.interface, found.id.container_name());
    let shown = shown(&machine, &container.interface);
    assert!(shown.contains(&format!("vlan protocol 802.1Q id {} ", ours.segmentation_id)), "{shown}");
    assert!(shown.contains("02:42:c0:00:02:01"), "{shown}");

    // What cannot be plugged is not carried either.
    Links::open_in(&machine).unwrap().delete_by_name(PARENT).unwrap();
    let told = docker.start(2).await.unwrap_err();
    assert!(told.contains(&format!("interface {PARENT}")), "{told}");
    assert_eq!(neutron.get::<Trunk>(trunk).await.unwrap().sub_ports.len(), 2);

    docker.stop(&container).await;
    let carried = neutron.get::<Trunk>(trunk).await.unwrap().sub_ports;
    docker.delete_network().await;
    assert_eq!(carried.iter().map(|sub| sub.port_id).collect::<Vec<_>>(), [theirs.id], "somebody's own stays");
    assert_eq!(waiting(&machine), Vec::<String>::new());
    clean(&neutron, trunk, &[parent, theirs]).await;
    neutron.delete::<Network>(network).await.unwrap();
    let left = neutron.list::<Network>(&Query::new().eq("name", docker.network_name())).await.unwrap();
    assert_eq!(left, []);
    guest::done();
}

#[tokio::test]
async fn a_machine_without_a_trunk_is_told_how_to_get_one() {
    let Some(cloud) = cloud() else { return };
    let neutron = neutron(&cloud, Arc::default());
    let network = network(&neutron, "198.51.100.0/24").await;
    let parent = port(&neutron, network, None).await;
    let machine = lonely(&parent);
    let mut docker = docker(&machine, &neutron, Driver::Vlan);
    docker.create_network("203.0.113.0/24", "203.0.113.1").await;
    let told = docker.start(3).await.unwrap_err();
    docker.delete_network().await;
    neutron.delete::<Port>(parent.id).await.unwrap();
    neutron.delete::<Network>(network).await.unwrap();
    assert!(told.contains(&format!("openstack network trunk create --parent-port {}", parent.id)), "{told}");
    assert_eq!(waiting(&machine), Vec::<String>::new());
}

async fn clean(neutron: &Neutron, trunk: kuryr_neutron::TrunkId, ports: &[Port]) {
    neutron.delete::<Trunk>(trunk).await.unwrap();
    for port in ports {
        neutron.delete::<Port>(port.id).await.unwrap();
    }
}
