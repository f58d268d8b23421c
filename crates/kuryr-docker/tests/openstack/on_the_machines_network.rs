//! macvlan and ipvlan: containers on the machine's own network, let through by its port's address pairs.

use crate::{
    docker::Docker,
    guest,
    machine::{cloud, docker, hypervisor, lonely, network, neutron, port, shown, waiting},
    rival::Rival,
};
use kuryr_binding::Driver;
use kuryr_netlink::{Namespace, Stacked};
use kuryr_neutron::{HostId, Network, NetworkId, Port, Subnet};
use kuryr_openstack::{Neutron, Query};
use serde_json::json;
use std::sync::Arc;

const RANGE: &str = "192.0.2.0/24";

/// A machine with Docker, on a network of its own.
struct Place {
    neutron: Neutron,
    rival: Arc<Rival>,
    network: NetworkId,
    parent: Port,
    machine: Namespace,
    docker: Docker,
}

impl Place {
    async fn new(driver: Driver, host: Option<HostId>) -> Option<Self> {
        let cloud = cloud()?;
        let rival = Arc::new(Rival::default());
        let neutron = neutron(&cloud, Arc::clone(&rival));
        let network = network(&neutron, RANGE).await;
        let parent = port(&neutron, network, host).await;
        let machine = lonely(&parent);
        let subnets = neutron.list::<Subnet>(&Query::new().eq("network_id", network)).await.unwrap();
        let mut docker = docker(&machine, &neutron, driver);
        docker.create_network(RANGE, &subnets[0].gateway_ip.unwrap().to_string()).await;
        let networks = neutron.list::<Network>(&Query::new().eq("name", docker.network_name())).await.unwrap();
        assert_eq!(networks, [], "the machine's network is Docker's");
        Some(Self { neutron, rival, network, parent, machine, docker })
    }

    /// The machine's pairs, as text.
    async fn pairs(&self) -> Vec<String> {
        let parent = self.neutron.get::<Port>(self.parent.id).await.unwrap();
        let pairs = parent.allowed_address_pairs.iter();
        let mut told: Vec<String> =
            pairs.map(|pair| format!("{} {}", pair.ip_address.net().addr(), pair.mac_address.unwrap())).collect();
        told.sort();
        told
    }

    /// Removes all, and fails if Kuryr has left anything.
    async fn end(self) {
        self.docker.delete_network().await;
        let left = self.neutron.list::<Port>(&Query::new().eq("network_id", self.network)).await.unwrap();
        let left: Vec<&Port> = left.iter().filter(|port| port.id != self.parent.id).collect();
        assert!(left.iter().all(|port| port.device_owner.starts_with("network:")), "{left:?}");
        assert_eq!(waiting(&self.machine), Vec::<String>::new());
        self.neutron.delete::<Port>(self.parent.id).await.unwrap();
        self.neutron.delete::<Network>(self.network).await.unwrap();
    }
}

fn plain(address: &str) -> &str {
    address.split('/').next().unwrap()
}

#[tokio::test]
async fn macvlans_are_let_through_whoever_else_changes_the_machines_port() {
    let Some(place) = Place::new(Driver::Macvlan, None).await else { return };
    // Somebody lets an address of his own through meanwhile: the revision tells, and nothing is lost.
    let theirs = json!([{"ip_address": "192.0.2.250", "mac_address": "fa:16:3e:99:99:99"}]);
    let path = format!("/ports/{}", place.parent.id);
    place.rival.get_ahead(path, move |body| body["port"]["allowed_address_pairs"] = theirs.clone());
    place.rival.calls();
    let (one, two) = tokio::join!(place.docker.start(1), place.docker.start(2));
    let containers = [one.unwrap(), two.unwrap()];
    let calls = place.rival.calls();
    println!("two started at once, each asked for twice, with a rival: {calls:?}");
    // Each of the two repetitions looks for its port; the machine's is looked up once more, after the rival.
    assert!(calls.iter().filter(|call| *call == "GET /v2.0/ports").count() <= 3, "{calls:?}");
    let mut expected = vec![
        "192.0.2.250 fa:16:3e:99:99:99".to_owned(),
        format!("{} 02:42:c0:00:02:01", plain(&containers[0].address)),
        format!("{} 02:42:c0:00:02:02", plain(&containers[1].address)),
    ];
    expected.sort();
    assert_eq!(place.pairs().await, expected);
    let ports = place.neutron.list::<Port>(&Query::new().eq("device_id", &containers[0].endpoint)).await.unwrap();
    assert_eq!(ports.len(), 1);
    assert!(ports[0].binding_host_id.is_empty() && ports[0].device_owner == "compute:kuryr", "{ports:?}");
    assert_eq!(containers[0].interface, ports[0].id.container_name());
    let shown = shown(&place.machine, &containers[0].interface);
    assert!(shown.contains("macvlan mode bridge") && shown.contains("02:42:c0:00:02:01"), "{shown}");

    for container in &containers {
        place.docker.stop(container).await;
    }
    assert_eq!(place.pairs().await, ["192.0.2.250 fa:16:3e:99:99:99"], "somebody's own stays");
    place.end().await;
}

/// OVN takes no other Ethernet addresses than the machine's on a port that is bound.
#[tokio::test]
async fn where_ovn_refuses_a_macvlan_the_way_out_is_named_and_nothing_is_left() {
    let Some(place) = Place::new(Driver::Macvlan, hypervisor()).await else { return };
    let told = place.docker.start(4).await.unwrap_err();
    assert!(told.contains("default_driver = ipvlan") && told.contains("02:42:c0:00:02:04"), "{told}");
    assert_eq!(place.pairs().await, Vec::<String>::new());
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipvlans_are_let_through_with_the_machines_own_address() {
    const THIS: &str = "on_the_machines_network::ipvlans_are_let_through_with_the_machines_own_address";
    if cloud().is_some() && !guest::has(Stacked::Ipvlan, "ipvlan") {
        return guest::again(THIS);
    }
    let Some(place) = Place::new(Driver::Ipvlan, hypervisor()).await else { return };
    let container = place.docker.start(5).await.unwrap();
    let pair = format!("{} {}", plain(&container.address), place.parent.mac_address);
    assert_eq!(place.pairs().await, [pair]);
    let shown = shown(&place.machine, &container.interface);
    let mac = place.parent.mac_address.to_string();
    assert!(shown.contains("ipvlan") && shown.contains("mode l2") && shown.contains(&mac), "{shown}");
    place.docker.stop(&container).await;
    assert_eq!(place.pairs().await, Vec::<String>::new());
    place.end().await;
    guest::done();
}
