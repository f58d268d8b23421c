//! A virtual machine, as far as Neutron and a container see it: a namespace whose interface has the address of a port.

use crate::{docker::Docker, rival::Rival};
use kuryr_binding::{Binder, Driver, Options};
use kuryr_config::{CloudSettings, Settings, Sources};
use kuryr_docker::{Plugin, PluginSettings};
use kuryr_netlink::{Links, Namespace, PeerSpec, VethSpec};
use kuryr_neutron::{HostId, Network, NetworkId, NewNetwork, NewPort, NewSubnet, Port, Subnet};
use kuryr_openstack::{Http, HttpOptions, Neutron, Session, SessionOptions};
use std::{process::Command, sync::Arc, time::Duration};

/// The machine's interface.
pub const PARENT: &str = "ens3";

/// The cloud, or the reason why there is none.
pub fn cloud() -> Option<CloudSettings> {
    let settings = Settings::load(&Sources::of_process(Vec::new(), Vec::new()));
    let cloud = settings.ok().and_then(|settings| settings.cloud);
    if cloud.is_none() {
        println!("skipped: no OS_AUTH_URL names a cloud; rig/openstack/run does");
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    cloud
}

/// A client that a rival gets ahead of, where it is told to.
pub fn neutron(cloud: &CloudSettings, rival: Arc<Rival>) -> Neutron {
    // A guest's processors are emulated, and each connection goes through one.
    let patient = HttpOptions { connect_timeout: Duration::from_secs(30), ..HttpOptions::default() };
    rival.reach(Http::new(&patient).unwrap());
    let options = SessionOptions::from_settings(cloud);
    Neutron::new(Session::new(rival, cloud.auth_url.clone(), cloud.auth.clone(), options))
}

pub async fn network(neutron: &Neutron, range: &str) -> NetworkId {
    let new = NewNetwork { name: "kuryr-test-nested".to_owned(), ..NewNetwork::default() };
    let network = neutron.create::<Network>(&new).await.unwrap().id;
    let subnet = NewSubnet {
        network_id: Some(network),
        ip_version: Some(4),
        cidr: Some(range.parse().unwrap()),
        ..NewSubnet::default()
    };
    neutron.create::<Subnet>(&subnet).await.unwrap();
    network
}

pub async fn port(neutron: &Neutron, network: NetworkId, host: Option<HostId>) -> Port {
    let new = NewPort { network_id: Some(network), binding_host_id: host, ..NewPort::default() };
    neutron.create::<Port>(&new).await.unwrap()
}

/// The host that the cloud has; none where there is no cloud.
pub fn hypervisor() -> Option<HostId> {
    std::env::var("KURYR_RIG_HOST").ok().map(HostId)
}

/// A machine whose interface leads nowhere.
pub fn lonely(port: &Port) -> Namespace {
    let machine = Namespace::anonymous().unwrap();
    let peer = PeerSpec { name: "wire", mtu: 1500, ..PeerSpec::default() };
    let mac = Some(port.mac_address.0);
    let spec = VethSpec { name: PARENT, mtu: 1442, mac, up: true, peer, ..VethSpec::default() };
    Links::open_in(&machine).unwrap().create_veth(&spec).unwrap();
    machine
}

/// Docker in a machine, with Kuryr configured for what containers are there.
pub fn docker(machine: &Namespace, neutron: &Neutron, driver: Driver) -> Docker {
    Docker::new(plugin(machine, neutron, driver, "machine").router())
}

/// A Kuryr in a machine, of this control plane.
pub fn plugin(machine: &Namespace, neutron: &Neutron, driver: Driver, control_plane: &str) -> Plugin {
    let options = Options { driver, link_interface: Some(PARENT.to_owned()), ..Options::default() };
    let binder = machine.run(|| Binder::with(options)).unwrap().unwrap();
    let settings = Settings::load(&Sources::of_process(Vec::new(), Vec::new())).unwrap();
    let settings = PluginSettings::new(&settings, HostId("machine".to_owned()), control_plane.parse().unwrap());
    Plugin::new(neutron.clone(), binder, settings)
}

/// The interfaces of containers that wait in a machine.
pub fn waiting(machine: &Namespace) -> Vec<String> {
    let all = Links::open_in(machine).unwrap().list().unwrap();
    all.into_iter().map(|link| link.name).filter(|name| name.starts_with("t_c")).collect()
}

/// How the kernel shows an interface in a machine.
pub fn shown(machine: &Namespace, interface: &str) -> String {
    let show = || Command::new("ip").args(["-d", "link", "show", interface]).output();
    String::from_utf8_lossy(&machine.run(show).unwrap().unwrap().stdout).into_owned()
}
