//! Ports plugged into a real Open vSwitch, compared with what `ovs-vsctl` prints.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../../kuryr-ovsdb/tests/rig/mod.rs"]
mod rig;

use kuryr_binding::{Binder, Error, Options, OvsdbAddress};
use kuryr_netlink::{Link, LinkChange, Links, Namespace};
use kuryr_neutron::{Port, PortId};
use rig::Switch;
use serde_json::{Value, json};
use std::{os::fd::AsFd, process::Command, time::Instant};

const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const PORT: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const TAP: &str = "tap0f1b2c3d-4e";
const CONTAINER: &str = "t_c0f1b2c3d-4e";

fn port(details: Value) -> Port {
    serde_json::from_value(json!({
        "id": PORT,
        "network_id": "11111111-2222-3333-4444-555555555555",
        "mac_address": "FA:16:3E:01:02:03",
        "binding:host_id": "node-1",
        "binding:vif_type": "ovs",
        "binding:vif_details": details,
    }))
    .unwrap()
}

fn hybrid() -> Port {
    port(json!({"ovs_hybrid_plug": true, "port_filter": true}))
}

fn options(switch: &Switch) -> Options {
    Options {
        bindir: switch.directory().join("scripts"),
        ovsdb: OvsdbAddress::Unix(switch.socket()),
        ..Options::default()
    }
}

fn binder(switch: &Switch) -> Binder {
    switch.namespace.run(|| Binder::with(options(switch))).unwrap().unwrap()
}

fn link(switch: &Switch, name: &str) -> Option<Link> {
    Links::open_in(&switch.namespace).unwrap().get(name).unwrap()
}

