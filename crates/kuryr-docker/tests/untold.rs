//! What a process that was killed had answered, and had not told Neutron.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_netlink::link::Links;
use kuryr_neutron::Port;
use rig::*;
use serde_json::json;

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];
const EXTENSIONS: &str = "GET /networking/v2.0/extensions";

#[tokio::test]
async fn neutron_is_told_by_the_next_process_though_nobody_asks_for_anything() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "10.0.0.9", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    assert_eq!(rig.only::<Port>().await.device_id, "", "not told yet");
    rig.kill();
    rig.deny(EXTENSIONS);
    drop((rig.calls(), rig.calls_behind()));
    rig.service.recover().await;
    rig.ports_are_marked().await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "somebody waits for it");
    let asked = rig.calls_behind().into_iter().filter(|call| call == EXTENSIONS).count();
    assert!(asked > 1, "what failed is tried again");
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_endpoint_that_neutron_was_not_told_of_is_known_to_the_next_process() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "10.0.0.9", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    assert_eq!(rig.only::<Port>().await.device_id, "", "not told yet");
    rig.kill();
    // Each of these may be the first thing that Docker asks.
    let port = rig.only::<Port>().await;
    let info = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT});
    assert!(rig.ok("/NetworkDriver.EndpointOperInfo", info).await["Value"]["status"].is_string());
    rig.kill();
    assert_eq!(rig.join(NETWORK, ENDPOINT).await["InterfaceName"]["SrcName"], port.id.container_name());
    rig.kill();
    let body = Rig::endpoint_request(NETWORK, ENDPOINT_B, &address, "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert!(status == 409 && text.contains(ENDPOINT), "{status} {text}");
    rig.kill();
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.ports_are_marked().await;
    rig.kill();
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    assert_eq!(rig.links(), (vec![], vec![]));
    rig.kill();
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn nothing_is_left_of_an_endpoint_that_neutron_was_never_told_of() {
    for known_to_kernel in [true, false] {
        let mut rig = Rig::new().await;
        let pool = rig.request_pool(CIDR, json!({})).await;
        rig.create_network(NETWORK, &RANGE, json!({})).await;
        let address = rig.request_address(&pool, "", MAC).await;
        rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
        rig.kill();
        if !known_to_kernel {
            // The machine was restarted too.
            let port = rig.only::<Port>().await;
            Links::open_in(&rig.taps).unwrap().delete_by_name(&port.id.tap_name()).unwrap();
        }
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        rig.kill();
        rig.release_address(&pool, &address).await;
        rig.release_pool(&pool).await;
        rig.delete_network(NETWORK).await;
        rig.assert_nothing_left().await;
    }
}
