//! How many calls to Neutron each of Docker's operations costs. A real Neutron takes some 100 ms for each.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use rig::*;
use serde_json::json;

const RANGE: [(&str, &str); 1] = [("10.0.0.0/24", "10.0.0.1/24")];

#[tokio::test]
async fn operations_cost_no_more_calls_than_they_must() {
    let rig = Rig::new().await;
    rig.calls();
    let pool = rig.request_pool(RANGE[0].0, json!({})).await;
    rig.gateway(&pool, "10.0.0.1").await;
    let body = Rig::network_request(NETWORK, &RANGE, json!({}));
    rig.ok("/NetworkDriver.CreateNetwork", body.clone()).await;
    let create = rig.calls();
    // The repetition makes the bridge, which the data plane would have made.
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let mut costs = Vec::new();
    for number in 1..=3 {
        let endpoint = number.to_string().repeat(64);
        let mac = format!("02:42:0a:00:00:0{number}");
        rig.calls();
        let address = rig.request_address(&pool, "", &mac).await;
        rig.create_endpoint(NETWORK, &endpoint, &address, "", &mac).await;
        rig.join(NETWORK, &endpoint).await;
        let start = rig.calls();
        rig.endpoint("Leave", NETWORK, &endpoint).await;
        rig.endpoint("DeleteEndpoint", NETWORK, &endpoint).await;
        rig.release_address(&pool, &address).await;
        costs.push((start, rig.calls()));
    }
    // The first one learns the subnet and the network.
    assert_eq!(costs, [(9, 4), (7, 4), (7, 4)], "calls of a start and of a stop");
    rig.calls();
    rig.release_address(&pool, "10.0.0.1").await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    assert_eq!((create, rig.calls()), (8, 7), "calls of docker network create, with one for extensions, and rm");
    rig.assert_nothing_left().await;
}
