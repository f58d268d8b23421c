//! What nobody has any more is removed, and nothing else.
//!
//! Docker is a stand-in here that lists what the test says; the container suite compares with a real one.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod nested;
mod networks;
#[path = "../rig/mod.rs"]
mod rig;

use axum::{Json, Router, routing::get};
use kuryr_docker::reconcile::{Difference, Done, Outcome, Reconciler, Truth, Young};
use kuryr_neutron::{HostId, Network, NewPort, Port, PortUpdate, ProjectId, SecurityGroup, Subnet};
use kuryr_ports::ReadyLimits;
use rig::*;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CIDR: &str = "10.0.0.0/24";
const CIDR6: &str = "fd00::/64";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];

const NETWORK_C: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// A Docker that has one network with these endpoints.
struct Docker {
    folder: tempfile::TempDir,
    endpoints: Arc<Mutex<Vec<&'static str>>>,
}

impl Docker {
    fn start(endpoints: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoints = Arc::new(Mutex::new(endpoints.to_vec()));
        let listed = Arc::clone(&endpoints);
        let inspect = move || async move {
            let all: serde_json::Map<String, Value> = listed
                .lock()
                .unwrap()
                .iter()
                .map(|id| (format!("c{id}"), json!({"Name": "web", "EndpointID": id})))
                .collect();
            Json(json!({"Containers": all}))
        };
        let networks = json!([{"Id": NETWORK, "Name": "blue", "Driver": "kuryr", "Scope": "local"}]);
        let router = Router::new()
            .route("/networks", get(move || async move { Json(networks) }))
            .route(&format!("/networks/{NETWORK}"), get(inspect));
        let listener = tokio::net::UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { folder, endpoints }
    }

    fn reconciler(&self, rig: &Rig) -> Reconciler {
        Reconciler::new(&rig.service, &self.folder.path().join("docker.sock"), Young::Remembered)
    }
}

/// A container on a network, as a process that is gone now left it.
async fn container(rig: &mut Rig) -> String {
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.ports_are_marked().await;
    rig.subnets_are_tagged().await;
    rig.restart().await;
    pool
}

fn differences(outcome: &Outcome) -> Vec<Difference> {
    outcome.rows.iter().map(|row| row.difference).collect()
}

#[tokio::test]
async fn what_docker_has_stays_and_what_it_forgot_goes() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    let docker = Docker::start(&[ENDPOINT]);
    let before = rig.inventory().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(differences(&outcome), [Difference::None, Difference::None], "{outcome:?}");
    assert_eq!(rig.inventory().await, before);

    docker.endpoints.lock().unwrap().clear();
    let compared = docker.reconciler(&rig).compare().await.unwrap();
    assert_eq!(differences(&compared), [Difference::None, Difference::NotInDocker]);
    assert_eq!(rig.inventory().await, before, "comparing changes nothing");
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (1, 0), "{outcome:?}");
    assert!(rig.all::<Port>().await.is_empty() && rig.links() == (vec![], vec![]), "{:?}", rig.inventory().await);
    let again = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((again.removed.len(), differences(&again)), (0, vec![Difference::None]));
}

#[tokio::test]
async fn nothing_goes_before_docker_can_have_come_back() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    // In the middle of a start: the endpoint's next request finds nobody, and is repeated after up to eight seconds.
    let docker = Docker::start(&[]);
    let (started, stop) = (Instant::now(), CancellationToken::new());
    let (_every, pause) = watch::channel(Some(Duration::from_secs(60)));
    let removed = Mutex::new(None);
    let observe = |done: &Done| {
        let outcome = done.outcome.as_ref().unwrap();
        *removed.lock().unwrap() = Some((started.elapsed().saturating_sub(done.took), outcome.removed.len()));
        stop.cancel();
    };
    docker.reconciler(&rig).run(pause, stop.clone(), observe).await;
    let (when, count) = removed.into_inner().unwrap().unwrap();
    assert!(when > Duration::from_secs(8) && count == 1, "{count} removed after {when:?}");
}

#[tokio::test]
async fn a_start_that_meets_the_comparison_gets_a_port() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.subnets_are_tagged().await;
    // Docker comes back to another process, which does not know what it promised, and is about to remove it.
    rig.restart().await;
    let docker = Docker::start(&[]);
    let reconciler = docker.reconciler(&rig);
    let (reached, released) = rig.hold("DELETE /networking/v2.0/ports", false);
    let start = async {
        reached.notified().await;
        let mut create = std::pin::pin!(rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC));
        let done = tokio::time::timeout(Duration::from_millis(500), &mut create).await;
        released.notify_one();
        if done.is_err() {
            create.await;
        }
    };
    let (outcome, ()) = tokio::join!(reconciler.collect(Truth::Docker), start);
    assert_eq!(outcome.unwrap().removed.len(), 1, "what nobody had asked for yet");
    let port = rig.only::<Port>().await;
    assert_eq!(rig.links(), (vec![port.id.container_name()], vec![port.id.tap_name()]));
}

