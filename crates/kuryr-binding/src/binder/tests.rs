//! Ports plugged and unplugged in namespaces of the test's own.

use super::*;
use crate::Interface;
use kuryr_netlink::{BridgeSpec, Link, LinkChange, Links, PeerSpec, VethSpec};
use serde_json::{Value, json};
use std::{os::fd::AsFd, os::fd::AsRawFd, time::Instant};

const PORT: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const TAP: &str = "tap0f1b2c3d-4e";
const CONTAINER: &str = "t_c0f1b2c3d-4e";
const BRIDGE: &str = "brq11111111-22";
const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];

/// A host and a cloud's namespace with a bridge.
struct Rig {
    host: Namespace,
    cloud: Namespace,
    binder: Binder,
    outside: Links,
    inside: Links,
}

impl Rig {
    fn new() -> Self {
        let (host, cloud) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        let binder = host.run(Binder::new).unwrap().unwrap();
        let (outside, mut inside) = (Links::open_in(&host).unwrap(), Links::open_in(&cloud).unwrap());
        inside.create_bridge(&BridgeSpec { name: BRIDGE, mtu: 1450, ..BridgeSpec::default() }).unwrap();
        Self { host, cloud, binder, outside, inside }
    }

    /// The cloud's namespace by a path, without a mount.
    fn path(&self) -> String {
        path_of(&self.cloud)
    }

    fn port(&self) -> Port {
        port(json!({"netns": self.path(), "bridge_name": BRIDGE}))
    }

    fn ends(&mut self) -> (Option<Link>, Option<Link>) {
        (self.inside.get(TAP).unwrap(), self.outside.get(CONTAINER).unwrap())
    }

    fn assert_plugged(&mut self, mtu: u32) -> (Link, Link) {
        let bridge = self.inside.get(BRIDGE).unwrap().unwrap();
        let (Some(tap), Some(container)) = self.ends() else { panic!("{:?}", self.ends()) };
        assert_eq!((tap.up, tap.mtu, tap.controller), (true, mtu, Some(bridge.index)), "{tap:?}");
        assert_eq!((container.up, container.mtu, container.mac), (false, mtu, Some(MAC)), "{container:?}");
        assert_eq!((tap.peer_index, container.peer_index), (Some(container.index), Some(tap.index)));
        assert_ne!(tap.mac, container.mac);
        assert_eq!(self.outside.addresses(container.index).unwrap(), []);
        (tap, container)
    }
}

fn path_of(namespace: &Namespace) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_fd().as_raw_fd())
}

fn port(details: Value) -> Port {
    serde_json::from_value(json!({
        "id": PORT,
        "network_id": "11111111-2222-3333-4444-555555555555",
        "mac_address": "fa:16:3e:01:02:03",
        "binding:host_id": "node-1",
        "binding:vif_type": "bridge",
        "binding:vif_details": details,
    }))
    .unwrap()
}

fn veth<'a>(name: &'a str, peer: &'a str) -> VethSpec<'a> {
    VethSpec { name, mtu: 1500, peer: PeerSpec { name: peer, mtu: 1500, ..PeerSpec::default() }, ..VethSpec::default() }
}

#[tokio::test]
async fn a_port_is_plugged_once_however_often_it_is_asked_for() {
    let mut rig = Rig::new();
    let plugged = rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let expected = Plugged { host_interface: TAP.to_owned(), container_interface: CONTAINER.to_owned() };
    assert_eq!(plugged, expected);
    let first = rig.assert_plugged(1450);
    assert_eq!(rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap(), expected);
    assert_eq!(rig.assert_plugged(1450), first, "the pair is the same, not a new one");

    // Another process knows for whom it is, and it can become somebody else's.
    let other = rig.host.run(Binder::new).unwrap().unwrap();
    assert!(other.remembers(&rig.port()));
    assert_eq!(other.endpoint(&rig.port()).await.unwrap().as_deref(), Some(ENDPOINT));
    other.plug(&rig.port(), 1450, "another").await.unwrap();
    assert_eq!(rig.binder.endpoint(&rig.port()).await.unwrap().as_deref(), Some("another"));

    rig.binder.unplug(&rig.port()).await.unwrap();
    assert_eq!(rig.ends(), (None, None));
    assert_eq!(rig.binder.endpoint(&rig.port()).await.unwrap(), None);
    rig.binder.unplug(&rig.port()).await.unwrap();
}

