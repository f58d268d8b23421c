//! Published ports, request by request: what Docker asks for, what it is told, and that nothing stays.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_config::PublishPorts;
use kuryr_neutron::{Network, SecurityGroup};
use rig::*;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};

const PROGRAM: &str = "/NetworkDriver.ProgramExternalConnectivity";

fn publish(endpoint: &str, ports: &Value) -> Value {
    json!({"NetworkID": NETWORK, "EndpointID": endpoint, "Options":
        {"com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}], "com.docker.network.portmap": ports}})
}

/// One port as Docker writes it.
fn port(protocol: u8, host_port: u16) -> Value {
    json!({"Proto": protocol, "IP": "", "Port": 80, "HostIP": "127.0.0.1", "HostPort": host_port, "HostPortEnd": host_port})
}

/// A network with a container on it, and the container's pool and address.
async fn container(rig: &Rig) -> (String, String) {
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    (pool, address)
}

async fn published(rig: &Rig) -> Value {
    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT});
    rig.ok("/NetworkDriver.EndpointOperInfo", body).await["Value"]["com.docker.network.portmap"].clone()
}

async fn end(rig: &Rig, (pool, address): (String, String)) {
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn the_host_listens_from_the_request_to_the_end_of_the_endpoint() {
    let rig = Rig::new().await;
    let place = container(&rig).await;
    let (_, told) = rig.err(PROGRAM, publish(ENDPOINT, &json!([port(6, 0)]))).await;
    assert!(told.contains("start the container again"), "it has not joined: {told}");
    rig.join(NETWORK, ENDPOINT).await;
    for revoke in [true, false] {
        rig.ok(PROGRAM, publish(ENDPOINT, &json!([port(6, 0), port(17, 0)]))).await;
        let before = published(&rig).await;
        rig.ok(PROGRAM, publish(ENDPOINT, &json!([port(6, 0), port(17, 0)]))).await;
        assert_eq!(published(&rig).await, before, "asked again");
        let host_port = u16::try_from(before[0]["HostPort"].as_u64().unwrap()).unwrap();
        let expected = json!({"Proto": 6, "IP": "", "Port": 80, "HostIP": "127.0.0.1", "HostPort": host_port, "HostPortEnd": host_port});
        assert_eq!((&before[0], before.as_array().unwrap().len()), (&expected, 2));
        assert!(TcpStream::connect(("127.0.0.1", host_port)).is_ok());
        if revoke {
            rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
            rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
            assert_eq!(published(&rig).await, json!([]));
            drop(TcpListener::bind(("127.0.0.1", host_port)).unwrap());
        }
    }
    end(&rig, place).await;
}

#[tokio::test]
async fn what_cannot_be_published_changes_nothing() {
    let rig = Rig::new().await;
    let place = container(&rig).await;
    rig.join(NETWORK, ENDPOINT).await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = other.local_addr().unwrap().port();
    for (ports, status, words) in [
        (json!([port(6, 0), port(6, used)]), 409, format!("tcp port {used} of 127.0.0.1 is in use")),
        (json!([port(6, 0), port(132, 0)]), 500, "80/sctp cannot be published".to_owned()),
    ] {
        let (code, told) = rig.err(PROGRAM, publish(ENDPOINT, &ports)).await;
        assert!(code == status && told.contains(&words), "{code} {told}");
        assert_eq!(published(&rig).await, json!([]));
        assert_eq!(rig.all::<SecurityGroup>().await.len(), 1, "nothing is opened");
    }
    end(&rig, place).await;
}

#[tokio::test]
async fn nowhere_is_what_the_original_did() {
    let rig = Rig::with(|settings| settings.publish_ports = PublishPorts::Nowhere, false).await;
    let place = container(&rig).await;
    rig.ok(PROGRAM, publish(ENDPOINT, &json!([port(6, 0), port(132, 0)]))).await;
    assert_eq!(published(&rig).await, json!([]));
    assert_eq!(rig.all::<SecurityGroup>().await.len(), 2, "exposed all the same");
    end(&rig, place).await;
}

#[tokio::test]
async fn a_network_says_how_it_publishes() {
    for (default, own, words) in [
        (PublishPorts::Host, "floating_ip", "no router with an external gateway"),
        (PublishPorts::FloatingIp, "none", ""),
        (PublishPorts::FloatingIp, "host", ""),
    ] {
        let mut rig = Rig::with(|settings| settings.publish_ports = default, false).await;
        let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
        rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({"neutron.net.publish": own})).await;
        rig.networks_are_tagged().await;
        let tags = texts(&rig.only::<Network>().await.tags).join(" ");
        assert!(tags.contains(&format!("kuryr.net.publish:aaaaaaaaaaaa:{own}")), "{tags}");
        rig.restart().await;
        let address = rig.request_address(&pool, "", MAC).await;
        rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
        rig.join(NETWORK, ENDPOINT).await;
        let body = publish(ENDPOINT, &json!([port(6, 0)]));
        if words.is_empty() {
            rig.ok(PROGRAM, body).await;
            assert_eq!(published(&rig).await.as_array().unwrap().len(), usize::from(own == "host"));
        } else {
            // What is missing is said.
            let (_, told) = rig.err(PROGRAM, body).await;
            assert!(told.contains(words), "{told}");
            assert_eq!(rig.all::<SecurityGroup>().await.len(), 1, "nothing is opened");
        }
        end(&rig, (pool, address)).await;
    }
    let rig = Rig::new().await;
    rig.request_pool("10.0.0.0/24", json!({})).await;
    let request = Rig::network_request(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({"neutron.net.publish": "x"}));
    let (status, told) = rig.err("/NetworkDriver.CreateNetwork", request).await;
    assert!(status == 400 && told.contains("host, floating_ip or none"), "{status} {told}");
}

#[tokio::test]
async fn without_tags_a_network_cannot_say_how_it_publishes() {
    let rig = Rig::without_tags().await;
    rig.request_pool("10.0.0.0/24", json!({})).await;
    let own = json!({"neutron.net.publish": "none"});
    let request = Rig::network_request(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], own);
    let (_, told) = rig.err("/NetworkDriver.CreateNetwork", request).await;
    assert!(told.contains("neutron.net.publish") && told.contains("standard-attr-tag"), "{told}");
}
