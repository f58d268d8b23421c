//! Endpoints with addresses that nobody requested for them: Docker restarted in between, or somebody else is asking.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_neutron::{FixedIpRequest, NewPort, Port, Subnet};
use rig::*;
use serde_json::json;

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];
const ADDRESS: &str = "10.0.0.9/24";

#[tokio::test]
async fn a_port_made_for_an_endpoint_goes_when_it_cannot_be_plugged() {
    let rig = Rig::new().await;
    rig.request_pool(CIDR, json!({})).await;
    // Without the bridge that the cloud's data plane makes.
    rig.ok("/NetworkDriver.CreateNetwork", Rig::network_request(NETWORK, &RANGE, json!({}))).await;
    rig.service.settle().await;
    let before = rig.inventory().await;
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, ADDRESS, "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert!(status == 500 && text.contains("brq"), "{status} {text}");
    assert_eq!(rig.inventory().await, before);
}

#[tokio::test]
async fn another_endpoints_port_is_not_taken_even_with_its_mac() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.service.settle().await;
    let before = rig.inventory().await;
    for mac in [MAC, MAC_B, ""] {
        let body = Rig::endpoint_request(NETWORK, ENDPOINT_B, &address, "", mac);
        let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
        assert!(status == 409 && text.contains(ENDPOINT), "{status} {text}");
        assert_eq!(rig.inventory().await, before);
    }
}

#[tokio::test]
async fn a_prepared_port_is_remembered_as_somebodys() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let subnet = rig.only::<Subnet>().await;
    let address = FixedIpRequest { subnet_id: Some(subnet.id), ip_address: Some("10.0.0.9".parse().unwrap()) };
    let new = NewPort {
        network_id: Some(subnet.network_id),
        name: "mine".to_owned(),
        fixed_ips: Some(vec![address]),
        ..NewPort::default()
    };
    let mine: Port = rig.neutron.create(&new).await.unwrap();
    rig.create_endpoint(NETWORK, ENDPOINT, ADDRESS, "", MAC).await;
    let used = rig.only::<Port>().await;
    assert_eq!(used.id, mine.id);
    assert!(texts(&used.tags).contains(&"kuryr.port.existing"), "{:?}", used.tags);
    rig.restart().await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, ADDRESS).await;
    let back = rig.only::<Port>().await;
    assert_eq!((back.id, back.name.as_str(), back.tags.len()), (mine.id, "mine", 0));
}
