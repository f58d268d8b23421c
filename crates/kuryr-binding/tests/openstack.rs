//! Ports of a real Neutron with OVN, wired by it once they are plugged: the cloud that `OS_*` names, with this machine
//! as one of its hosts, such as `rig/openstack/run cargo test -p kuryr-binding --test openstack` has.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use kuryr_binding::{Binder, Options, OvsdbAddress};
use kuryr_config::{Settings, Sources};
use kuryr_netlink::{LinkChange, Links, Namespace};
use kuryr_neutron::{HostId, Network, NetworkId, NewNetwork, NewPort, NewSubnet, Port, PortId, Status, Subnet};
use kuryr_openstack::{Neutron, Session};
use std::{os::fd::AsFd, path::PathBuf, process::Command, time::Instant};

const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A Neutron whose switch is at hand, or the reason why there is none.
fn cloud() -> Result<(Neutron, PathBuf), &'static str> {
    let switch = std::env::var_os("KURYR_RIG_DIR").map(|folder| PathBuf::from(folder).join("run/ovs/db.sock"));
    let switch =
        switch.filter(|path| path.exists()).ok_or("no KURYR_RIG_DIR names a switch; rig/openstack/run does")?;
    let settings = Settings::load(&Sources::of_process(Vec::new(), Vec::new()));
    let cloud = settings.ok().and_then(|settings| settings.cloud).ok_or("no OS_AUTH_URL names a cloud")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok((Neutron::new(Session::from_settings(&cloud).unwrap()), switch))
}

async fn becomes(neutron: &Neutron, port: PortId, status: Status) {
    let started = Instant::now();
    while neutron.get::<Port>(port).await.unwrap().status != status {
        assert!(started.elapsed() < PATIENCE, "port {port} is not {status} within {PATIENCE:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    println!("{status} after {:?}", started.elapsed());
}

async fn network(neutron: &Neutron) -> NetworkId {
    let new = NewNetwork { name: "kuryr-test-binding".to_owned(), ..NewNetwork::default() };
    let network = neutron.create::<Network>(&new).await.unwrap().id;
    let subnet = NewSubnet {
        network_id: Some(network),
        ip_version: Some(4),
        cidr: Some("192.0.2.0/24".parse().unwrap()),
        ..NewSubnet::default()
    };
    neutron.create::<Subnet>(&subnet).await.unwrap();
    network
}

#[tokio::test]
async fn neutron_sees_what_is_plugged_and_its_packets_pass() {
    let (neutron, switch) = match cloud() {
        Ok(found) => found,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let binder = Binder::with(Options { ovsdb: OvsdbAddress::Unix(switch), ..Options::default() }).unwrap();
    let host = HostId(std::env::var("KURYR_RIG_HOST").unwrap());
    let network = network(&neutron).await;
    let mut plugged = Vec::new();
    for _ in 0..2 {
        let new = NewPort { network_id: Some(network), binding_host_id: Some(host.clone()), ..NewPort::default() };
        let port = neutron.create::<Port>(&new).await.unwrap();
        println!("vif_type {} {:?}", port.binding_vif_type, port.binding_vif_details);
        let started = Instant::now();
        let names = binder.plug(&port, 1442, ENDPOINT).await.unwrap();
        println!("plugged in {:?}", started.elapsed());
        becomes(&neutron, port.id, Status::Active).await;
        // As Docker takes it into a container.
        let sandbox = Namespace::anonymous().unwrap();
        let mut home = Links::open().unwrap();
        let index = home.get(&names.container_interface).unwrap().unwrap().index;
        home.set(index, &LinkChange { namespace: Some(sandbox.as_fd()), ..LinkChange::default() }).unwrap();
        let mut there = Links::open_in(&sandbox).unwrap();
        let index = there.get(&names.container_interface).unwrap().unwrap().index;
        there.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        there.add_address(index, format!("{}/24", port.fixed_ips[0].ip_address).parse().unwrap()).unwrap();
        plugged.push((port, sandbox));
    }
    let other = plugged[1].0.fixed_ips[0].ip_address.to_string();
    let ping = || Command::new("ping").args(["-c", "3", "-i", "0.3", "-W", "5", &other]).output();
    let output = plugged[0].1.run(ping).unwrap().unwrap();
    for (port, _) in &plugged {
        binder.unplug(port).await.unwrap();
        becomes(&neutron, port.id, Status::Down).await;
        neutron.delete::<Port>(port.id).await.unwrap();
    }
    neutron.delete::<Network>(network).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
