//! Trunks. A kernel without VLANs tells so and goes on; one that has them wires subports, each on its own network and under its
//! own rules. Where this machine's has none, a guest with a stock kernel runs the test again.

use super::{dhcp, traffic::*, world::*};
use crate::engine;
use kuryr_netlink::{LinkChange, Links, Namespace, PeerSpec, Stacked, StackedSpec, VethSpec};
use kuryr_neutron::{MacAddr, Network, NewPort, NewTrunk, Port, SecurityGroup, Status, SubPort, Trunk, TrunkId};
use serde_json::json;
use std::{
    net::UdpSocket,
    os::fd::AsFd,
    process::Command,
    time::{Duration, Instant},
};

const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rig/guest/run.sh");
/// Status of a guest that cannot run here.
const CANNOT: i32 = 77;
/// Said at the end of a test that ran.
const DONE: &str = "all of it was done";
/// For what a guest does, whose processor is another program.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this kernel has VLANs.
fn has_vlans() -> bool {
    let namespace = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(&namespace).unwrap();
    let peer = PeerSpec { name: "peer", mtu: 1500, ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: "parent", mtu: 1500, peer, ..VethSpec::default() }).unwrap();
    let parent = links.get("parent").unwrap().unwrap().index;
    links.create_stacked(&StackedSpec { name: "v", parent, kind: Stacked::Vlan(1), mtu: None, mac: None }).is_ok()
}

impl World {
    /// A port that no host has, to be carried.
    async fn free(&self, network: &Network, group: &SecurityGroup, mac: Option<MacAddr>) -> Port {
        let body = json!({"network_id": network.id, "security_groups": [group.id], "mac_address": mac});
        let new: NewPort = read(body);
        self.write(move |txn, context| engine::port::create(txn, context, new)).await
    }

    async fn trunk(&self, parent: &Port, sub_ports: Vec<SubPort>) -> Trunk {
        let new = NewTrunk { port_id: Some(parent.id), sub_ports, ..NewTrunk::default() };
        self.write(move |txn, context| engine::trunk::create(txn, context, new)).await
    }

    async fn carry(&self, id: TrunkId, port: &Port, vlan: u16) {
        let more = [SubPort::on_vlan(port.id, vlan)];
        self.write(move |txn, context| engine::trunk::add_subports(txn, context, id, &more)).await;
    }

    async fn drop_off(&self, id: TrunkId, port: &Port) {
        let less = [port.id];
        self.write(move |txn, context| engine::trunk::remove_subports(txn, context, id, &less)).await;
    }

