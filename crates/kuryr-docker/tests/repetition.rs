//! Requests that come twice, at once, in the wrong order, or fail half way.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use axum::http::StatusCode;
use kuryr_netlink::link::Links;
use kuryr_neutron::{Network, NewNetwork, NewPort, NewSubnet, Port, Subnet, SubnetPool};
use kuryr_ports::pool_tag;
use rig::*;
use serde_json::json;
use std::time::Duration;

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];

#[tokio::test]
async fn a_network_is_created_once() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    let body = || Rig::network_request(NETWORK, &RANGE, json!({}));
    let path = "/NetworkDriver.CreateNetwork";
    let (first, second) = tokio::join!(rig.ask(path, body()), rig.ask(path, body()));
    assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK));
    rig.restart().await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.only::<Network>().await;
    rig.only::<Subnet>().await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_restart_between_pool_and_network_is_survived() {
    let mut rig = Rig::new().await;
    for _ in 0..2 {
        let pool = rig.request_pool(CIDR, json!({})).await;
        rig.restart().await;
        rig.create_network(NETWORK, &RANGE, json!({})).await;
        rig.restart().await;
        let second = rig.request_pool(CIDR, json!({})).await;
        assert_ne!(pool, second);
        rig.restart().await;
        rig.create_network(NETWORK_B, &RANGE, json!({})).await;
        for (id, pool) in [(NETWORK, pool), (NETWORK_B, second)] {
            rig.release_pool(&pool).await;
            rig.delete_network(id).await;
        }
        rig.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn two_networks_with_one_range_do_not_meet() {
    let rig = Rig::new().await;
    let first = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let second = rig.request_pool(CIDR, json!({})).await;
    assert_ne!(first, second);
    rig.create_network(NETWORK_B, &RANGE, json!({})).await;
    let names: Vec<String> = rig.all::<SubnetPool>().await.into_iter().map(|p| p.name).collect();
    assert!(names.contains(&"kuryrPool-10.0.0.0/24".to_owned()), "{names:?}");
    for (pool, network, endpoint, mac) in [(&first, NETWORK, ENDPOINT, MAC), (&second, NETWORK_B, ENDPOINT_B, MAC_B)] {
        let address = rig.request_address(pool, "10.0.0.9", mac).await;
        rig.create_endpoint(network, endpoint, &address, "", mac).await;
        rig.join(network, endpoint).await;
    }
    let mut networks: Vec<_> = rig.all::<Port>().await.into_iter().map(|p| p.network_id).collect();
    networks.dedup();
    assert_eq!(networks.len(), 2, "each port is on its own network");
    // The first goes, and the second does not notice.
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&first, "10.0.0.9").await;
    rig.release_pool(&first).await;
    rig.delete_network(NETWORK).await;
    rig.join(NETWORK_B, ENDPOINT_B).await;
    assert_eq!(rig.links().0.len(), 1);
    rig.endpoint("DeleteEndpoint", NETWORK_B, ENDPOINT_B).await;
    rig.release_address(&second, "10.0.0.9").await;
    rig.delete_network(NETWORK_B).await;
    rig.release_pool(&second).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn two_networks_with_one_range_at_once_are_refused_cleanly() {
    let rig = Rig::new().await;
    let first = rig.request_pool(CIDR, json!({})).await;
    let second = rig.request_pool(CIDR, json!({})).await;
    assert_ne!(first, second);
    let (_, text) = rig.err("/NetworkDriver.CreateNetwork", Rig::network_request(NETWORK, &RANGE, json!({}))).await;
    assert!(text.contains(CIDR) && text.contains("one after the other"), "{text}");
    rig.release_pool(&first).await;
    rig.create_network(NETWORK_B, &RANGE, json!({})).await;
    let address = rig.request_address(&second, "", MAC).await;
    rig.release_address(&second, &address).await;
    rig.release_pool(&second).await;
    rig.delete_network(NETWORK_B).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_pool_that_another_host_was_just_given_is_not_taken() {
    let mut rig = Rig::new().await;
    let first = rig.request_pool(CIDR, json!({})).await;
    // Another process, which knows nothing of the first one's promises.
    rig.restart().await;
    let second = rig.request_pool(CIDR, json!({})).await;
    assert_ne!(first, second);
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.release_pool(&second).await;
    rig.delete_network(NETWORK).await;
    rig.release_pool(&first).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_interface_that_vanished_stops_nobody() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let port = rig.only::<Port>().await;
    let mut links = Links::open_in(&rig.host).unwrap();
    let link = links.get(&port.id.container_name()).unwrap().unwrap();
    links.delete(link.index).unwrap();
    assert_eq!(rig.links(), (vec![], vec![]));
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_release_without_deletion_leaves_no_interface() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_plugged_leaves_a_free_port() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    // Without the bridge that the cloud's data plane makes.
    rig.ok("/NetworkDriver.CreateNetwork", Rig::network_request(NETWORK, &RANGE, json!({}))).await;
    let address = rig.request_address(&pool, "", MAC).await;
    let before = rig.inventory().await;
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, &address, "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert!(status == 500 && text.contains("brq"), "{status} {text}");
    assert_eq!(rig.inventory().await, before, "neither bound nor tagged nor plugged");
    // Docker gives the address back, and does not delete the endpoint.
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_port_that_never_becomes_active_is_undone() {
    let change = |settings: &mut kuryr_docker::PluginSettings| {
        settings.wait = kuryr_ports::ActiveWait { is_fatal: true, timeout: Duration::from_millis(200) };
    };
    let rig = Rig::with(change, false).await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.networks_are_tagged().await;
    rig.subnets_are_tagged().await;
    let before = rig.inventory().await;
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, &address, "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert!(status == 500 && text.contains("did not become active on time."), "{status} {text}");
    assert_eq!(rig.inventory().await, before);
}

#[tokio::test]
async fn a_network_whose_subnet_is_refused_is_undone() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    // An operator takes the range from the pool at this very moment.
    let network: Network = rig.neutron.create(&NewNetwork::default()).await.unwrap();
    let new = NewSubnet {
        network_id: Some(network.id),
        ip_version: Some(4),
        subnetpool_id: Some(Some(pool.parse().unwrap())),
        cidr: Some(CIDR.parse().unwrap()),
        ..NewSubnet::default()
    };
    let taken: Subnet = rig.neutron.create(&new).await.unwrap();
    let before = rig.inventory().await;
    let body = Rig::network_request(NETWORK, &RANGE, json!({}));
    let (status, text) = rig.err("/NetworkDriver.CreateNetwork", body).await;
    assert!(
        (400..500).contains(&status) && text.contains("request_ids"),
        "Neutron's status and words: {status} {text}"
    );
    assert_eq!(rig.inventory().await, before);
    rig.neutron.delete::<Subnet>(taken.id).await.unwrap();
    rig.neutron.delete::<Network>(network.id).await.unwrap();
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_with_a_foreign_subnet_is_kept() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let network = rig.only::<Network>().await;
    let new = NewSubnet {
        network_id: Some(network.id),
        name: "operators".to_owned(),
        ip_version: Some(6),
        cidr: Some("fd50::/64".parse().unwrap()),
        ..NewSubnet::default()
    };
    rig.neutron.create::<Subnet>(&new).await.unwrap();
    rig.release_pool(&pool).await;
    let (status, text) = rig.err("/NetworkDriver.DeleteNetwork", json!({"NetworkID": NETWORK})).await;
    assert!(status == 409 && text.contains("fd50::/64"), "{status} {text}");
    assert_eq!(rig.only::<Subnet>().await.name, "operators");
}

#[tokio::test]
async fn an_endpoint_without_a_requested_address_gets_a_port_of_its_own() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let mut body = Rig::endpoint_request(NETWORK, ENDPOINT, "10.0.0.33/24", "", "");
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", body.clone()).await;
    let port = rig.only::<Port>().await;
    assert_eq!(answer, json!({"Interface": {"MacAddress": port.mac_address}}));
    assert_eq!(port.name, format!("{ENDPOINT}-port"));
    rig.join(NETWORK, ENDPOINT).await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, "10.0.0.33").await;
    body["Interface"] = json!(null);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert_eq!((status, text.as_str()), (200, "Interface address v4 or v6 not provided."));
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_or_done() {
    let rig = Rig::new().await;
    let tags = "kuryr.net.uuid.lh:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,kuryr.net.uuid.uh:aaaaaaaaaaaaaaaaaaaaaaaaaaaabcde";
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, "10.0.0.2/24", "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert_eq!((status, text), (200, format!("Neutron net associated with identifier {tags} doesn't exist.")));
    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/run/netns/x"});
    let (status, text) = rig.err("/NetworkDriver.Join", body).await;
    assert_eq!((status, text), (200, format!("Neutron net associated with identifier {tags} doesn't exit.")));
    let info = rig.ok("/NetworkDriver.EndpointOperInfo", json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT})).await;
    assert_eq!(info, json!({"Value": {}}));
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.endpoint("ProgramExternalConnectivity", NETWORK, ENDPOINT).await;
    rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
    rig.delete_network(NETWORK).await;
    let nowhere = "0d1a9f5c-0000-4000-8000-000000000000";
    rig.release_pool(nowhere).await;
    rig.release_address(nowhere, "10.0.0.2").await;
    let (_, text) = rig.err("/IpamDriver.RequestAddress", Rig::address_request(nowhere, "", MAC)).await;
    assert_eq!(text, format!("Subnet with pool {nowhere} does not exist."));
    rig.assert_nothing_left().await;
}

