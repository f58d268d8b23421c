//! The gateway that Docker is told, and whose subnet it is from.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_neutron::{Network, NewNetwork, NewSubnet, NewSubnetPool, Port, Subnet, SubnetPool, SubnetUpdate};
use rig::*;
use serde_json::{Value, json};

const CIDR: &str = "10.5.0.0/24";

/// Somebody's network with a subnet; its gateway is the last address, or there is none.
async fn somebodys(rig: &Rig, name: &str, gateway: bool) -> Subnet {
    let network: Network =
        rig.neutron.create(&NewNetwork { name: name.to_owned(), ..NewNetwork::default() }).await.unwrap();
    let new = NewSubnet {
        network_id: Some(network.id),
        name: name.to_owned(),
        ip_version: Some(4),
        cidr: Some(CIDR.parse().unwrap()),
        ..NewSubnet::default()
    };
    let subnet: Subnet = rig.neutron.create(&new).await.unwrap();
    let pools =
        vec![kuryr_neutron::AllocationPool { start: "10.5.0.10".parse().unwrap(), end: "10.5.0.99".parse().unwrap() }];
    let address = gateway.then(|| "10.5.0.254".parse().unwrap());
    let update = SubnetUpdate { gateway_ip: Some(address), allocation_pools: Some(pools), ..SubnetUpdate::default() };
    rig.neutron.update::<Subnet>(subnet.id, &update).await.unwrap()
}

fn pool_request(options: Value) -> Value {
    json!({"AddressSpace": "", "Pool": CIDR, "SubPool": "", "Options": options, "V6": false})
}

#[tokio::test]
async fn a_strangers_subnet_with_the_same_range_is_never_used() {
    let mut rig = Rig::new().await;
    let stranger = somebodys(&rig, "stranger", true).await;
    let before = rig.inventory().await;
    for restarted in [false, true] {
        let pool = rig.request_pool(CIDR, json!({})).await;
        if restarted {
            rig.restart().await;
        }
        assert_eq!(rig.gateway(&pool, "").await, "10.5.0.1/24", "not the stranger's");
        assert_eq!(rig.gateway(&pool, "10.5.0.7").await, "10.5.0.7/24", "the stranger's does not matter");
        let (_, text) = rig.err("/IpamDriver.RequestAddress", Rig::address_request(&pool, "", MAC)).await;
        assert_eq!(text, format!("Subnet with pool {pool} does not exist."));
        assert!(rig.all::<Port>().await.is_empty(), "no port on the stranger's network");
        rig.create_network(NETWORK, &[(CIDR, "10.5.0.1/24")], json!({})).await;
        let address = rig.request_address(&pool, "", MAC).await;
        let port = rig.only::<Port>().await;
        assert!(port.network_id != stranger.network_id && port.fixed_ips[0].subnet_id != stranger.id, "{port:?}");
        rig.release_address(&pool, &address).await;
        rig.release_pool(&pool).await;
        rig.delete_network(NETWORK).await;
        assert_eq!(rig.inventory().await, before);
    }
}

#[tokio::test]
async fn the_gateway_of_a_chosen_subnet_comes_with_its_pool() {
    let rig = Rig::new().await;
    somebodys(&rig, "with", true).await;
    somebodys(&rig, "without", false).await;
    let answer = rig.ok("/IpamDriver.RequestPool", pool_request(json!({"neutron.subnet.name": "with"}))).await;
    assert_eq!(answer["Data"], json!({"com.docker.network.gateway": "10.5.0.254/24"}));
    let pool = answer["PoolID"].as_str().unwrap();
    rig.calls();
    // Docker gives it back in the end, as if it had asked for it.
    rig.release_address(pool, "10.5.0.254").await;
    assert!(rig.calls().is_empty(), "there is no port to look for");
    for options in [json!({"neutron.subnet.name": "without"}), json!({})] {
        let answer = rig.ok("/IpamDriver.RequestPool", pool_request(options)).await;
        assert!(answer.get("Data").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn no_gateway_is_asked_for_where_the_chosen_subnet_has_none() {
    let rig = Rig::new().await;
    let subnet = somebodys(&rig, "without", false).await;
    somebodys(&rig, "with", true).await;
    let capabilities = rig.ok("/NetworkDriver.GetCapabilities", json!(null)).await;
    assert_eq!(capabilities, json!({"GwAllocChecker": true, "Scope": "local"}));
    let check = async |generic: Value| {
        let options = json!({"com.docker.network.enable_ipv6": false, "com.docker.network.generic": generic});
        rig.ok("/NetworkDriver.GwAllocCheck", json!({ "Options": options })).await
    };
    let skip = |v4: bool, v6: bool| json!({"SkipIPv4": v4, "SkipIPv6": v6});
    assert_eq!(check(json!({"neutron.subnet.name": "without"})).await, skip(true, false));
    assert_eq!(check(json!({"neutron.subnet.uuid": subnet.id.to_string()})).await, skip(true, false));
    assert_eq!(check(json!({"neutron.subnet.name": "with"})).await, skip(false, false));
    rig.calls();
    assert_eq!(check(json!({})).await, skip(false, false));
    assert_eq!(rig.ok("/NetworkDriver.GwAllocCheck", json!({"Options": null})).await, skip(false, false));
    assert!(rig.calls().is_empty(), "nobody is asked about a network that is yet to come");
    let generic = json!({"neutron.subnet.name": "nowhere"});
    let body = json!({"Options": {"com.docker.network.generic": generic}});
    let (_, text) = rig.err("/NetworkDriver.GwAllocCheck", body).await;
    assert_eq!(text, "The subnet doesn't exist for the name nowhere");
    let (status, _) = rig.err("/NetworkDriver.GwAllocCheck", json!({"Options": 7})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_chosen_subnet_with_a_chosen_pool_keeps_its_gateway() {
    let rig = Rig::new().await;
    somebodys(&rig, "with", true).await;
    let prefixes = vec!["10.5.0.0/16".parse().unwrap()];
    let new = NewSubnetPool { name: "mine".to_owned(), prefixes, ..NewSubnetPool::default() };
    rig.neutron.create::<SubnetPool>(&new).await.unwrap();
    let before = rig.inventory().await;
    let options = json!({"neutron.pool.name": "mine", "neutron.subnet.name": "with"});
    let pool = rig.request_pool(CIDR, options.clone()).await;
    assert_eq!(rig.gateway(&pool, "").await, "10.5.0.254/24");
    rig.create_network(NETWORK, &[(CIDR, "10.5.0.254/24")], options).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    assert_eq!(rig.join(NETWORK, ENDPOINT).await["Gateway"], "10.5.0.254");
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    assert_eq!(rig.inventory().await, before);
}
