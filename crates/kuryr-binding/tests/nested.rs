//! Containers within a virtual machine: links on top of the machine's own interface.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use kuryr_binding::{Binder, Driver, Error, Options};
use kuryr_netlink::{LinkChange, Links, Namespace, PeerSpec, VethSpec};
use kuryr_neutron::{Port, PortId};
use serde_json::json;
use std::{os::fd::AsFd, process::Command};

const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const CONTAINER: &str = "t_c0f1b2c3d-4e";
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];

fn binder(host: &Namespace, driver: Driver, link: Option<&str>) -> Binder {
    let options = Options { driver, link_interface: link.map(str::to_owned), ..Options::default() };
    host.run(|| Binder::with(options)).unwrap().unwrap()
}

fn port() -> Port {
    serde_json::from_value(json!({
        "id": "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "network_id": "11111111-2222-3333-4444-555555555555",
        "mac_address": "fa:16:3e:01:02:03",
    }))
    .unwrap()
}

fn machine() -> (Namespace, Links) {
    let host = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(&host).unwrap();
    let peer = PeerSpec { name: "wire", mtu: 1500, ..PeerSpec::default() };
    let spec = VethSpec { name: "eth0", mtu: 1442, mac: Some([2; 6]), up: true, peer, ..VethSpec::default() };
    links.create_veth(&spec).unwrap();
    let wire = links.get("wire").unwrap().unwrap().index;
    links.set(wire, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    (host, links)
}

#[tokio::test]
async fn a_macvlan_is_made_and_removed_however_often_it_is_asked_for() {
    let (host, mut links) = machine();
    let binder = binder(&host, Driver::Macvlan, Some("eth0"));
    assert_eq!(binder.parent_mac().await.unwrap().0, [2; 6]);
    for _ in 0..2 {
        // More than the parent carries is cut to it.
        let plugged = binder.plug(&port(), 9000, ENDPOINT).await.unwrap();
        assert_eq!(plugged.container_interface, CONTAINER);
        let link = links.get(CONTAINER).unwrap().unwrap();
        assert!(link.is("macvlan") && !link.up, "{link:?}");
        assert_eq!((link.mtu, link.mac), (1442, Some(MAC)));
        assert_eq!(links.addresses(link.index).unwrap(), []);
    }
    assert!(binder.interface(&port()).await.unwrap().is_some_and(|state| state.carrier), "never left behind");
    for _ in 0..2 {
        binder.unplug(&port()).await.unwrap();
        assert!(links.get(CONTAINER).unwrap().is_none());
    }
    assert!(links.get("eth0").unwrap().is_some());
}

#[tokio::test]
async fn two_macvlans_in_their_containers_reach_each_other() {
    let (host, mut links) = machine();
    let binder = binder(&host, Driver::Macvlan, Some("eth0"));
    let other = Port { id: PortId::random(), mac_address: "fa:16:3e:01:02:04".parse().unwrap(), ..port() };
    let mut sandboxes = Vec::new();
    for (port, address) in [(port(), "192.0.2.1/24"), (other, "192.0.2.2/24")] {
        let name = binder.plug(&port, 1442, ENDPOINT).await.unwrap().container_interface;
        let sandbox = Namespace::anonymous().unwrap();
        let index = links.get(&name).unwrap().unwrap().index;
        links.set(index, &LinkChange { namespace: Some(sandbox.as_fd()), ..LinkChange::default() }).unwrap();
        let mut there = Links::open_in(&sandbox).unwrap();
        let index = there.get(&name).unwrap().unwrap().index;
        there.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        there.add_address(index, address.parse().unwrap()).unwrap();
        sandboxes.push(sandbox);
    }
    let ping = || Command::new("ping").args(["-c", "1", "-W", "5", "192.0.2.2"]).output();
    let output = sandboxes[0].run(ping).unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (host, mut links) = machine();
    let error = binder(&host, Driver::Macvlan, None).plug(&port(), 1442, ENDPOINT).await.unwrap_err();
    assert!(matches!(error, Error::ParentUnset) && error.to_string().contains("link_iface"), "{error}");
    let error = binder(&host, Driver::Macvlan, Some("eth7")).plug(&port(), 1442, ENDPOINT).await.unwrap_err();
    assert!(error.to_string().contains("interface eth7") && error.to_string().contains("link_iface"), "{error}");
    let error = binder(&host, Driver::Vlan, Some("eth0")).plug(&port(), 1442, ENDPOINT).await.unwrap_err();
    assert!(matches!(error, Error::VlanMissing { .. }), "{error}");
    let vlans = binder(&host, Driver::Vlan, Some("eth0"));
    let error = vlans.plug_subport(&port(), 1442, ENDPOINT, 4095).await.unwrap_err();
    assert!(error.to_string().contains("not in 1 to 4094"), "{error}");
    let peer = PeerSpec { name: "x", mtu: 1500, ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: CONTAINER, mtu: 1500, peer, ..VethSpec::default() }).unwrap();
    let error = binder(&host, Driver::Macvlan, Some("eth0")).plug(&port(), 1442, ENDPOINT).await.unwrap_err();
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert!(links.get(CONTAINER).unwrap().is_some());
}
