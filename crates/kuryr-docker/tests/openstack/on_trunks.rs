//! vlan: containers on networks of their own, carried by the machine's trunk.

use crate::{
    docker::Docker,
    guest,
    machine::{PARENT, cloud, docker, lonely, network, neutron, plugin, port, shown, waiting},
    rival::Rival,
};
use kuryr_binding::Driver;
use kuryr_netlink::{Links, Namespace, Stacked};
use kuryr_neutron::{
    DEVICE_OWNER_SUBPORT, Network, NetworkId, NewTrunk, Port, PortId, PortUpdate, SubPort, Trunk, TrunkId,
};
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

/// A machine with a trunk, and a Docker network that two addresses were asked for on: one port was carried and given to an
/// endpoint before Kuryr was killed, one waits.
struct Cut {
    machine: Namespace,
    own: Port,
    trunk: TrunkId,
    docker: Docker,
    left: Vec<PortId>,
}

impl Cut {
    async fn new(neutron: &Neutron, network: NetworkId, plane: &str, range: &str) -> Self {
        let own = port(neutron, network, None).await;
        let new = NewTrunk { name: "machine".to_owned(), port_id: Some(own.id), ..NewTrunk::default() };
        let trunk = neutron.create::<Trunk>(&new).await.unwrap().id;
        let machine = lonely(&own);
        let mut docker = Docker::new(plugin(&machine, neutron, Driver::Vlan, plane).router());
        docker.create_network(&format!("{range}.0/24"), &format!("{range}.1")).await;
        docker.ask_in_vain(1).await;
        docker.ask_in_vain(2).await;
        let within = format!(" on {plane} within {}", own.id);
        let all = neutron.list::<Port>(&Query::new().eq("name", "kuryr-unbound-port")).await.unwrap();
        let left: Vec<PortId> =
            all.iter().filter(|port| port.description.ends_with(&within)).map(|port| port.id).collect();
        assert_eq!(left.len(), 2, "{all:?}");
        neutron.add_subport(trunk, &SubPort::on_vlan(left[0], 7)).await.unwrap();
        let update = PortUpdate { device_id: Some("e".repeat(64)), ..PortUpdate::default() };
        neutron.update::<Port>(left[0], &update).await.unwrap();
        Self { machine, own, trunk, docker, left }
    }

    /// What a Kuryr that is started now removes.
    async fn collect(&self, neutron: &Neutron, plane: &str, other: &Self) -> (usize, Vec<String>) {
        let later = plugin(&self.machine, neutron, Driver::Vlan, plane);
        let outcome = self.docker.collect(&later, &other.docker).await;
        let ports = outcome.removed.iter().filter(|row| row.to_string().starts_with("port"));
        (ports.count(), outcome.failed.into_iter().map(|(row, error)| format!("{row}: {error}")).collect())
    }

    async fn is_there(&self, neutron: &Neutron) -> usize {
        neutron.list::<Port>(&Query::new().any("id", &self.left)).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_a_killed_kuryr_left_leaves_its_trunk_and_goes_and_another_machines_stays() {
    let Some(cloud) = cloud() else { return };
    let neutron = neutron(&cloud, Arc::default());
    let network = network(&neutron, "198.51.100.0/24").await;
    // Machines that were copied have one id; nobody else has this one.
    let plane = &uuid::Uuid::new_v4().simple().to_string();
    let here = Cut::new(&neutron, network, plane, "192.0.2").await;
    let there = Cut::new(&neutron, network, plane, "203.0.113").await;
    let theirs = port(&neutron, network, None).await;
    neutron.add_subport(here.trunk, &SubPort::on_vlan(theirs.id, 8)).await.unwrap();

    assert_eq!(here.collect(&neutron, plane, &there).await, (2, vec![]));
    assert_eq!((here.is_there(&neutron).await, there.is_there(&neutron).await), (0, 2));
    let carried = async |trunk| -> Vec<PortId> {
        let subs = neutron.get::<Trunk>(trunk).await.unwrap().sub_ports;
        subs.iter().map(|sub| sub.port_id).collect()
    };
    assert_eq!((carried(here.trunk).await, carried(there.trunk).await), (vec![theirs.id], vec![there.left[0]]));
    assert_eq!(there.collect(&neutron, plane, &here).await, (2, vec![]));
    assert_eq!((there.is_there(&neutron).await, carried(there.trunk).await), (0, vec![]));

    for cut in [&here, &there] {
        cut.docker.delete_network().await;
    }
    clean(&neutron, here.trunk, &[here.own, theirs]).await;
    clean(&neutron, there.trunk, &[there.own]).await;
    neutron.delete::<Network>(network).await.unwrap();
}

async fn clean(neutron: &Neutron, trunk: kuryr_neutron::TrunkId, ports: &[Port]) {
    neutron.delete::<Trunk>(trunk).await.unwrap();
    for port in ports {
        neutron.delete::<Port>(port.id).await.unwrap();
    }
}