    /// Waits until a trunk has a status.
    async fn trunk_status(&self, id: TrunkId, wanted: Status) {
        let mut changes = self.engine.changes();
        let reached = async {
            while self.engine.read(|state| state.trunks[&id].status) != wanted {
                changes.changed().await.unwrap();
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, reached).await;
        assert!(outcome.is_ok(), "trunk {id} did not become {wanted}: {:?}", self.plane.status());
    }

    fn is_wired(&self, port: &Port) -> bool {
        Links::open_in(&self.bridges()).unwrap().get(&port.id.tap_name()).unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_vlans_degrades_trunks_and_nothing_else() {
    if has_vlans() {
        println!("skipped: a_kernel_without_vlans_degrades_trunks_and_nothing_else: this kernel has VLANs");
        return;
    }
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    let body = || json!({"security_groups": [group.id]});
    let parent = world.container(network.id, body()).await;
    let sub = world.free(&network, &group, None).await;
    let trunk = world.trunk(&parent.port, vec![SubPort::on_vlan(sub.id, 7)]).await;
    world.trunk_status(trunk.id, Status::Degraded).await;
    let remedy =
        |failure: &String| failure.contains("subports of trunks need them") && failure.contains("modprobe 8021q");
    assert!(eventually(|| world.plane.status().failures.iter().any(remedy)), "{:?}", world.plane.status());
    assert_eq!(world.engine.read(|state| state.ports[&sub.id].status), Status::Down);
    // All else goes on, the parent included.
    let other = world.container(network.id, body()).await;
    world.status(other.port.id, Status::Active).await;
    world.status(parent.port.id, Status::Active).await;
    assert_ping(&parent.namespace, other.ip(), true);
    world.drop_off(trunk.id, &sub).await;
    world.trunk_status(trunk.id, Status::Active).await;
    assert!(eventually(|| world.plane.status().failures.is_empty()), "{:?}", world.plane.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn subports_are_on_their_own_networks() {
    const THIS: &str = "dataplane::tests::trunk::subports_are_on_their_own_networks";
    let is_guest = std::env::var_os("KURYR_GUEST").is_some();
    if is_guest || has_vlans() {
        // A guest's modprobe is in no folder of a system.
        let load = || Command::new("modprobe").arg("br_netfilter").status().unwrap().success();
        assert!(!is_guest || load());
        subports_have_their_own_networks_and_rules().await;
        subports_come_and_go_with_their_parents_and_the_data_plane().await;
        nobody_reaches_into_a_trunk_by_a_tag().await;
        println!("{DONE}");
        return;
    }
    let command = format!("{} --exact {THIS} --nocapture", std::env::current_exe().unwrap().display());
    let run = move || Command::new(RIG).args(["-t", "400", "--", &command]).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let (told, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(CANNOT) {
        println!("skipped: {THIS}: {}", complained.split_whitespace().collect::<Vec<_>>().join(" "));
        return;
    }
    assert!(output.status.success() && told.contains(DONE), "{}: {told}{complained}", output.status);
}

/// A container within a machine: an interface of a VLAN on the machine's own.
fn nested(machine: &Namespace, vlan: u16, mac: MacAddr, address: &str) -> Namespace {
    let inside = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(machine).unwrap();
    let parent = links.get("eth0").unwrap().unwrap().index;
    let spec = StackedSpec { name: "nested", parent, kind: Stacked::Vlan(vlan), mtu: None, mac: Some(mac.0) };
    links.create_stacked(&spec).unwrap();
    let index = links.get("nested").unwrap().unwrap().index;
    links.set(index, &LinkChange { namespace: Some(inside.as_fd()), ..LinkChange::default() }).unwrap();
    let mut links = Links::open_in(&inside).unwrap();
    raise(&mut links, "nested");
    add(&inside, address);
    inside
}

fn add(namespace: &Namespace, address: &str) {
    let mut links = Links::open_in(namespace).unwrap();
    let index = links.get("nested").unwrap().unwrap().index;
    links.add_address(index, address.parse().unwrap()).unwrap();
}

/// An answer comes, though an emulated machine may take its time for the first one.
#[track_caller]
fn reaches(from: &Namespace, to: &str, port: u16) {
    let end = Instant::now() + PATIENCE;
    let answers = || udp(from, None, to.parse().unwrap(), port, true);
    while !answers() {
        assert!(Instant::now() < end, "UDP to {to} port {port}");
    }
}

#[track_caller]
fn never_reaches(from: &Namespace, source: Option<&str>, to: &str, port: u16) {
    let source = source.map(|source| source.parse().unwrap());
    assert!(!udp(from, source, to.parse().unwrap(), port, false), "UDP to {to} port {port}");
}

const PORT: u16 = 53;

fn at(ip: &str, group: &SecurityGroup) -> serde_json::Value {
    json!({"fixed_ips": [{"ip_address": ip}], "security_groups": [group.id]})
}

async fn subports_have_their_own_networks_and_rules() {
    let world = World::new().await;
    let (outer, inner) = (world.net("10.0.0.0/24").await, world.net("10.1.0.0/24").await);
    let (open, shut) = (world.group().await, world.group().await);
    world.allow(&open, json!({"direction": "ingress"})).await;
    let machine = world.container(outer.id, at("10.0.0.10", &open)).await;
    let beside = world.container(outer.id, at("10.0.0.11", &open)).await;
    let peer = world.container(inner.id, at("10.1.0.11", &open)).await;
    let _servers = [&machine, &beside, &peer].map(|container| serve(&container.namespace, PORT));
    let sub = world.free(&inner, &shut, None).await;
    let address = sub.fixed_ips[0].ip_address.to_string();
    let trunk = world.trunk(&machine.port, vec![SubPort::on_vlan(sub.id, 7)]).await;
    world.trunk_status(trunk.id, Status::Active).await;
    world.status(sub.id, Status::Active).await;
    let child = nested(&machine.namespace, 7, sub.mac_address, &format!("{address}/24"));
    let _server = serve(&child, PORT);

    // DHCP knows it as any port of its network.
    assert_eq!(dhcp::offered(&child, "nested", sub.mac_address).await, sub.fixed_ips[0].ip_address);
    // What is tagged is on the subport's network, what is not on the parent's.
    reaches(&child, "10.1.0.11", PORT);
    reaches(&machine.namespace, "10.0.0.11", PORT);
    reaches(&beside.namespace, "10.0.0.10", PORT);
    add(&child, "10.0.0.12/24");
    never_reaches(&child, Some("10.0.0.12"), "10.0.0.11", PORT);
    never_reaches(&child, Some("10.0.0.12"), "10.0.0.10", PORT);
    // Its own groups decide, and a change of them counts at once.
    never_reaches(&peer.namespace, None, &address, PORT);
    let rule = world.allow(&shut, json!({"direction": "ingress", "protocol": "udp"})).await;
    reaches(&peer.namespace, &address, PORT);
    world.forbid(&rule).await;
    never_reaches(&peer.namespace, None, &address, PORT);
    world.allow(&shut, json!({"direction": "ingress"})).await;
    reaches(&peer.namespace, &address, PORT);
    // An address that is not its own is not heard, whatever the parent may send from.
    add(&child, "10.1.0.99/24");
    never_reaches(&child, Some("10.1.0.99"), "10.1.0.11", PORT);
    reaches(&child, "10.1.0.11", PORT);
    // Who is beside the machine does not reach into its VLAN by a tag.
    let stranger = nested(&beside.namespace, 7, beside.port.mac_address, "10.1.0.50/24");
    never_reaches(&stranger, None, &address, PORT);
    never_reaches(&stranger, None, "10.1.0.11", PORT);

    // Another network, by another VLAN, with the machine's own Ethernet address.
    let third = world.net("10.2.0.0/24").await;
    let far = world.container(third.id, at("10.2.0.11", &open)).await;
    let _far = serve(&far.namespace, PORT);
    let twin = world.free(&third, &open, Some(machine.port.mac_address)).await;
    world.carry(trunk.id, &twin, 8).await;
    world.trunk_status(trunk.id, Status::Active).await;
    let address = twin.fixed_ips[0].ip_address.to_string();
    let second = nested(&machine.namespace, 8, twin.mac_address, &format!("{address}/24"));
    let _second = serve(&second, PORT);
    reaches(&second, "10.2.0.11", PORT);
    reaches(&far.namespace, &address, PORT);

    // What is carried no more is on no network.
    world.drop_off(trunk.id, &sub).await;
    never_reaches(&child, None, "10.1.0.11", PORT);
    assert!(!world.is_wired(&sub) && world.is_wired(&twin));
    assert_eq!(world.engine.read(|state| state.ports[&sub.id].status), Status::Down);
    reaches(&second, "10.2.0.11", PORT);
    let id = trunk.id;
    world.write(move |txn, context| engine::trunk::delete(txn, context, id)).await;
    never_reaches(&second, None, "10.2.0.11", PORT);
    assert!(!world.is_wired(&twin));
    reaches(&machine.namespace, "10.0.0.11", PORT);
}

async fn subports_come_and_go_with_their_parents_and_the_data_plane() {
    let mut world = World::new().await;
    let (outer, inner) = (world.net("10.0.0.0/24").await, world.net("10.1.0.0/24").await);
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    let peer = world.container(inner.id, at("10.1.0.11", &group)).await;
    let _peer = serve(&peer.namespace, PORT);
    let parent = world.port(outer.id, at("10.0.0.10", &group)).await;
    let subs = [world.free(&inner, &group, None).await, world.free(&inner, &group, None).await];
    let carried = subs.iter().zip(7..).map(|(port, vlan)| SubPort::on_vlan(port.id, vlan)).collect();
    let trunk = world.trunk(&parent, carried).await;
    assert_eq!(world.engine.read(|state| state.trunks[&trunk.id].status), Status::Down, "nothing is plugged");
    let [first, second] = &subs;
    let address = |port: &Port| format!("{}/24", port.fixed_ips[0].ip_address);

    // A machine that starts, one that is gone, and one that starts again.
    for _ in 0..2 {
        let machine = world.plug(parent.clone());
        world.trunk_status(trunk.id, Status::Active).await;
        let child = nested(&machine.namespace, 7, first.mac_address, &address(first));
        reaches(&child, "10.1.0.11", PORT);
        Links::open_in(&world.bridges()).unwrap().delete_by_name(&parent.id.tap_name()).unwrap();
        world.trunk_status(trunk.id, Status::Down).await;
        world.status(first.id, Status::Down).await;
        assert!(subs.iter().all(|port| !world.is_wired(port)));
    }
    let machine = world.plug(parent.clone());
    world.trunk_status(trunk.id, Status::Active).await;
    let child = nested(&machine.namespace, 7, first.mac_address, &address(first));
    reaches(&child, "10.1.0.11", PORT);

    // What somebody takes away or sets down comes back.
    let mut links = Links::open_in(&world.bridges()).unwrap();
    links.delete_by_name(&first.id.tap_name()).unwrap();
    reaches(&child, "10.1.0.11", PORT);
    let index = links.get(&first.id.tap_name()).unwrap().unwrap().index;
    links.set(index, &LinkChange { up: Some(false), ..LinkChange::default() }).unwrap();
    reaches(&child, "10.1.0.11", PORT);

    // A restart changes nothing; what was asked for meanwhile is done by it.
    let before = links.get(&first.id.tap_name()).unwrap().unwrap().index;
    world.restart().await;
    assert_eq!(links.get(&first.id.tap_name()).unwrap().unwrap().index, before);
    world.stop().await;
    let (id, gone, context) = (trunk.id, [first.id, second.id], world.context.clone());
    let swapped = [SubPort::on_vlan(second.id, 7)];
    let change = world.engine.write(move |txn| {
        engine::trunk::remove_subports(txn, &context, id, &gone)?;
        engine::trunk::add_subports(txn, &context, id, &swapped)
    });
    change.await.unwrap();
    world.restart().await;
    world.trunk_status(trunk.id, Status::Active).await;
    assert!(!world.is_wired(first), "a leftover");
    assert_eq!(links.get(&second.id.tap_name()).unwrap().unwrap().vlan, Some(7));
    never_reaches(&child, None, "10.1.0.11", PORT);
}

/// Neither of the two has any guard, and still the subport's groups cannot be gone around.
async fn nobody_reaches_into_a_trunk_by_a_tag() {
    let world = World::new().await;
    let (outer, inner) = (world.net("10.0.0.0/24").await, world.net("10.1.0.0/24").await);
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    let insecure = || json!({"port_security_enabled": false, "security_groups": []});
    let machine = world.container(outer.id, insecure()).await;
    let beside = world.container(outer.id, insecure()).await;
    let peer = world.container(inner.id, at("10.1.0.11", &group)).await;
    let sub = world.free(&inner, &group, None).await;
    let address = sub.fixed_ips[0].ip_address;
    let trunk = world.trunk(&machine.port, vec![SubPort::on_vlan(sub.id, 7)]).await;
    world.trunk_status(trunk.id, Status::Active).await;
    let child = nested(&machine.namespace, 7, sub.mac_address, &format!("{address}/24"));
    let stranger = nested(&beside.namespace, 7, beside.port.mac_address, "10.1.0.50/24");
    let know = ["neighbour", "replace", &address.to_string(), "lladdr", &sub.mac_address.to_string(), "dev", "nested"];
    assert!(stranger.run(|| Command::new("ip").args(know).status()).unwrap().unwrap().success());

    let receiver = child.run(|| UdpSocket::bind(("0.0.0.0", PORT))).unwrap().unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let send = |from: &Namespace| {
        let sender = from.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
        sender.send_to(b"hello", (address, PORT)).unwrap();
    };
    // What may come is sent last.
    send(&stranger);
    send(&stranger);
    send(&peer.namespace);
    let (_, from) = receiver.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(from.ip(), peer.ip());
    assert_ping(&machine.namespace, beside.ip(), true);
}
