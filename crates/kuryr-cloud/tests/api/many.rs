//! Thousands of ports: each is made, and lists of them are whole or filtered.

use crate::client::{Client, HOST, neutron};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn thousands_of_ports_are_made_and_listed() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let body = json!({"port": {"network_id": network, "binding:host_id": HOST}});
    for _ in 0..300 {
        client.post(&neutron("ports"), body.clone()).await.expect(201);
    }
    for _ in 0..9 {
        let ports = vec![json!({"network_id": network}); 1000];
        client.post(&neutron("ports"), json!({ "ports": ports })).await.expect(201);
    }
    let none = client.get(&neutron("ports?device_owner=nothing&binding%3Ahost_id=there")).await.expect(200);
    assert_eq!(none.body["ports"], json!([]));
    let here = client.get(&neutron(&format!("ports?binding%3Ahost_id={HOST}"))).await.expect(200);
    assert_eq!(here.body["ports"].as_array().unwrap().len(), 300);
    let all = client.get(&neutron("ports")).await.expect(200);
    let addresses = all.body["ports"].as_array().unwrap().iter();
    let addresses: BTreeSet<_> = addresses.map(|port| port["fixed_ips"][0]["ip_address"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 9300, "an address of its own for each");
}