#[tokio::test]
async fn a_port_whose_creation_is_not_answered_yet_is_not_collected() {
    let rig = Rig::with(|settings| settings.ready = Some(ReadyLimits { min: 1, max: 1, batch: 1 }), false).await;
    let (v4, v6) = (rig.request_pool(CIDR, json!({})).await, rig.request_pool(CIDR6, json!({})).await);
    rig.gateway(&v4, "10.0.0.1").await;
    rig.gateway(&v6, "fd00::1").await;
    let ranges = [(CIDR, "10.0.0.1/24"), (CIDR6, "fd00::1/64")];
    rig.create_network(NETWORK, &ranges, json!({})).await;
    rig.subnets_are_tagged().await;
    let docker = Docker::start(&[]);
    let reconciler = docker.reconciler(&rig);
    let (reached, released) = rig.hold_answer("POST /networking/v2.0/ports");
    let body = json!({"PoolID": v6, "Address": "", "Options": null});
    let compare = async {
        reached.notified().await;
        let outcome = reconciler.collect(Truth::Docker).await.unwrap();
        released.notify_one();
        outcome
    };
    let (answer, outcome) = tokio::join!(rig.ok("/IpamDriver.RequestAddress", body), compare);
    assert!(outcome.removed.is_empty(), "{outcome:?}");
    let port = rig.only::<Port>().await;
    assert_eq!(answer["Address"], format!("{}/64", port.fixed_ips[0].ip_address));
}

#[tokio::test]
async fn a_network_whose_tags_are_not_written_yet_keeps_its_containers() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    // The process that made it was killed before it could write them.
    let network = rig.only::<Network>().await;
    rig.neutron.set_tags::<Network>(network.id, &[]).await.unwrap();
    let docker = Docker::start(&[ENDPOINT]);
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert!(outcome.removed.is_empty(), "{outcome:?}");
    assert_eq!(rig.only::<Port>().await.device_id, ENDPOINT);
    let outcome = docker.reconciler(&rig).collect(Truth::Neutron).await.unwrap();
    assert!(outcome.removed.is_empty() && outcome.failed.is_empty(), "{outcome:?}");
}

#[tokio::test]
async fn a_neighbour_on_the_same_host_keeps_its_ports() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    let port = rig.only::<Port>().await;
    let theirs = PortUpdate {
        description: Some(port.description.replace(" on here", " on next-door")),
        ..PortUpdate::default()
    };
    assert!(port.description.ends_with(" on here"), "{}", port.description);
    rig.neutron.update::<Port>(port.id, &theirs).await.unwrap();
    let outcome = Docker::start(&[]).reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert!(outcome.removed.is_empty() && outcome.failed.is_empty(), "{outcome:?}");
    assert_eq!(rig.only::<Port>().await.id, port.id);
    assert_eq!(rig.links().0.len(), 1, "and its interface");
    let seen = Docker::start(&[ENDPOINT]).reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(differences(&seen), [Difference::None, Difference::None], "used here, made there");
}

#[tokio::test]
async fn a_port_on_its_way_and_a_docker_that_is_silent_stop_nothing() {
    let mut rig = Rig::new().await;
    let pool = container(&mut rig).await;
    // Asked for by a Docker that has not called its endpoint into being yet.
    rig.request_address(&pool, "", MAC_B).await;
    let (docker, silent) = (Docker::start(&[ENDPOINT]), tempfile::tempdir().unwrap());
    let before = rig.inventory().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert!(differences(&outcome).contains(&Difference::Young), "{outcome:?}");
    let absent = Reconciler::new(&rig.service, &silent.path().join("docker.sock"), Young::Remembered);
    let outcome = absent.collect(Truth::Docker).await.unwrap();
    assert!(outcome.without_docker && outcome.removed.is_empty(), "{outcome:?}");
    assert_eq!(rig.inventory().await, before);
    // Another process does not remember: it goes by the clock.
    let elsewhere = Young::Changed(Duration::from_secs(60));
    rig.restart().await;
    let other = Reconciler::new(&rig.service, &docker.folder.path().join("docker.sock"), elsewhere);
    assert!(other.collect(Truth::Docker).await.unwrap().removed.is_empty());
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(outcome.removed.len(), 1, "left by a process that is gone: {outcome:?}");
}

