//! What this machine's kernel may lack: VLANs, ipvlan and Open vSwitch's own datapath, in a guest with a stock kernel.
//!
//! The one test starts the guest, which runs this program again and does it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../../kuryr-ovsdb/tests/rig/mod.rs"]
mod rig;

use kuryr_binding::{Binder, Driver, Options, OvsdbAddress};
use kuryr_netlink::{LinkChange, Links, Namespace, PeerSpec, Stacked, StackedSpec, VethSpec};
use kuryr_neutron::{Port, PortId};
use rig::Switch;
use serde_json::json;
use std::{os::fd::AsFd, process::Command};

const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rig/guest/run.sh");
const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
/// Status of a rig that cannot run here.
const CANNOT: i32 = 77;
/// Said by the guest at the end.
const DONE: &str = "all of it was done in the guest";

#[tokio::test]
async fn a_stock_kernel_takes_vlans_ipvlans_and_its_own_switch() {
    const THIS: &str = "a_stock_kernel_takes_vlans_ipvlans_and_its_own_switch";
    // Set by the rig within the guest alone.
    if std::env::var_os("KURYR_GUEST").is_some() {
        a_subport_speaks_on_its_vlan_alone().await;
        ipvlans_share_the_machines_address_and_reach_each_other().await;
        ports_in_the_kernels_own_switch_reach_each_other().await;
        println!("{DONE}");
        return;
    }
    // The guest has no network to fetch it by.
    if rig::unpacked().is_none() {
        return;
    }
    let command = format!("{} --exact {THIS} --nocapture", std::env::current_exe().unwrap().display());
    let output = Command::new(RIG).args(["-t", "400", "--", &command]).output().unwrap();
    let (told, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(CANNOT) {
        println!("skipped: {}", complained.split_whitespace().collect::<Vec<_>>().join(" "));
        return;
    }
    assert!(output.status.success() && told.contains(DONE), "{}: {told}{complained}", output.status);
}

fn modprobe(module: &str) {
    assert!(Command::new("modprobe").arg(module).status().unwrap().success(), "{module}");
}

fn port(number: u8) -> Port {
    serde_json::from_value(json!({
        "id": PortId::random(),
        "network_id": "11111111-2222-3333-4444-555555555555",
        "mac_address": format!("fa:16:3e:01:02:{number:02x}"),
        "binding:vif_type": "ovs",
    }))
    .unwrap()
}

/// A machine with an interface, and the other end of its wire in a namespace of its own.
fn machine() -> (Namespace, Namespace, Links, Links) {
    let (host, world) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
    let (mut links, mut outside) = (Links::open_in(&host).unwrap(), Links::open_in(&world).unwrap());
    let peer = PeerSpec { name: "wire", mtu: 1500, namespace: Some(world.as_fd()), ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: "eth0", mtu: 1500, up: true, peer, ..VethSpec::default() }).unwrap();
    up(&mut outside, "wire", None);
    (host, world, links, outside)
}

fn up(links: &mut Links, name: &str, address: Option<&str>) {
    let index = links.get(name).unwrap().unwrap().index;
    links.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    if let Some(address) = address {
        links.add_address(index, address.parse().unwrap()).unwrap();
    }
}

/// Takes an interface into a container, as Docker does.
fn join(home: &mut Links, name: &str, address: &str) -> Namespace {
    let sandbox = Namespace::anonymous().unwrap();
    let index = home.get(name).unwrap().unwrap().index;
    home.set(index, &LinkChange { namespace: Some(sandbox.as_fd()), ..LinkChange::default() }).unwrap();
    up(&mut Links::open_in(&sandbox).unwrap(), name, Some(address));
    sandbox
}

fn reaches(from: &Namespace, address: &str) -> bool {
    let ping = || Command::new("ping").args(["-c", "2", "-i", "0.3", "-W", "3", address]).output();
    from.run(ping).unwrap().unwrap().status.success()
}

/// The emulated machine is slow, and its switch learns by the first packets.
fn comes_to_reach(from: &Namespace, address: &str) -> bool {
    (0..10).any(|_| reaches(from, address))
}

fn binder(host: &Namespace, driver: Driver) -> Binder {
    let options = Options { driver, link_interface: Some("eth0".to_owned()), ..Options::default() };
    host.run(|| Binder::with(options)).unwrap().unwrap()
}

