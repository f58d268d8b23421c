//! Security groups of ready ports: a container gets the groups of its network, and no other's.

use super::*;
use kuryr_neutron::{NewSecurityGroup, NewSubnetPool, SecurityGroup, SecurityGroupId, SubnetPool};

async fn group(rig: &Rig, name: &str) -> SecurityGroupId {
    let new = NewSecurityGroup { name: name.to_owned(), ..NewSecurityGroup::default() };
    rig.neutron.create::<SecurityGroup>(&new).await.unwrap().id
}

/// A rig with the groups `web` and `db`, and a network whose containers are in `web`.
async fn rig_with_groups() -> (Rig, String, SecurityGroupId, SecurityGroupId) {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let (web, db) = (group(&rig, "web").await, group(&rig, "db").await);
    let pool = network(&rig, json!({"neutron.port.security_groups": "web"})).await;
    (rig, pool, web, db)
}

async fn groups_of(rig: &Rig, mac: MacAddr) -> Vec<SecurityGroupId> {
    rig.all::<Port>().await.into_iter().find(|port| port.mac_address == mac).unwrap().security_groups
}

async fn end(rig: &Rig, pool: &str, groups: [SecurityGroupId; 2]) {
    rig.service.settle().await;
    rig.release_address(pool, "10.0.0.1").await;
    rig.release_pool(pool).await;
    rig.delete_network(NETWORK).await;
    for group in groups {
        rig.neutron.delete::<SecurityGroup>(group).await.unwrap();
    }
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_networks_groups_cost_no_call() {
    let (mut rig, pool, web, db) = rig_with_groups().await;
    let (first, mac) = start(&rig, &pool, ENDPOINT).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    assert!(unused(&rig).await.iter().all(|port| port.security_groups == [web]));
    rig.calls();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
    assert_eq!(groups_of(&rig, mac).await, [web]);
    rig.ports_are_marked().await;
    rig.calls();
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a stop");
    rig.service.settle().await;
    let back = unused(&rig).await.into_iter().find(|port| port.mac_address == mac).unwrap();
    assert_eq!(back.security_groups, [web]);

    // What the next process finds is of the same kind, whatever it asks first.
    let kept = unused(&rig).await.len();
    rig.kill();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    rig.written_behind(async || rig.service.ready_stock().iter().any(|(_, _, stock)| stock.resting == kept)).await;
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    end(&rig, &pool, [web, db]).await;
}

#[tokio::test]
async fn what_a_container_alone_has_goes_with_it() {
    let (rig, pool, web, db) = rig_with_groups().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    let second = address(&rig, &pool, "").await;
    let mut body = request(ENDPOINT_B, &second, "");
    body["Options"] = json!({"neutron.port.security_groups": "db"});
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", body).await;
    let mac = answer["Interface"]["MacAddress"].as_str().unwrap().parse().unwrap();
    assert_eq!(groups_of(&rig, mac).await, [db]);
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    rig.service.settle().await;
    assert!(rig.all::<Port>().await.iter().all(|port| port.mac_address != mac));
    stop(&rig, &pool, ENDPOINT, &first).await;
    end(&rig, &pool, [web, db]).await;
}

#[tokio::test]
async fn two_docker_networks_on_one_subnet_have_pools_of_their_own() {
    let (mut rig, pool, web, db) = rig_with_groups().await;
    let options = json!({"neutron.subnet.uuid": rig.only::<Subnet>().await.id});
    let other = rig.request_pool(CIDR, options.clone()).await;
    rig.create_network(NETWORK_B, &RANGE, options).await;
    let start_b = async |rig: &Rig, endpoint: &str, wanted: &str| {
        let address = address(rig, &other, wanted).await;
        let body = Rig::endpoint_request(NETWORK_B, endpoint, &address, "", "");
        let answer = rig.ok("/NetworkDriver.CreateEndpoint", body).await;
        (address, answer["Interface"]["MacAddress"].as_str().unwrap().parse::<MacAddr>().unwrap())
    };
    let default = rig.all::<SecurityGroup>().await.into_iter().find(|group| group.name == "default").unwrap().id;
    let (first, mac) = start(&rig, &pool, ENDPOINT).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    let (second, mac) = start_b(&rig, ENDPOINT_B, "").await;
    assert_eq!(groups_of(&rig, mac).await, [default]);
    rig.written_behind(async || unused(&rig).await.len() == 6).await;
    rig.service.settle().await;
    // A ready port of the other network has the wanted address.
    let web_ready = unused(&rig).await.into_iter().find(|port| port.security_groups == [web]).unwrap();
    let third = "3".repeat(64);
    let wanted = web_ready.fixed_ips[0].ip_address.to_string();
    let (third_address, mac) = start_b(&rig, &third, &wanted).await;
    assert_eq!((third_address.as_str(), groups_of(&rig, mac).await), (&*format!("{wanted}/24"), vec![default]));
    // Which network a pool serves is not certain after a restart, before a container has told.
    rig.restart().await;
    let fourth = "4".repeat(64);
    let (fourth_address, mac) = start_b(&rig, &fourth, "").await;
    assert_eq!(groups_of(&rig, mac).await, [default]);
    let fifth = "5".repeat(64);
    let (fifth_address, mac) = start(&rig, &pool, &fifth).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    for (endpoint, address) in [(ENDPOINT, &first), (&fifth, &fifth_address)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    for (endpoint, address) in [(ENDPOINT_B, &second), (&third, &third_address), (&fourth, &fourth_address)] {
        rig.endpoint("DeleteEndpoint", NETWORK_B, endpoint).await;
        rig.release_address(&other, address).await;
    }
    rig.service.settle().await;
    rig.release_pool(&other).await;
    rig.delete_network(NETWORK_B).await;
    end(&rig, &pool, [web, db]).await;
}

#[tokio::test]
async fn what_was_changed_while_nobody_looked_is_not_taken_up() {
    let (mut rig, pool, web, db) = rig_with_groups().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    let open = unused(&rig).await.remove(0).id;
    rig.kill();
    let update =
        PortUpdate { port_security_enabled: Some(false), security_groups: Some(Vec::new()), ..PortUpdate::default() };
    rig.neutron.update::<Port>(open, &update).await.unwrap();
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    rig.written_behind(async || rig.all::<Port>().await.iter().all(|port| port.id != open)).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    end(&rig, &pool, [web, db]).await;
}

#[tokio::test]
async fn a_network_of_ipv6_alone_has_ready_ports_too() {
    const SIX: &str = "fd00:10::/64";
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let pool = rig.request_pool(SIX, json!({})).await;
    rig.create_network(NETWORK, &[(SIX, "fd00:10::1/64")], json!({})).await;
    let start = async |endpoint: &str| {
        let address = address(&rig, &pool, "").await;
        rig.ok("/NetworkDriver.CreateEndpoint", Rig::endpoint_request(NETWORK, endpoint, "", &address, "")).await;
        rig.join(NETWORK, endpoint).await;
        address
    };
    let first = start(ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    rig.calls();
    let second = start(ENDPOINT_B).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
    rig.ports_are_marked().await;
    rig.calls();
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a stop");
    stop(&rig, &pool, ENDPOINT, &first).await;
    rig.service.settle().await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_pool_that_two_docker_networks_share_gives_nobody_anothers_groups() {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let (web, db) = (group(&rig, "web").await, group(&rig, "db").await);
    let shared = NewSubnetPool {
        name: "ours".to_owned(),
        prefixes: vec!["10.0.0.0/16".parse().unwrap()],
        default_prefixlen: Some(24),
        ..NewSubnetPool::default()
    };
    let shared = rig.neutron.create::<SubnetPool>(&shared).await.unwrap().id;
    let mut options = json!({"neutron.pool.uuid": shared, "neutron.port.security_groups": "web"});
    let pool = network(&rig, options.clone()).await;
    options["neutron.subnet.uuid"] = json!(rig.only::<Subnet>().await.id);
    options.as_object_mut().unwrap().remove("neutron.port.security_groups");
    let default = rig.all::<SecurityGroup>().await.into_iter().find(|group| group.name == "default").unwrap().id;
    let (first, mac) = start(&rig, &pool, ENDPOINT).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    assert_eq!(rig.request_pool(CIDR, options.clone()).await, pool);
    rig.create_network(NETWORK_B, &RANGE, options).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    // Docker asks with the same pool for both.
    let second = address(&rig, &pool, "").await;
    let body = Rig::endpoint_request(NETWORK_B, ENDPOINT_B, &second, "", "");
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", body).await;
    let mac = answer["Interface"]["MacAddress"].as_str().unwrap().parse().unwrap();
    assert_eq!(groups_of(&rig, mac).await, [default]);
    // From now on it is known that nothing is certain.
    let third = "3".repeat(64);
    let (third_address, mac) = start(&rig, &pool, &third).await;
    assert_eq!(groups_of(&rig, mac).await, [web]);
    rig.endpoint("DeleteEndpoint", NETWORK_B, ENDPOINT_B).await;
    rig.release_address(&pool, &second).await;
    for (endpoint, address) in [(ENDPOINT, &first), (&third, &third_address)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    rig.delete_network(NETWORK_B).await;
    rig.delete_network(NETWORK).await;
    rig.release_pool(&pool).await;
    assert_eq!(rig.all::<Port>().await, Vec::<Port>::new());
    for group in [web, db] {
        rig.neutron.delete::<SecurityGroup>(group).await.unwrap();
    }
}