#[tokio::test]
async fn what_others_made_is_not_touched() {
    let rig = Rig::new().await;
    rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.subnets_are_tagged().await;
    let subnet = rig.only::<Subnet>().await;
    let unbound = "kuryr-unbound-port";
    for (name, owner, host) in [
        ("vm", "compute:nova", "here"),
        ("mine", "compute:kuryr", "here"),
        ("", "network:dhcp", "here"),
        (unbound, "compute:kuryr", "there"),
    ] {
        let new = NewPort {
            network_id: Some(subnet.network_id),
            name: name.to_owned(),
            device_owner: Some(owner.to_owned()),
            device_id: Some(ENDPOINT_B.to_owned()),
            binding_host_id: Some(HostId(host.to_owned())),
            ..NewPort::default()
        };
        rig.neutron.create::<Port>(&new).await.unwrap();
    }
    // In another project, which only an administrator is shown.
    let elsewhere = NewPort {
        project_id: Some(ProjectId("another".to_owned())),
        network_id: Some(subnet.network_id),
        name: format!("{ENDPOINT_B}-port"),
        device_owner: Some("compute:kuryr".to_owned()),
        device_id: Some(ENDPOINT_B.to_owned()),
        binding_host_id: Some(HostId("here".to_owned())),
        ..NewPort::default()
    };
    rig.neutron.create::<Port>(&elsewhere).await.unwrap();
    let port = rig.all::<Port>().await.remove(0);
    let group = |name: String, description: &str| kuryr_neutron::NewSecurityGroup {
        name,
        description: Some(description.to_owned()),
        ..Default::default()
    };
    let description = "Docker exposed ports created by Kuryr.";
    for new in [
        group(format!("{}-exposed_ports", port.id), description),
        group("exposed_ports".to_owned(), description),
        group(format!("{}-exposed_ports", uuid::Uuid::nil()), "somebody's"),
    ] {
        rig.neutron.create::<SecurityGroup>(&new).await.unwrap();
    }
    let docker = Docker::start(&[]);
    let before = rig.inventory().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert!(outcome.removed.is_empty() && outcome.failed.is_empty(), "{outcome:?}");
    assert_eq!(rig.inventory().await, before);
    rig.neutron
        .create::<SecurityGroup>(&group(format!("{}-exposed_ports", uuid::Uuid::nil()), description))
        .await
        .unwrap();
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(outcome.removed.len(), 1, "{outcome:?}");
    assert_eq!(rig.inventory().await, before);
}

#[tokio::test]
async fn a_prepared_port_is_given_back_as_it_was() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let subnet = rig.only::<Subnet>().await;
    let new = NewPort { network_id: Some(subnet.network_id), name: "mine".to_owned(), ..NewPort::default() };
    let mine: Port = rig.neutron.create(&new).await.unwrap();
    let address = rig.request_address(&pool, &mine.fixed_ips[0].ip_address.to_string(), MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.subnets_are_tagged().await;
    rig.restart().await;
    let outcome = Docker::start(&[]).reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (1, 0), "{outcome:?}");
    let back = rig.only::<Port>().await;
    assert_eq!((back.id, back.name.as_str(), back.tags.len()), (mine.id, "mine", 0));
    assert!(back.device_id.is_empty() && back.binding_host_id.is_empty(), "{back:?}");
    assert_eq!(rig.links(), (vec![], vec![]));
}

#[tokio::test]
async fn a_lost_port_is_told_and_a_lost_interface_too() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    let docker = Docker::start(&[ENDPOINT]);
    let port = rig.only::<Port>().await;
    let mut links = kuryr_netlink::Links::open_in(&rig.taps).unwrap();
    links.delete_by_name(&port.id.tap_name()).unwrap();
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(differences(&outcome), [Difference::None, Difference::NotInKernel]);
    rig.neutron.delete_if_exists::<Port>(port.id).await.unwrap();
    rig.restart().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(differences(&outcome), [Difference::None, Difference::NotInNeutron]);
    assert!(outcome.removed.is_empty(), "Docker is right: {outcome:?}");
}

#[tokio::test]
async fn an_interface_that_carries_packets_is_not_taken_whatever_docker_says() {
    let mut rig = Rig::new().await;
    container(&mut rig).await;
    let port = rig.only::<Port>().await;
    let mut links = kuryr_netlink::Links::open_in(&rig.host).unwrap();
    let inside = links.get(&port.id.container_name()).unwrap().unwrap().index;
    let change = |up| kuryr_netlink::LinkChange { up: Some(up), ..Default::default() };
    links.set(inside, &change(true)).unwrap();
    let docker = Docker::start(&[]);
    let before = rig.inventory().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(differences(&outcome), [Difference::None, Difference::InUse]);
    assert_eq!(rig.inventory().await, before);
    links.set(inside, &change(false)).unwrap();
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!(outcome.removed.len(), 1, "{outcome:?}");
}