fn names(switch: &Switch) -> Vec<String> {
    let mut names: Vec<String> =
        Links::open_in(&switch.namespace).unwrap().list().unwrap().into_iter().map(|link| link.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_port_is_in_the_switch_exactly_as_the_original_puts_it_there() {
    let Some(switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    binder.plug(&port(json!({})), 1442, ENDPOINT).await.unwrap();
    let first = link(&switch, TAP).unwrap();
    binder.plug(&port(json!({})), 1442, ENDPOINT).await.unwrap();
    assert_eq!(switch.ports(), [TAP]);
    let (tap, container) = (link(&switch, TAP).unwrap(), link(&switch, CONTAINER).unwrap());
    assert!(tap.up && tap.index == first.index && !container.up);
    assert_eq!((tap.mtu, container.mtu, container.mac), (1442, 1442, Some([0xfa, 0x16, 0x3e, 1, 2, 3])));

    assert_eq!(Links::open_in(&switch.namespace).unwrap().addresses(tap.index).unwrap(), [], "not even IPv6's own");
    let ours = switch.external_ids(TAP);
    let told = [
        "attached-mac=\"fa:16:3e:01:02:03\"",
        &format!("iface-id=\"{PORT}\""),
        "iface-status=active",
        "owner=kuryr",
        &format!("vm-uuid=\"{ENDPOINT}\""),
    ];
    assert_eq!(ours, format!("{{{}}}", told.join(", ")));
    // The original's own command, for the same interface.
    binder.unplug(&port(json!({}))).await.unwrap();
    let ids = [
        "external_ids:attached-mac=fa:16:3e:01:02:03".to_owned(),
        format!("external_ids:iface-id={PORT}"),
        format!("external_ids:vm-uuid={ENDPOINT}"),
        "external_ids:iface-status=active".to_owned(),
        "external_ids:owner=kuryr".to_owned(),
    ];
    let add = ["--no-wait", "--", "--may-exist", "add-port", "br-int", TAP, "--", "set", "interface", TAP];
    switch.vsctl(add.into_iter().chain(ids.iter().map(String::as_str)));
    assert_eq!(switch.external_ids(TAP), ours);
    // Without its device, which the switch says after a while.
    rig::until("the switch looks for the device", || switch.vsctl(["get", "Interface", TAP, "ofport"]) == "-1");
    // Ours takes over what the original left, and removes it.
    binder.plug(&port(json!({})), 1442, ENDPOINT).await.unwrap();
    assert_eq!(switch.external_ids(TAP), ours);
    for _ in 0..2 {
        binder.unplug(&port(json!({}))).await.unwrap();
        assert!(switch.ports().is_empty());
        assert_eq!(names(&switch), before);
    }
}

#[tokio::test]
async fn hybrid_plug_puts_a_bridge_between() {
    let Some(switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    for _ in 0..2 {
        binder.plug(&hybrid(), 1442, ENDPOINT).await.unwrap();
        assert_eq!(switch.ports(), ["qvo0f1b2c3d-4e"]);
        let ids = switch.external_ids("qvo0f1b2c3d-4e");
        assert!(ids.contains(&format!("vm-id=\"{ENDPOINT}\"")) && !ids.contains("vm-uuid"), "{ids}");
        let bridge = link(&switch, "qbr0f1b2c3d-4e").unwrap();
        assert!(bridge.is("bridge") && bridge.up);
        for end in [TAP, "qvb0f1b2c3d-4e"] {
            let end = link(&switch, end).unwrap();
            assert_eq!((end.controller, end.up, end.mtu), (Some(bridge.index), true, 1442), "{end:?}");
        }
        let outer = link(&switch, "qvo0f1b2c3d-4e").unwrap();
        assert_eq!(Links::open_in(&switch.namespace).unwrap().addresses(outer.index).unwrap(), []);
        assert!(outer.up && outer.carrier && outer.mac != link(&switch, CONTAINER).unwrap().mac);
    }
    for _ in 0..2 {
        binder.unplug(&hybrid()).await.unwrap();
        assert!(switch.ports().is_empty());
        assert_eq!(names(&switch), before);
    }
}

#[tokio::test]
async fn packets_pass_between_two_plugged_ports() {
    let Some(switch) = Switch::start() else { return };
    let binder = binder(&switch);
    let other = Port { id: PortId::random(), mac_address: "fa:16:3e:01:02:04".parse().unwrap(), ..hybrid() };
    let containers = [(port(json!({})), "192.0.2.1/24"), (other, "192.0.2.2/24")].map(|(port, address)| {
        let sandbox = Namespace::anonymous().unwrap();
        (port, address, sandbox)
    });
    for (port, address, sandbox) in &containers {
        let plugged = binder.plug(port, 1442, ENDPOINT).await.unwrap();
        let mut home = Links::open_in(&switch.namespace).unwrap();
        let index = home.get(&plugged.container_interface).unwrap().unwrap().index;
        home.set(index, &LinkChange { namespace: Some(sandbox.as_fd()), ..LinkChange::default() }).unwrap();
        let mut there = Links::open_in(sandbox).unwrap();
        let index = there.get(&plugged.container_interface).unwrap().unwrap().index;
        there.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        there.add_address(index, address.parse().unwrap()).unwrap();
    }
    let ping = || Command::new("ping").args(["-c", "2", "-i", "0.2", "-W", "5", "192.0.2.2"]).output();
    let output = containers[0].2.run(ping).unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for (port, _, _) in &containers {
        binder.unplug(port).await.unwrap();
    }
    assert!(switch.ports().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_leaves_nothing_and_spares_what_was_there() {
    let Some(mut switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    for details in [json!({"bridge_name": "br-lost"}), json!({"bridge_name": "br-lost", "ovs_hybrid_plug": true})] {
        let error = binder.plug(&port(details), 1442, ENDPOINT).await.unwrap_err();
        assert!(error.to_string().contains("bridge br-lost does not exist in Open vSwitch"), "{error}");
        assert_eq!(names(&switch), before);
    }
    for wrong in ["a b", "x\u{0}y", "é", &"x".repeat(300)] {
        let error = binder.plug(&port(json!({})), 1442, wrong).await.unwrap_err();
        assert!(matches!(error, Error::InvalidEndpoint { .. }), "{error}");
    }
    binder.plug(&port(json!({})), 1442, ENDPOINT).await.unwrap();
    let there = names(&switch);
    switch.kill_database();
    let error = binder.plug(&port(json!({})), 1442, ENDPOINT).await.unwrap_err();
    assert!(error.is_switch_absent() && error.to_string().contains("is ovsdb-server running"), "{error}");
    assert_eq!(names(&switch), there, "a container that runs keeps its interface");

    // Unplugged without a database: the interface is gone at once, the port in the switch when it can be told.
    for _ in 0..2 {
        binder.unplug(&port(json!({}))).await.unwrap();
        assert_eq!(names(&switch), before);
    }
    switch.start_database();
    tokio::task::block_in_place(|| rig::until("the port leaves the switch", || switch.ports().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_plugged_anew_is_not_taken_out_for_its_former_life() {
    let Some(mut switch) = Switch::start() else { return };
    let (binder, other) = (binder(&switch), Port { id: PortId::random(), ..port(json!({})) });
    let again = port(json!({}));
    for port in [&again, &other] {
        binder.plug(port, 1442, ENDPOINT).await.unwrap();
    }
    switch.kill_database();
    for port in [&again, &other] {
        binder.unplug(port).await.unwrap();
    }
    switch.start_database();
    let plugged = binder.plug(&again, 1442, ENDPOINT).await.unwrap();
    let alone = [plugged.host_interface];
    tokio::task::block_in_place(|| rig::until("the other leaves", || switch.ports() == alone));
    binder.unplug(&again).await.unwrap();
}

#[tokio::test]
async fn without_a_switch_that_works_nothing_is_left_in_its_database() {
    let Some(mut switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    // The kernel drops what the dead switch held open.
    switch.kill_daemon();
    let there = names(&switch);
    for port in [port(json!({})), hybrid()] {
        let error = binder.plug(&port, 1442, ENDPOINT).await.unwrap_err();
        assert!(error.to_string().contains("ovs-vswitchd has not taken up port"), "{error}");
        assert!(switch.ports().is_empty());
        assert_eq!(names(&switch), there);
    }
    assert!(there.iter().all(|name| before.contains(name)));
}

#[tokio::test]
async fn a_port_that_lost_its_binding_leaves_the_switch_too() {
    let Some(switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    for plugged in [port(json!({})), hybrid()] {
        binder.plug(&plugged, 1442, ENDPOINT).await.unwrap();
        let unbound = Port { binding_vif_type: "unbound".to_owned(), ..port(json!({})) };
        binder.unplug(&unbound).await.unwrap();
        assert!(switch.ports().is_empty());
        assert_eq!(names(&switch), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ports_are_plugged_side_by_side() {
    const COUNT: u32 = 20;
    let Some(switch) = Switch::start() else { return };
    let (binder, before) = (binder(&switch), names(&switch));
    let ports: Vec<Port> = (0..COUNT).map(|_| Port { id: PortId::random(), ..port(json!({})) }).collect();
    let timed = |work: &str, started: Instant| println!("{work}: {:?} a port", started.elapsed() / COUNT);
    let started = Instant::now();
    for port in &ports {
        binder.plug(port, 1442, ENDPOINT).await.unwrap();
    }
    timed("plug, one after the other", started);
    let started = Instant::now();
    for port in &ports {
        binder.unplug(port).await.unwrap();
    }
    timed("unplug, one after the other", started);
    let started = Instant::now();
    let tasks: Vec<_> = (ports.iter().cloned())
        .map(|port| (binder.clone(), port))
        .map(|(binder, port)| tokio::spawn(async move { binder.plug(&port, 1442, ENDPOINT).await.map(|_| ()) }))
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    timed("plug, side by side", started);
    assert_eq!(switch.ports().len(), ports.len());
    for port in &ports {
        binder.unplug(port).await.unwrap();
    }
    assert_eq!(names(&switch), before);
}