/// A subnet is looked for by its tag first, and then by the pool that served it. It may get the tag in between.
#[tokio::test]
async fn a_subnet_that_gets_its_tag_while_it_is_looked_for_is_found() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let subnet = rig.only::<Subnet>().await;
    let (reached, released) = rig.hold_answer("GET /networking/v2.0/subnets");
    let tag = async {
        reached.notified().await;
        rig.neutron.set_tags::<Subnet>(subnet.id, &[pool_tag(pool.parse().unwrap())]).await.unwrap();
        released.notify_one();
    };
    // A refusal makes that it is looked for again.
    let outside = Rig::address_request(&pool, "10.9.9.9", MAC);
    let ((_, text), ()) = tokio::join!(rig.err("/IpamDriver.RequestAddress", outside), tag);
    assert_eq!(text, "Address 10.9.9.9 is not in the range 10.0.0.0/24");
}

#[tokio::test]
async fn what_a_crash_left_does_not_keep_a_network() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.request_address(&pool, "", MAC).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_endpoint_whose_deletion_a_crash_lost_does_not_keep_a_network() {
    let mut rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.join(NETWORK, ENDPOINT).await;
    // Docker repeats a request that was cut off without its body, and then gives up: only the network is removed.
    rig.restart().await;
    for path in ["/NetworkDriver.DeleteEndpoint", "/IpamDriver.ReleaseAddress"] {
        assert_eq!(rig.ask(path, json!(null)).await.0, StatusCode::BAD_REQUEST);
    }
    rig.delete_network(NETWORK).await;
    rig.release_pool(&pool).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_device_that_appears_between_two_questions_wins() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    let network = rig.only::<Network>().await;
    let new = NewPort { network_id: Some(network.id), device_id: Some("vm".to_owned()), ..NewPort::default() };
    let vm: Port = rig.neutron.create(&new).await.unwrap();
    let taken = vm.fixed_ips[0].ip_address.to_string();
    // Ten containers at once: ten addresses, none of them the machine's.
    let macs: Vec<String> = (10..20).map(|n| format!("02:42:0a:00:01:{n}")).collect();
    let asked = macs.iter().map(|mac| rig.request_address(&pool, "", mac));
    let mut answers = futures_util::future::join_all(asked).await;
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 10);
    assert!(!answers.contains(&format!("{taken}/24")));
    for answer in &answers {
        rig.release_address(&pool, answer).await;
    }
    assert_eq!(rig.only::<Port>().await.id, vm.id);
}