#[tokio::test]
async fn a_whole_pair_that_differs_is_adjusted() {
    let mut rig = Rig::new();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let (tap, container) = rig.assert_plugged(1450);
    let spoilt = LinkChange { up: Some(false), controller: Some(None), ..LinkChange::default() };
    rig.inside.set(tap.index, &spoilt).unwrap();
    rig.outside.set(container.index, &LinkChange { mac: Some([2; 6]), ..LinkChange::default() }).unwrap();
    rig.binder.plug(&rig.port(), 1400, ENDPOINT).await.unwrap();
    let (now, _) = rig.assert_plugged(1400);
    assert_eq!(now.index, tap.index);
}

#[tokio::test]
async fn halves_and_strangers_pairs_are_made_anew() {
    let mut rig = Rig::new();
    // The container's end went elsewhere.
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let elsewhere = Namespace::anonymous().unwrap();
    let container = rig.outside.get(CONTAINER).unwrap().unwrap();
    let away = LinkChange { namespace: Some(elsewhere.as_fd()), ..LinkChange::default() };
    rig.outside.set(container.index, &away).unwrap();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    rig.assert_plugged(1450);
    rig.binder.unplug(&rig.port()).await.unwrap();

    // Only the container's name is there.
    rig.outside.create_veth(&veth(CONTAINER, "left")).unwrap();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    rig.assert_plugged(1450);
    assert_eq!(rig.outside.get("left").unwrap(), None);
    rig.binder.unplug(&rig.port()).await.unwrap();

    // Both names are there, of two pairs.
    rig.inside.create_veth(&veth(TAP, "left")).unwrap();
    rig.outside.create_veth(&veth(CONTAINER, "left")).unwrap();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    rig.assert_plugged(1450);
}

#[tokio::test]
async fn unplugging_reaches_an_end_inside_a_container_and_one_without_its_tap() {
    let mut rig = Rig::new();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let sandbox = Namespace::anonymous().unwrap();
    let container = rig.outside.get(CONTAINER).unwrap().unwrap();
    let into = LinkChange { namespace: Some(sandbox.as_fd()), name: Some("eth0"), ..LinkChange::default() };
    rig.outside.set(container.index, &into).unwrap();
    rig.binder.unplug(&rig.port()).await.unwrap();
    assert_eq!(rig.ends(), (None, None));
    assert_eq!(Links::open_in(&sandbox).unwrap().get("eth0").unwrap(), None);

    rig.outside.create_veth(&veth(CONTAINER, "left")).unwrap();
    rig.binder.unplug(&rig.port()).await.unwrap();
    assert_eq!(rig.ends(), (None, None));
}