async fn a_subport_speaks_on_its_vlan_alone() {
    modprobe("8021q");
    let (host, world, mut links, mut outside) = machine();
    let binder = binder(&host, Driver::Vlan);
    let parent = outside.get("wire").unwrap().unwrap().index;
    for (name, id, address) in [("v101", 101, "192.0.2.254/24"), ("v102", 102, "198.51.100.254/24")] {
        let kind = Stacked::Vlan(id);
        outside.create_stacked(&StackedSpec { name, parent, kind, mtu: None, mac: None }).unwrap();
        up(&mut outside, name, Some(address));
    }
    let port = port(1);
    for _ in 0..2 {
        binder.plug_subport(&port, 9000, ENDPOINT, 101).await.unwrap();
    }
    let name = binder.container_interface(&port).unwrap();
    let link = links.get(&name).unwrap().unwrap();
    assert!(link.is("vlan") && link.mtu == 1500 && link.mac == Some(port.mac_address.0), "{link:?}");
    let details = host.run(|| Command::new("ip").args(["-d", "link", "show", &name]).output()).unwrap().unwrap();
    let details = String::from_utf8_lossy(&details.stdout).into_owned();
    assert!(details.contains("vlan protocol 802.1Q id 101 "), "{details}");

    let sandbox = join(&mut links, &name, "192.0.2.1/24");
    assert!(comes_to_reach(&sandbox, "192.0.2.254"), "its own VLAN");
    up(&mut Links::open_in(&sandbox).unwrap(), &name, Some("198.51.100.1/24"));
    assert!(!reaches(&sandbox, "198.51.100.254"), "another VLAN");
    drop((sandbox, world));
    binder.unplug(&port).await.unwrap();
}

async fn ipvlans_share_the_machines_address_and_reach_each_other() {
    modprobe("ipvlan");
    let (host, world, mut links, mut outside) = machine();
    up(&mut outside, "wire", Some("192.0.2.254/24"));
    let binder = binder(&host, Driver::Ipvlan);
    let ports = [port(1), port(2)];
    let mut sandboxes = Vec::new();
    for (port, address) in ports.iter().zip(["192.0.2.1/24", "192.0.2.2/24"]) {
        for _ in 0..2 {
            binder.plug(port, 1442, ENDPOINT).await.unwrap();
        }
        let name = port.id.container_name();
        let (link, parent) = (links.get(&name).unwrap().unwrap(), links.get("eth0").unwrap().unwrap());
        assert!(link.is("ipvlan") && link.mtu == 1442 && link.mac == parent.mac, "{link:?}");
        sandboxes.push(join(&mut links, &name, address));
    }
    assert!(comes_to_reach(&sandboxes[0], "192.0.2.2"), "each other");
    assert!(comes_to_reach(&sandboxes[0], "192.0.2.254"), "the world");
    let left = port(3);
    binder.plug(&left, 1442, ENDPOINT).await.unwrap();
    for _ in 0..2 {
        binder.unplug(&left).await.unwrap();
        assert!(links.get(&left.id.container_name()).unwrap().is_none());
    }
    drop(world);
}

async fn ports_in_the_kernels_own_switch_reach_each_other() {
    modprobe("openvswitch");
    let switch = Switch::start_on("system").unwrap();
    let options = Options { ovsdb: OvsdbAddress::Unix(switch.socket()), ..Options::default() };
    let binder = switch.namespace.run(|| Binder::with(options)).unwrap().unwrap();
    let mut home = Links::open_in(&switch.namespace).unwrap();
    let hybrid = Port { binding_vif_details: json!({"ovs_hybrid_plug": true}).as_object().unwrap().clone(), ..port(2) };
    let ports = [port(1), hybrid];
    let mut sandboxes = Vec::new();
    for (port, address) in ports.iter().zip(["192.0.2.1/24", "192.0.2.2/24"]) {
        let plugged = binder.plug(port, 1442, ENDPOINT).await.unwrap();
        // Again, with the switch as the interface's master now.
        binder.plug(port, 1442, ENDPOINT).await.unwrap();
        sandboxes.push(join(&mut home, &plugged.container_interface, address));
    }
    let tap = home.get(&ports[0].id.tap_name()).unwrap().unwrap();
    let master = home.by_index(tap.controller.unwrap()).unwrap().unwrap();
    assert_eq!(master.name, "ovs-system");
    assert!(comes_to_reach(&sandboxes[0], "192.0.2.2"), "{}", switch.state());
    for port in &ports {
        binder.unplug(port).await.unwrap();
        assert!(home.get(&port.id.tap_name()).unwrap().is_none());
    }
    assert!(switch.ports().is_empty());
}
