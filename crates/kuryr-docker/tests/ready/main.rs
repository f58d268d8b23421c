//! Ports that are kept ready: a container's start and stop wait for no call to Neutron, and no port is lost.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod drained;
mod groups;
mod model;
mod pairs;
#[path = "../rig/mod.rs"]
mod rig;

use kuryr_netlink::{
    Namespace,
    link::{LinkChange, Links},
};
use kuryr_neutron::{HostRoute, MacAddr, Port, PortUpdate, Subnet, SubnetUpdate};
use kuryr_ports::ReadyLimits;
use rig::*;
use serde_json::{Value, json};
use std::{os::fd::AsFd, time::Duration};

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];
const LIMITS: ReadyLimits = ReadyLimits { min: 2, max: 4, batch: 3 };

async fn rig() -> (Rig, String) {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let pool = network(&rig, json!({})).await;
    (rig, pool)
}

/// A Docker network with these options.
async fn network(rig: &Rig, options: Value) -> String {
    let pool = rig.request_pool(CIDR, options.clone()).await;
    rig.gateway(&pool, "10.0.0.1").await;
    rig.create_network(NETWORK, &RANGE, options).await;
    pool
}

/// What Docker asks when it was told that no MAC is needed.
async fn address(rig: &Rig, pool: &str, wanted: &str) -> String {
    let body = json!({"PoolID": pool, "Address": wanted, "Options": null});
    rig.ok("/IpamDriver.RequestAddress", body).await["Address"].as_str().unwrap().to_owned()
}

fn request(endpoint: &str, address: &str, mac: &str) -> Value {
    Rig::endpoint_request(NETWORK, endpoint, address, "", mac)
}

async fn start(rig: &Rig, pool: &str, endpoint: &str) -> (String, MacAddr) {
    let address = address(rig, pool, "").await;
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", request(endpoint, &address, "")).await;
    rig.join(NETWORK, endpoint).await;
    rig.endpoint("ProgramExternalConnectivity", NETWORK, endpoint).await;
    rig.ok("/NetworkDriver.EndpointOperInfo", json!({"NetworkID": NETWORK, "EndpointID": endpoint})).await;
    (address, answer["Interface"]["MacAddress"].as_str().unwrap().parse().unwrap())
}

async fn stop(rig: &Rig, pool: &str, endpoint: &str, address: &str) {
    for method in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
        rig.endpoint(method, NETWORK, endpoint).await;
    }
    rig.release_address(pool, address).await;
}

/// Docker moves a container's end into the container, and back.
async fn carry(rig: &Rig, mac: MacAddr, from: &Namespace, to: &Namespace) {
    let port = rig.all::<Port>().await.into_iter().find(|port| port.mac_address == mac).unwrap();
    let mut links = Links::open_in(from).unwrap();
    let end = links.get(&port.id.container_name()).unwrap().unwrap();
    links.set(end.index, &LinkChange { namespace: Some(to.as_fd()), ..LinkChange::default() }).unwrap();
}

/// The ports that no container has.
async fn unused(rig: &Rig) -> Vec<Port> {
    let mut all = rig.all::<Port>().await;
    all.retain(|port| port.name == "kuryr-ready-port" && port.device_id.is_empty());
    all
}

