//! A 404 that is not Neutron's, but of what stands before it: what is said not to exist is there, and must not be forgotten.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_docker::reconcile::{Reconciler, Truth, Young};
use kuryr_neutron::{Port, SecurityGroup};
use kuryr_ports::ReadyLimits;
use rig::*;
use serde_json::json;
use std::path::Path;

const LIMITS: ReadyLimits = ReadyLimits { min: 1, max: 4, batch: 1 };

/// The groups of exposed ports.
async fn exposed(rig: &Rig) -> usize {
    rig.all::<SecurityGroup>().await.iter().filter(|group| group.name.ends_with("-exposed_ports")).count()
}

/// A network where ports are kept ready, its pool, and the address of a ready port that the next container gets.
async fn promised() -> (Rig, String, String) {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    let request = json!({"PoolID": pool, "Address": "", "Options": null});
    let address = async || {
        let answer = rig.ok("/IpamDriver.RequestAddress", request.clone()).await;
        answer["Address"].as_str().unwrap().to_owned()
    };
    // The first one makes that ports are kept ready.
    address().await;
    // Neutron shows a port before it answers.
    rig.written_behind(async || rig.service.ready_stock().iter().any(|(_, _, stock)| stock.ready > 0)).await;
    let address = address().await;
    (rig, pool, address)
}

/// A container with an exposed port that got a ready port, has gone, and given it back. The first such call from
/// this request of Docker's on was denied.
async fn came_and_went(denied: &str, before: &str) -> Rig {
    let (rig, pool, address) = promised().await;
    rig.ok("/NetworkDriver.CreateEndpoint", Rig::endpoint_request(NETWORK, ENDPOINT, &address, "", "")).await;
    let exposed_port = json!({"com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}]});
    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": exposed_port});
    rig.ok("/NetworkDriver.ProgramExternalConnectivity", body).await;
    assert_eq!(exposed(&rig).await, 1);
    rig.written_behind(async || rig.all::<Port>().await.iter().any(|port| port.device_id == ENDPOINT)).await;
    rig.service.settle().await;
    for method in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
        if method == before {
            rig.deny(denied);
        }
        rig.endpoint(method, NETWORK, ENDPOINT).await;
    }
    rig.release_address(&pool, &address).await;
    rig
}

fn is_ready(port: &Port) -> bool {
    port.name == "kuryr-ready-port" && port.device_id.is_empty()
}

#[tokio::test]
async fn a_group_whose_port_waits_for_its_next_container_goes() {
    let rig = came_and_went("DELETE /networking/v2.0/security-groups", "RevokeExternalConnectivity").await;
    rig.written_behind(async || rig.all::<Port>().await.iter().filter(|port| is_ready(port)).count() == 2).await;
    assert_eq!(exposed(&rig).await, 1);
    let reconciler = Reconciler::new(&rig.service, Path::new("/nowhere/docker.sock"), Young::Remembered);
    let outcome = reconciler.collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), exposed(&rig).await), (1, 0), "{outcome:?}");
}

#[tokio::test]
async fn a_port_that_is_said_to_be_gone_becomes_ready_again() {
    let rig = came_and_went("PUT /networking/v2.0/ports", "DeleteEndpoint").await;
    let is_back = || rig.service.ready_stock().iter().any(|(_, _, stock)| stock.ready == 2 && stock.returning == 0);
    rig.written_behind(async || is_back()).await;
    assert_eq!(rig.all::<Port>().await.iter().filter(|port| is_ready(port)).count(), 2);
}

#[tokio::test]
async fn of_a_port_in_use_that_is_said_to_be_gone_neutron_is_told_again_who_has_it() {
    let (rig, _, address) = promised().await;
    rig.deny("PUT /networking/v2.0/ports");
    rig.ok("/NetworkDriver.CreateEndpoint", Rig::endpoint_request(NETWORK, ENDPOINT, &address, "", "")).await;
    rig.written_behind(async || rig.all::<Port>().await.iter().any(|port| port.device_id == ENDPOINT)).await;
}
