//! A Swarm: its manager allocates a network and its addresses, its hosts use them.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_config::CapabilityScope;
use kuryr_neutron::{Network, Port, Subnet, SubnetPool};
use rig::*;
use serde_json::{Value, json};

const CIDR: &str = "10.3.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.3.0.1/24")];
const SWARM_NETWORK: &str = "p2zd1s1sfyh3tnt9lzhv6gyxu";

/// A manager, and two hosts beside it.
async fn swarm() -> [Rig; 3] {
    let manager = Rig::with(|settings| settings.capability_scope = CapabilityScope::Global, false).await;
    let (worker, other) = (manager.beside("worker"), manager.beside("other"));
    [manager, worker, other]
}

/// What swarmkit sends: the driver's options and nothing about IPv6.
fn allocation() -> Value {
    let data = json!([{"AddressSpace": "", "Pool": CIDR, "Gateway": "10.3.0.1/24"}]);
    json!({"NetworkID": SWARM_NETWORK, "Options": {}, "IPv4Data": data, "IPv6Data": null})
}

/// An address for a task or a service: nothing is said about who gets it.
async fn reserve(manager: &Rig, pool: &str, address: &str) -> String {
    let body = json!({"PoolID": pool, "Address": address, "Options": {}});
    manager.ok("/IpamDriver.RequestAddress", body).await["Address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_allocated_network_stays_until_it_is_freed() {
    let [manager, worker, other] = swarm().await;
    let pool = manager.request_pool(CIDR, json!({})).await;
    for _ in 0..2 {
        // A new leader asks again.
        let answer = manager.ok("/NetworkDriver.AllocateNetwork", allocation()).await;
        assert_eq!(answer, json!({"Options": {}}));
    }
    let network = manager.only::<Network>().await;
    let (service, task) = (reserve(&manager, &pool, "").await, reserve(&manager, &pool, "10.3.0.250").await);

    for (host, mac) in [(&worker, MAC), (&other, "02:42:0a:00:00:99")] {
        // Each host's Docker asks for a pool of its own.
        let own = host.request_pool(CIDR, json!({})).await;
        host.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
        let given = task.split('/').next().unwrap();
        assert_eq!(host.request_address(&own, given, mac).await, task);
        host.create_endpoint(SWARM_NETWORK, ENDPOINT, &task, "", mac).await;
        let query = kuryr_openstack::Query::new().eq("mac_address", mac);
        let port = host.neutron.list::<Port>(&query).await.unwrap().pop().unwrap();
        assert_eq!(port.fixed_ips[0].ip_address.to_string(), given, "the reservation is the task's port");
        assert_eq!(host.all::<Port>().await.len(), 2, "the service's address is nobody's");
        host.endpoint("DeleteEndpoint", SWARM_NETWORK, ENDPOINT).await;
        host.release_address(&own, &task).await;
        host.release_pool(&own).await;
        host.delete_network(SWARM_NETWORK).await;
        assert_eq!(host.only::<Network>().await.id, network.id, "no host has it, the Swarm has");
        manager.release_address(&pool, &task).await;
        assert_eq!(reserve(&manager, &pool, given).await, task);
    }
    manager.release_address(&pool, &task).await;
    manager.release_address(&pool, &service).await;
    // Another leader frees it.
    assert_eq!(other.ok("/NetworkDriver.FreeNetwork", json!({"NetworkID": SWARM_NETWORK})).await, json!({}));
    other.release_pool(&pool).await;
    manager.assert_nothing_left().await;
}

#[tokio::test]
async fn an_address_in_use_is_not_given_to_another_task() {
    let [manager, worker, other] = swarm().await;
    let pool = manager.request_pool(CIDR, json!({})).await;
    manager.ok("/NetworkDriver.AllocateNetwork", allocation()).await;
    let task = reserve(&manager, &pool, "").await;
    let given = task.split('/').next().unwrap();
    worker.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
    worker.request_address(&pool, given, MAC).await;
    worker.create_endpoint(SWARM_NETWORK, ENDPOINT, &task, "", MAC).await;
    worker.service.settle().await;
    let request = Rig::address_request(&pool, given, "02:42:0a:00:00:99");
    let (status, text) = other.err("/IpamDriver.RequestAddress", request).await;
    assert!(status == 409 && text.contains("in use"), "{status} {text}");
}

#[tokio::test]
async fn hosts_that_make_a_network_at_once_make_one() {
    for call in ["POST /networking/v2.0/networks", "PUT /networking/v2.0/networks", "POST /networking/v2.0/subnets"] {
        let [manager, worker, other] = swarm().await;
        let pool = manager.request_pool(CIDR, json!({})).await;
        let body = Rig::network_request(SWARM_NETWORK, &RANGE, json!({}));
        let act = async || other.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
        let (status, answer) = worker.meanwhile("/NetworkDriver.CreateNetwork", body, call, act).await;
        assert!(status.is_success(), "{call}: {answer}");
        let network = manager.only::<Network>().await;
        assert_eq!(manager.only::<Subnet>().await.network_id, network.id, "{call}");
        let tags = texts(&network.tags).join(" ");
        assert!(tags.contains("kuryr.cp:worker:") && tags.contains("kuryr.cp:other:"), "{call}: {tags}");
        manager.make_bridges().await;
        for (host, mac) in [(&worker, MAC), (&other, "02:42:0a:00:00:99")] {
            let address = host.request_address(&pool, "", mac).await;
            host.create_endpoint(SWARM_NETWORK, ENDPOINT, &address, "", mac).await;
            host.endpoint("DeleteEndpoint", SWARM_NETWORK, ENDPOINT).await;
            host.release_address(&pool, &address).await;
            host.delete_network(SWARM_NETWORK).await;
        }
        assert_eq!(manager.only::<SubnetPool>().await.id.to_string(), pool, "the manager still has it");
        manager.release_pool(&pool).await;
        manager.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_host_that_dies_while_all_make_a_network_does_not_stop_them() {
    let [manager, mut worker, other] = swarm().await;
    let pool = manager.request_pool(CIDR, json!({})).await;
    let body = Rig::network_request(SWARM_NETWORK, &RANGE, json!({}));
    worker.killed_at("/NetworkDriver.CreateNetwork", body, "POST /networking/v2.0/subnets", 1).await;
    let half = manager.only::<Network>().await;
    assert!(half.subnets.is_empty());
    other.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
    assert_eq!(manager.only::<Subnet>().await.network_id, half.id, "the half one is finished");
    for host in [&other, &worker] {
        host.delete_network(SWARM_NETWORK).await;
    }
    manager.release_pool(&pool).await;
    manager.assert_nothing_left().await;
}