#[tokio::test]
async fn a_missing_bridge_or_namespace_tells_the_operator_what_to_do() {
    let mut rig = Rig::new();
    let lost = port(json!({"netns": rig.path(), "bridge_name": "brq-lost"}));
    let text = rig.binder.plug(&lost, 1450, ENDPOINT).await.unwrap_err().to_string();
    for expected in [PORT, "bridge brq-lost does not exist in /proc/", "data plane makes it", "kuryr status"] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
    assert_eq!(rig.ends(), (None, None));
    rig.binder.unplug(&lost).await.unwrap();

    let nowhere = port(json!({"netns": "/no/such/namespace"}));
    let text = rig.binder.plug(&nowhere, 1450, ENDPOINT).await.unwrap_err().to_string();
    assert!(text.contains("namespace /no/such/namespace does not exist") && text.contains("kuryr status"), "{text}");
    rig.binder.unplug(&nowhere).await.unwrap();
    assert_eq!(rig.binder.interface(&nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_namespace_the_hosts_own_bridge_is_used_and_made() {
    let mut rig = Rig::new();
    let plain = port(json!({}));
    rig.binder.plug(&plain, 1300, ENDPOINT).await.unwrap();
    let bridge = rig.outside.get(BRIDGE).unwrap().unwrap();
    assert!(bridge.is("bridge") && bridge.up);
    let tap = rig.outside.get(TAP).unwrap().unwrap();
    let container = rig.outside.get(CONTAINER).unwrap().unwrap();
    assert_eq!((tap.mtu, tap.controller, tap.up), (1300, Some(bridge.index), true));
    assert_eq!((container.mtu, container.controller, container.up), (1300, None, false));
    rig.binder.plug(&plain, 1300, ENDPOINT).await.unwrap();
    assert_eq!(rig.outside.get(TAP).unwrap().unwrap().index, tap.index);
    rig.binder.unplug(&plain).await.unwrap();
    assert_eq!((rig.outside.get(TAP).unwrap(), rig.outside.get(CONTAINER).unwrap()), (None, None));
}

#[tokio::test]
async fn what_is_not_ours_is_neither_used_nor_deleted() {
    let mut rig = Rig::new();
    rig.outside.create_bridge(&BridgeSpec { name: CONTAINER, mtu: 1500, ..BridgeSpec::default() }).unwrap();
    let error = rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap_err();
    assert!(matches!(&error, Error::NameTaken { name, .. } if name == CONTAINER), "{error}");
    assert!(error.to_string().contains("a link of kind bridge, not a veth of this port"), "{error}");
    rig.binder.unplug(&rig.port()).await.unwrap();
    assert!(rig.outside.get(CONTAINER).unwrap().is_some());
    assert_eq!(rig.inside.get(TAP).unwrap(), None);

    rig.inside.create_veth(&veth("no-bridge", "other")).unwrap();
    let wrong = port(json!({"netns": rig.path(), "bridge_name": "no-bridge"}));
    let error = rig.binder.plug(&wrong, 1450, ENDPOINT).await.unwrap_err();
    assert!(matches!(&error, Error::NameTaken { expected: "a bridge", .. }), "{error}");
}

#[tokio::test]
async fn a_failure_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let before = (rig.inside.list().unwrap(), rig.outside.list().unwrap());
    for port in [rig.port(), port(json!({}))] {
        let refused = Port { mac_address: "01:00:5e:00:00:01".parse().unwrap(), ..port };
        let error = rig.binder.plug(&refused, 1450, ENDPOINT).await.unwrap_err();
        assert!(error.to_string().contains("create veth tap0f1b2c3d-4e"), "{error}");
        assert_eq!((rig.inside.list().unwrap(), rig.outside.list().unwrap()), before);
    }
    for mtu in [0, 67, 65_536, u32::MAX] {
        let error = rig.binder.plug(&rig.port(), mtu, ENDPOINT).await.unwrap_err();
        assert!(matches!(error, Error::InvalidMtu { .. }), "{error}");
    }
}

#[tokio::test]
async fn hostile_details_reach_nothing() {
    let mut rig = Rig::new();
    let before = (rig.inside.list().unwrap(), rig.outside.list().unwrap());
    for details in [
        json!({"netns": "/run/../proc/1/ns/net"}),
        json!({"netns": "/proc/version"}),
        json!({"netns": {"path": "/run"}}),
        json!({"netns": rig.path(), "bridge_name": "../../etc"}),
        json!({"netns": rig.path(), "bridge_name": "tap%d"}),
    ] {
        let hostile = port(details);
        assert!(rig.binder.plug(&hostile, 1450, ENDPOINT).await.is_err());
        assert!(rig.binder.unplug(&hostile).await.is_err());
        assert!(rig.binder.interface(&hostile).await.is_err());
    }
    assert_eq!((rig.inside.list().unwrap(), rig.outside.list().unwrap()), before);
}

#[tokio::test]
async fn a_port_that_lost_its_binding_can_still_be_unplugged_at_home() {
    let mut rig = Rig::new();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let unbound = Port { binding_vif_type: "unbound".to_owned(), ..port(json!({})) };
    assert!(matches!(rig.binder.plug(&unbound, 1450, ENDPOINT).await, Err(Error::Unbound { .. })));
    rig.binder.unplug(&unbound).await.unwrap();
    assert_eq!(rig.ends(), (None, None), "the pair goes by either end");
}

#[tokio::test]
async fn the_state_of_a_port_follows_its_container() {
    let mut rig = Rig::new();
    assert_eq!(rig.binder.interface(&rig.port()).await.unwrap(), None);
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    let state = Interface { name: TAP.to_owned(), up: true, carrier: false, mtu: 1450, bridged: true };
    assert_eq!(rig.binder.interface(&rig.port()).await.unwrap(), Some(state.clone()));
    let container = rig.outside.get(CONTAINER).unwrap().unwrap();
    rig.outside.set(container.index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    let running = Interface { carrier: true, ..state };
    assert_eq!(rig.binder.interface(&rig.port()).await.unwrap(), Some(running));
}

#[tokio::test]
async fn a_path_that_comes_to_mean_another_namespace_is_noticed() {
    let mut rig = Rig::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr");
    std::os::unix::fs::symlink(rig.path(), &path).unwrap();
    let by_name = port(json!({"netns": path, "bridge_name": BRIDGE}));
    rig.binder.plug(&by_name, 1450, ENDPOINT).await.unwrap();
    rig.binder.unplug(&by_name).await.unwrap();

    let next = Namespace::anonymous().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(path_of(&next), &path).unwrap();
    let error = rig.binder.plug(&by_name, 1450, ENDPOINT).await.unwrap_err();
    assert!(matches!(error, Error::BridgeMissing { .. }), "{error}");
    let mut there = Links::open_in(&next).unwrap();
    there.create_bridge(&BridgeSpec { name: BRIDGE, mtu: 1450, ..BridgeSpec::default() }).unwrap();
    rig.binder.plug(&by_name, 1450, ENDPOINT).await.unwrap();
    assert!(there.get(TAP).unwrap().is_some());
    assert_eq!(rig.inside.get(TAP).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ports_are_plugged_side_by_side() {
    let mut rig = Rig::new();
    let ports: Vec<Port> = (0..40).map(|_| Port { id: PortId::random(), ..rig.port() }).collect();
    let timed = |work: &'static str, started: Instant| println!("{work}: {:?} a port", started.elapsed() / 40);
    let started = Instant::now();
    for port in &ports {
        rig.binder.plug(port, 1450, ENDPOINT).await.unwrap();
    }
    timed("plug, one after the other", started);
    let started = Instant::now();
    for port in &ports {
        rig.binder.unplug(port).await.unwrap();
    }
    timed("unplug, one after the other", started);

    let started = Instant::now();
    let tasks: Vec<_> = (ports.iter().cloned())
        .map(|port| (rig.binder.clone(), port))
        .map(|(binder, port)| tokio::spawn(async move { binder.plug(&port, 1450, ENDPOINT).await.map(|_| ()) }))
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    timed("plug, side by side", started);
    assert_eq!(rig.inside.list().unwrap().iter().filter(|link| link.is("veth")).count(), 40);
    let started = Instant::now();
    let tasks: Vec<_> = (ports.into_iter())
        .map(|port| (rig.binder.clone(), port))
        .map(|(binder, port)| tokio::spawn(async move { binder.unplug(&port).await }))
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    timed("unplug, side by side", started);
    assert_eq!(rig.inside.list().unwrap().iter().filter(|link| link.is("veth")).count(), 0);
    assert_eq!(Links::open_in(&rig.host).unwrap().list().unwrap().len(), 1, "loopback alone");
}

#[tokio::test]
async fn what_no_port_has_is_told_and_removed_unless_it_is_in_use() {
    let mut rig = Rig::new();
    let known = [PORT.parse().unwrap()].into();
    rig.binder.plug(&rig.port(), 1450, ENDPOINT).await.unwrap();
    assert_eq!(rig.binder.strays(&known).await.unwrap(), []);
    let strays = rig.binder.strays(&Default::default()).await.unwrap();
    assert!(matches!(strays.as_slice(), [stray] if stray.name == CONTAINER && !stray.in_use), "{strays:?}");
    let index = rig.ends().1.unwrap().index;
    rig.outside.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    assert!(rig.binder.strays(&Default::default()).await.unwrap()[0].in_use);
    rig.binder.remove_stray(&strays[0]).await.unwrap();
    assert!(rig.ends() == (None, None), "{:?}", rig.ends());
    rig.binder.remove_stray(&strays[0]).await.unwrap();
}

#[tokio::test]
async fn only_a_switch_is_watched() {
    let binder = Rig::new().binder;
    let switched = Port { binding_vif_type: "ovs".to_owned(), ..port(json!({})) };
    assert!(binder.is_watched(&switched));
    for other in ["bridge", "tap", "unbound", "unknown"] {
        assert!(!binder.is_watched(&Port { binding_vif_type: other.to_owned(), ..switched.clone() }), "{other}");
    }
}
