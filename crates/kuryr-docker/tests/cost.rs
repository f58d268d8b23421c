//! How many calls to Neutron each of Docker's operations costs. A real Neutron takes some 100 ms for each.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_config::CapabilityScope;
use kuryr_neutron::{Network, Subnet};
use rig::*;
use serde_json::json;

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];

/// What Docker asks for `docker network create`, and the calls that it cost.
async fn create(rig: &Rig, network: &str) -> (String, Vec<String>) {
    rig.calls();
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.gateway(&pool, "10.0.0.1").await;
    rig.ok("/NetworkDriver.CreateNetwork", Rig::network_request(network, &RANGE, json!({}))).await;
    let calls = rig.calls();
    rig.make_bridges().await;
    (pool, calls)
}

/// A process that knows what the cloud offers and has looked for what an earlier one left.
async fn warm() -> Rig {
    let rig = Rig::new().await;
    let (pool, _) = create(&rig, NETWORK_B).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK_B).await;
    rig.assert_nothing_left().await;
    rig
}

/// A container's start: its address, and the calls.
async fn start(rig: &Rig, pool: &str, number: u8) -> (String, Vec<String>) {
    let (endpoint, mac) = (number.to_string().repeat(64), format!("02:42:0a:00:00:0{number}"));
    rig.calls();
    let address = rig.request_address(pool, "", &mac).await;
    rig.create_endpoint(NETWORK, &endpoint, &address, "", &mac).await;
    rig.join(NETWORK, &endpoint).await;
    rig.endpoint("ProgramExternalConnectivity", NETWORK, &endpoint).await;
    (address, rig.calls())
}

async fn stop(rig: &Rig, pool: &str, address: &str, number: u8) -> Vec<String> {
    let endpoint = number.to_string().repeat(64);
    rig.calls();
    for method in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
        rig.endpoint(method, NETWORK, &endpoint).await;
    }
    rig.release_address(pool, address).await;
    rig.calls()
}

fn methods(calls: &[String]) -> Vec<&str> {
    calls.iter().filter_map(|call| call.split(' ').next()).collect()
}

#[tokio::test]
async fn operations_cost_no_more_calls_than_they_must() {
    let rig = warm().await;
    let (pool, created) = create(&rig, NETWORK).await;
    assert_eq!(methods(&created), ["GET", "POST", "POST", "POST"], "docker network create: {created:?}");
    rig.subnets_are_tagged().await;
    for number in 1..=3 {
        let (address, started) = start(&rig, &pool, number).await;
        assert_eq!(methods(&started), ["POST"], "a start, the first as well: {started:?}");
        let stopped = stop(&rig, &pool, &address, number).await;
        assert_eq!(methods(&stopped), ["DELETE"], "a stop: {stopped:?}");
    }
    rig.networks_are_tagged().await;
    rig.calls();
    rig.release_address(&pool, "10.0.0.1").await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    let removed = rig.calls();
    assert_eq!(methods(&removed), ["DELETE", "DELETE"], "docker network rm: {removed:?}");
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_older_docker_removes_a_network_with_as_few() {
    let rig = warm().await;
    let (pool, _) = create(&rig, NETWORK).await;
    rig.networks_are_tagged().await;
    rig.calls();
    rig.delete_network(NETWORK).await;
    rig.release_address(&pool, "10.0.0.1").await;
    rig.release_pool(&pool).await;
    let removed = rig.calls();
    assert_eq!(methods(&removed), ["DELETE", "DELETE"], "docker network rm: {removed:?}");
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn tags_follow_behind_and_not_for_a_container_that_is_gone() {
    let rig = warm().await;
    let (pool, _) = create(&rig, NETWORK).await;
    assert!(rig.only::<Subnet>().await.tags.is_empty(), "nobody waited for it");
    assert!(rig.only::<Network>().await.tags.is_empty(), "nor for that");
    rig.subnets_are_tagged().await;
    rig.networks_are_tagged().await;
    let (short, _) = start(&rig, &pool, 1).await;
    stop(&rig, &pool, &short, 1).await;
    let (address, _) = start(&rig, &pool, 2).await;
    rig.ports_are_marked().await;
    let mut calls = rig.calls_behind();
    calls.retain(|call| call.starts_with("PUT") && call.contains("/ports/"));
    assert_eq!(calls.len(), 2, "its endpoint, and all tags with one call, and none for the first: {calls:?}");
    assert_eq!(methods(&stop(&rig, &pool, &address, 2).await), ["DELETE"]);
}

#[tokio::test]
async fn what_others_may_look_for_or_a_container_depends_on_is_tagged_at_once() {
    let rig = Rig::with(|settings| settings.capability_scope = CapabilityScope::Global, false).await;
    create(&rig, NETWORK).await;
    assert!(!rig.only::<Network>().await.tags.is_empty(), "other hosts of a Swarm look for it");
    let rig = Rig::new().await;
    rig.request_pool(CIDR, json!({})).await;
    let mut body = Rig::network_request(NETWORK, &RANGE, json!({}));
    body["Options"]["com.docker.network.internal"] = json!(true);
    rig.ok("/NetworkDriver.CreateNetwork", body).await;
    assert!(
        !rig.only::<Network>().await.tags.is_empty(),
        "a container on it must get no way out, after a crash as well"
    );
}

#[tokio::test]
async fn a_network_whose_tags_a_crash_took_along_is_found_and_tagged() {
    for use_it in [true, false] {
        let mut rig = warm().await;
        let (pool, _) = create(&rig, NETWORK).await;
        rig.kill();
        assert!(rig.only::<Network>().await.tags.is_empty());
        if use_it {
            let (address, _) = start(&rig, &pool, 1).await;
            rig.networks_are_tagged().await;
            stop(&rig, &pool, &address, 1).await;
        }
        rig.release_address(&pool, "10.0.0.1").await;
        rig.release_pool(&pool).await;
        rig.delete_network(NETWORK).await;
        rig.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_restart_costs_calls_and_nothing_else() {
    let mut rig = warm().await;
    let (pool, _) = create(&rig, NETWORK).await;
    let (first, _) = start(&rig, &pool, 1).await;
    rig.restart().await;
    let (second, started) = start(&rig, &pool, 2).await;
    assert!(started.len() <= 7, "{started:?}");
    rig.ports_are_marked().await;
    rig.restart().await;
    for (number, address) in [(1, first), (2, second)] {
        let stopped = stop(&rig, &pool, &address, number).await;
        assert!(stopped.len() <= 7, "{stopped:?}");
    }
    rig.restart().await;
    rig.release_address(&pool, "10.0.0.1").await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}