async fn remove(rig: &Rig, pool: &str) {
    rig.release_address(pool, "10.0.0.1").await;
    rig.release_pool(pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_start_and_a_stop_wait_for_no_call() {
    let (rig, pool) = rig().await;
    assert_eq!(rig.ok("/IpamDriver.GetCapabilities", json!({})).await, json!({"RequiresMACAddress": false}));
    // The first container of a network makes its own port.
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    let ready = unused(&rig).await;
    rig.calls();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    let used: Vec<&Port> =
        ready.iter().filter(|port| second.starts_with(&port.fixed_ips[0].ip_address.to_string())).collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].mac_address, mac, "Docker is told the MAC");
    assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
    rig.ports_are_marked().await;
    rig.calls();
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    rig.release_address(&pool, &second).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a stop, and its last part again");
    rig.service.settle().await;
    rig.written_behind(async || unused(&rig).await.iter().any(|port| port.id == used[0].id)).await;
    let back = unused(&rig).await.into_iter().find(|port| port.id == used[0].id).unwrap();
    assert_eq!(texts(&back.tags), ["compute:kuryr"], "as if no container had had it");
    stop(&rig, &pool, ENDPOINT, &first).await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn a_wanted_address_and_a_wanted_mac_are_kept() {
    let (rig, pool) = rig().await;
    assert_eq!(address(&rig, &pool, "10.0.0.77").await, "10.0.0.77/24", "nobody's yet");
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.ok("/NetworkDriver.CreateEndpoint", request(ENDPOINT, "10.0.0.77/24", MAC)).await;
    rig.service.settle().await;
    let port = rig.all::<Port>().await.into_iter().find(|port| port.device_id == ENDPOINT).unwrap();
    assert_eq!(port.mac_address.to_string(), MAC);
    let container = Links::open_in(&rig.host).unwrap().get(&port.id.container_name()).unwrap().unwrap();
    assert_eq!(container.mac, Some(port.mac_address.0));
    // The address of a ready port, and of one that another container has.
    let ready = unused(&rig).await.remove(0).fixed_ips[0].ip_address.to_string();
    assert_eq!(address(&rig, &pool, &ready).await, format!("{ready}/24"));
    let body = json!({"PoolID": pool, "Address": ready, "Options": null});
    assert_eq!(rig.err("/IpamDriver.RequestAddress", body).await.0, 409, "promised to one");
    rig.ok("/NetworkDriver.CreateEndpoint", request(ENDPOINT_B, &format!("{ready}/24"), MAC_B)).await;
    stop(&rig, &pool, ENDPOINT, "10.0.0.77").await;
    stop(&rig, &pool, ENDPOINT_B, &ready).await;
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn a_port_that_was_changed_goes_to_nobody_else() {
    for somebody_looks in [true, false] {
        changed_while_in_use(somebody_looks).await;
    }
}

#[tokio::test]
async fn a_ready_port_that_was_changed_goes_to_nobody() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    let opened = unused(&rig).await.remove(0).id;
    let update =
        PortUpdate { port_security_enabled: Some(false), security_groups: Some(Vec::new()), ..PortUpdate::default() };
    rig.neutron.update::<Port>(opened, &update).await.unwrap();
    rig.service.look_at_ready_ports().await.unwrap();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    rig.written_behind(async || rig.all::<Port>().await.iter().all(|port| port.id != opened)).await;
    assert!(rig.all::<Port>().await.iter().any(|port| port.mac_address == mac));
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

async fn changed_while_in_use(somebody_looks: bool) {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    rig.ports_are_marked().await;
    let port = rig.all::<Port>().await.into_iter().find(|port| port.mac_address == mac).unwrap();
    let update = PortUpdate { security_groups: Some(Vec::new()), ..PortUpdate::default() };
    rig.neutron.update::<Port>(port.id, &update).await.unwrap();
    if somebody_looks {
        rig.ok("/NetworkDriver.EndpointOperInfo", json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT_B})).await;
    }
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    rig.service.settle().await;
    assert!(rig.all::<Port>().await.iter().all(|other| other.id != port.id));
    stop(&rig, &pool, ENDPOINT, &first).await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn a_port_that_somebody_deleted_is_not_handed_out() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    for port in unused(&rig).await {
        rig.neutron.delete::<Port>(port.id).await.unwrap();
    }
    rig.service.look_at_ready_ports().await.unwrap();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    assert!(rig.all::<Port>().await.iter().any(|port| port.mac_address == mac));
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn where_the_cloud_refuses_more_ports_containers_start_all_the_same() {
    const MANY: ReadyLimits = ReadyLimits { min: 8, max: 8, batch: 8 };
    let rig = Rig::with(|settings| settings.ready = Some(MANY), false).await;
    let pool = rig.request_pool("10.0.0.0/29", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/29", "10.0.0.1/29")], json!({})).await;
    let endpoints: Vec<String> = (1..=5).map(|number| number.to_string().repeat(64)).collect();
    let mut addresses = Vec::new();
    for endpoint in &endpoints {
        addresses.push(start(&rig, &pool, endpoint).await.0);
    }
    assert_eq!(unused(&rig).await, Vec::<Port>::new(), "all or none are made with one call");
    for (endpoint, address) in endpoints.iter().zip(&addresses) {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn what_is_kept_no_longer_goes_at_the_next_start() {
    let (mut rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.change(|settings| settings.ready = None);
    rig.restart().await;
    stop(&rig, &pool, ENDPOINT, &first).await;
    rig.written_behind(async || unused(&rig).await.is_empty()).await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn whatever_dies_no_port_is_lost_or_used_twice() {
    let (mut rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    // Killed between the answer and what is written behind.
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    rig.kill();
    let info = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT_B});
    assert!(rig.ok("/NetworkDriver.EndpointOperInfo", info).await["Value"]["status"].is_string());
    rig.ports_are_marked().await;
    // Killed between the promise of an address and the endpoint: Docker comes back for it.
    rig.service.settle().await;
    let promised = unused(&rig).await.remove(0);
    let text = format!("{}/24", promised.fixed_ips[0].ip_address);
    rig.kill();
    let third = "3".repeat(64);
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", request(&third, &text, "")).await;
    assert_eq!(answer["Interface"]["MacAddress"], json!(promised.mac_address));
    // What is left of the earlier process rests, so that nobody else is given it meanwhile.
    let fourth = address(&rig, &pool, "").await;
    assert!(![&first, &second, &text].contains(&&fourth));
    let used: Vec<Port> = rig.all::<Port>().await;
    assert!(used.iter().filter(|port| port.mac_address == mac).count() == 1);
    rig.release_address(&pool, &fourth).await;
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second), (third.as_str(), &text)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

/// Nobody starts anything for so long.
async fn pause(minutes: u32) {
    tokio::time::pause();
    for _ in 0..minutes * 2 {
        tokio::time::advance(Duration::from_secs(30)).await;
        // What is due then does its part, on the embedded cloud's own threads too.
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::time::pause();
    }
    tokio::time::resume();
}

/// The same, with the cloud there afterwards. Calls that were under way while the time flew had no answer in time.
async fn pause_beside(rig: &Rig, minutes: u32) {
    pause(minutes).await;
    rig.written_behind(async || !rig.service.neutron().session().is_away()).await;
}

#[tokio::test]
async fn a_start_after_a_long_pause_waits_for_no_call() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    // An operator changes something meanwhile.
    let subnet = rig.only::<Subnet>().await;
    let route = HostRoute { destination: "192.0.2.0/24".parse().unwrap(), nexthop: "10.0.0.9".parse().unwrap() };
    let update = SubnetUpdate { host_routes: Some(vec![route]), ..SubnetUpdate::default() };
    rig.neutron.update::<Subnet>(subnet.id, &update).await.unwrap();
    pause(6).await;
    rig.calls();
    let second = address(&rig, &pool, "").await;
    rig.ok("/NetworkDriver.CreateEndpoint", request(ENDPOINT_B, &second, "")).await;
    let joined = rig.join(NETWORK, ENDPOINT_B).await;
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert!(joined["StaticRoutes"].to_string().contains("192.0.2.0/24"), "known by now: {joined}");
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn a_start_after_a_long_pause_needs_no_cloud() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    rig.take_cloud_away(true);
    pause(30).await;
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    rig.take_cloud_away(false);
    rig.ports_are_marked().await;
    assert!(rig.all::<Port>().await.iter().any(|port| port.mac_address == mac && port.device_id == ENDPOINT_B));
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}
