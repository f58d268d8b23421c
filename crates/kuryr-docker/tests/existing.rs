//! Networks, subnets, pools and ports that somebody made before: used, and left as they were.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_neutron::{
    FixedIpRequest, HostRoute, Network, NetworkUpdate, NewNetwork, NewPort, NewSubnet, NewSubnetPool, Port, Subnet,
    SubnetPool, SubnetUpdate,
};
use rig::*;
use serde_json::json;

const CIDR: &str = "10.3.0.0/24";
const GATEWAY: &str = "10.3.0.1/24";

async fn network(rig: &Rig, name: &str) -> Network {
    rig.neutron.create(&NewNetwork { name: name.to_owned(), ..NewNetwork::default() }).await.unwrap()
}

async fn subnet(rig: &Rig, network: &Network, name: &str, cidr: &str) -> Subnet {
    let new = NewSubnet {
        network_id: Some(network.id),
        name: name.to_owned(),
        ip_version: Some(if cidr.contains(':') { 6 } else { 4 }),
        cidr: Some(cidr.parse().unwrap()),
        ..NewSubnet::default()
    };
    rig.neutron.create(&new).await.unwrap()
}

async fn port(rig: &Rig, subnets: &[(&Subnet, &str)], change: impl FnOnce(&mut NewPort)) -> Port {
    let wish = |(subnet, address): &(&Subnet, &str)| FixedIpRequest {
        subnet_id: Some(subnet.id),
        ip_address: Some(address.parse().unwrap()),
    };
    let mut new = NewPort {
        network_id: Some(subnets[0].0.network_id),
        name: "mine".to_owned(),
        fixed_ips: Some(subnets.iter().map(wish).collect()),
        ..NewPort::default()
    };
    change(&mut new);
    rig.neutron.create(&new).await.unwrap()
}

/// Without what every change touches.
fn stable(mut port: Port) -> Port {
    port.revision_number = 0;
    port.updated_at = None;
    port
}

#[tokio::test]
async fn a_network_and_a_subnet_by_name_or_uuid() {
    for by_name in [true, false] {
        let rig = Rig::new().await;
        let (net, sub);
        {
            net = network(&rig, "ext").await;
            sub = subnet(&rig, &net, "exts", CIDR).await;
        }
        let before = rig.inventory().await;
        let (subnet_option, both) = if by_name {
            (json!({"neutron.subnet.name": "exts"}), json!({"neutron.net.name": "ext", "neutron.subnet.name": "exts"}))
        } else {
            let id = sub.id.to_string();
            (
                json!({"neutron.subnet.uuid": id}),
                json!({"neutron.net.uuid": net.id.to_string(), "neutron.subnet.uuid": id}),
            )
        };
        let pool = rig.request_pool(CIDR, subnet_option).await;
        assert_eq!(texts(&rig.only::<SubnetPool>().await.tags), [sub.id.to_string()]);
        assert_eq!(rig.gateway(&pool, "").await, GATEWAY, "the real one");
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        let wrong = json!({"PoolID": pool, "Address": "10.3.0.254", "Options": options});
        let (_, text) = rig.err("/IpamDriver.RequestAddress", wrong).await;
        assert_eq!(text, "Requested gateway 10.3.0.254 does not match with gateway 10.3.0.1 in existed network.");
        rig.create_network(NETWORK, &[(CIDR, GATEWAY)], both).await;
        let now = rig.only::<Network>().await;
        assert_eq!(now.name, "ext");
        assert!(texts(&now.tags).contains(&"kuryr.net.existing:aaaaaaaaaaaa"), "{:?}", now.tags);
        assert_eq!(texts(&rig.only::<Subnet>().await.tags), [pool.as_str()]);

        let address = rig.request_address(&pool, "", MAC).await;
        rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
        assert_eq!(rig.join(NETWORK, ENDPOINT).await["Gateway"], "10.3.0.1");
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        rig.release_address(&pool, &address).await;
        if by_name {
            rig.delete_network(NETWORK).await;
            rig.release_pool(&pool).await;
        } else {
            rig.release_pool(&pool).await;
            rig.delete_network(NETWORK).await;
        }
        assert_eq!(rig.inventory().await, before);
    }
}

#[tokio::test]
async fn one_network_under_two_docker_networks() {
    for release_first in [true, false] {
        let rig = Rig::new().await;
        network(&rig, "ext").await;
        let before = rig.inventory().await;
        let option = json!({"neutron.net.name": "ext"});
        let first = rig.request_pool(CIDR, json!({})).await;
        rig.create_network(NETWORK, &[(CIDR, GATEWAY)], option.clone()).await;
        let second = rig.request_pool(CIDR, json!({})).await;
        assert_ne!(first, second);
        rig.create_network(NETWORK_B, &[(CIDR, GATEWAY)], option).await;
        assert_eq!(rig.only::<Subnet>().await.tags.len(), 2, "one tag for each Docker network");
        let address = rig.request_address(&second, "", MAC).await;
        rig.create_endpoint(NETWORK_B, ENDPOINT, &address, "", MAC).await;
        for (id, pool) in [(NETWORK, &first), (NETWORK_B, &second)] {
            if id == NETWORK_B {
                rig.join(NETWORK_B, ENDPOINT).await;
                rig.endpoint("DeleteEndpoint", NETWORK_B, ENDPOINT).await;
                rig.release_address(&second, &address).await;
            }
            if release_first {
                rig.release_pool(pool).await;
                rig.delete_network(id).await;
            } else {
                rig.delete_network(id).await;
                rig.release_pool(pool).await;
            }
        }
        assert_eq!(rig.inventory().await, before);
    }
}

#[tokio::test]
async fn a_shared_flag_that_differs_changes_nothing() {
    let rig = Rig::new().await;
    let net = network(&rig, "ext").await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    let before = rig.inventory().await;
    let body = |options| Rig::network_request(NETWORK, &[(CIDR, GATEWAY)], options);
    let options = json!({"neutron.net.name": "ext", "neutron.net.shared": "true"});
    let (_, text) = rig.err("/NetworkDriver.CreateNetwork", body(options)).await;
    assert!(text.contains(&format!("Network {} had option shared=False", net.id)), "{text}");
    assert_eq!(rig.inventory().await, before);
    let (_, text) = rig.err("/NetworkDriver.CreateNetwork", body(json!({"neutron.net.name": "nope"}))).await;
    assert_eq!(text, "Specified network id/name(nope) does not exist.");
    let share = NetworkUpdate { shared: Some(true), ..NetworkUpdate::default() };
    rig.neutron.update::<Network>(net.id, &share).await.unwrap();
    rig.create_network(NETWORK, &[(CIDR, GATEWAY)], json!({"neutron.net.name": "ext", "neutron.net.shared": "y"}))
        .await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    assert_eq!(rig.inventory().await, ["network ext []"]);
}

#[tokio::test]
async fn a_prepared_port_is_used_and_given_back_as_it_was() {
    let rig = Rig::new().await;
    let net = network(&rig, "ext").await;
    let sub = subnet(&rig, &net, "exts", CIDR).await;
    let mine = port(&rig, &[(&sub, "10.3.0.77")], |_| {}).await;
    let pool = rig.request_pool(CIDR, json!({"neutron.subnet.name": "exts"})).await;
    rig.create_network(NETWORK, &[(CIDR, GATEWAY)], json!({"neutron.net.name": "ext"})).await;
    // By its address, then by its MAC.
    for (address, mac) in [("10.3.0.77", MAC.to_owned()), ("", mine.mac_address.to_string())] {
        let answer = rig.request_address(&pool, address, &mac).await;
        assert_eq!(answer, "10.3.0.77/24");
        assert_eq!(texts(&rig.only::<Port>().await.tags), ["kuryr.port.existing"]);
        rig.create_endpoint(NETWORK, ENDPOINT, &answer, "", &mac).await;
        let used = rig.only::<Port>().await;
        assert_eq!((used.id, used.name.as_str(), used.tags.len()), (mine.id, "mine", 3));
        assert_eq!(used.mac_address.to_string(), mac);
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        rig.release_address(&pool, &answer).await;
        rig.release_address(&pool, &answer).await;
        let now = stable(rig.only::<Port>().await);
        let back = kuryr_neutron::PortUpdate { mac_address: Some(mine.mac_address), ..Default::default() };
        assert_eq!(kuryr_neutron::MacAddr(now.mac_address.0).to_string(), mac, "it keeps the container's MAC");
        rig.neutron.update::<Port>(mine.id, &back).await.unwrap();
        assert_eq!(stable(rig.only::<Port>().await), stable(mine.clone()));
    }
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    assert_eq!(rig.inventory().await, ["network ext []", "subnet exts []", "port mine [] "]);
}

#[tokio::test]
async fn a_port_with_both_addresses_on_networks_of_one_and_of_two_ip_versions() {
    let rig = Rig::new().await;
    let net = network(&rig, "ext").await;
    let v4 = subnet(&rig, &net, "v4", CIDR).await;
    let v6 = subnet(&rig, &net, "v6", "fd81::/64").await;
    let mine = port(&rig, &[(&v4, "10.3.0.90"), (&v6, "fd81::90")], |_| {}).await;
    let both = [(CIDR, GATEWAY), ("fd81::/64", "fd81::1/64")];
    for (count, addresses) in [(1, vec!["10.3.0.90"]), (2, vec!["10.3.0.90", "fd81::90"])] {
        let mut pools = Vec::new();
        for (cidr, _) in &both[..count] {
            pools.push(rig.request_pool(cidr, json!({})).await);
        }
        rig.create_network(NETWORK, &both[..count], json!({"neutron.net.name": "ext"})).await;
        let mut answers = Vec::new();
        for (pool, address) in pools.iter().zip(&addresses) {
            answers.push(rig.request_address(pool, address, MAC).await);
        }
        let second = answers.get(1).map_or("", String::as_str);
        rig.create_endpoint(NETWORK, ENDPOINT, &answers[0], second, MAC).await;
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        for (index, (pool, address)) in pools.iter().zip(&addresses).enumerate() {
            rig.release_address(pool, address).await;
            let bound = !rig.only::<Port>().await.device_id.is_empty();
            assert_eq!(bound, index + 1 < count, "it is the container's until the last address is given back");
        }
        for pool in &pools {
            rig.release_pool(pool).await;
        }
        rig.delete_network(NETWORK).await;
        let back = kuryr_neutron::PortUpdate { mac_address: Some(mine.mac_address), ..Default::default() };
        rig.neutron.update::<Port>(mine.id, &back).await.unwrap();
        assert_eq!(stable(rig.only::<Port>().await), stable(mine.clone()));
    }
}

#[tokio::test]
async fn a_port_in_use_is_never_taken() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &[(CIDR, GATEWAY)], json!({})).await;
    let sub = rig.only::<Subnet>().await;
    let vm = port(&rig, &[(&sub, "10.3.0.60")], |new| new.device_id = Some("vm-uuid".to_owned())).await;
    let mac = vm.mac_address.to_string();
    let before = rig.only::<Port>().await;
    for body in [Rig::address_request(&pool, "10.3.0.60", MAC), Rig::address_request(&pool, "", &mac)] {
        let (status, text) = rig.err("/IpamDriver.RequestAddress", body).await;
        assert_eq!(status, 409, "{text}");
        assert!(text.contains(&vm.id.to_string()) && text.contains("vm-uuid"), "{text}");
    }
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, "10.3.0.60/24", "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert_eq!(status, 409, "{text}");
    rig.release_address(&pool, "10.3.0.60").await;
    assert_eq!(rig.only::<Port>().await, before);
    // Nor is the port of another container.
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let ip = address.split('/').next().unwrap();
    for body in [Rig::address_request(&pool, ip, MAC_B), Rig::address_request(&pool, "", MAC)] {
        let (status, text) = rig.err("/IpamDriver.RequestAddress", body).await;
        assert!(status == 409 && text.contains(ENDPOINT), "{status} {text}");
    }
    let body = Rig::endpoint_request(NETWORK, ENDPOINT_B, &address, "", MAC_B);
    assert_eq!(rig.err("/NetworkDriver.CreateEndpoint", body).await.0, 409);
    // The network is not taken from under them either.
    let (status, _) = rig.err("/NetworkDriver.DeleteNetwork", json!({"NetworkID": NETWORK})).await;
    assert_eq!(status, 409);
    rig.join(NETWORK, ENDPOINT).await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    assert_eq!(rig.only::<Port>().await, before);
}

#[tokio::test]
async fn a_reservation_on_a_network_that_was_there_touches_no_other_port() {
    let rig = Rig::new().await;
    let net = network(&rig, "ext").await;
    let sub = subnet(&rig, &net, "exts", CIDR).await;
    port(&rig, &[(&sub, "10.3.0.2")], |new| new.device_owner = Some("network:dhcp".to_owned())).await;
    let dhcp = rig.only::<Port>().await;
    let pool = rig.request_pool(CIDR, json!({"neutron.subnet.name": "exts"})).await;
    let body = json!({"PoolID": pool, "Address": "10.3.0.9", "Options": null});
    assert_eq!(rig.ok("/IpamDriver.RequestAddress", body).await["Address"], "10.3.0.9/24");
    let mut body = Rig::network_request(NETWORK, &[(CIDR, GATEWAY)], json!({"neutron.net.name": "ext"}));
    body["IPv4Data"][0]["AuxAddresses"] = json!({"router": "10.3.0.9/24"});
    rig.ok("/NetworkDriver.CreateNetwork", body).await;
    let ports = rig.all::<Port>().await;
    assert!(ports.len() == 2 && ports.contains(&dhcp), "{ports:?}");
    rig.release_address(&pool, "10.3.0.9").await;
    assert_eq!(rig.only::<Port>().await, dhcp);
}

#[tokio::test]
async fn the_gateway_is_no_containers_address() {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &[(CIDR, GATEWAY)], json!({})).await;
    for address in ["10.3.0.1", "10.4.0.1", "fd00::1"] {
        let (_, text) = rig.err("/IpamDriver.RequestAddress", Rig::address_request(&pool, address, MAC)).await;
        assert!(text.contains(address), "{text}");
    }
    assert!(rig.all::<Port>().await.is_empty());
}

#[tokio::test]
async fn a_subnet_without_gateway_and_routes_of_its_own() {
    let mut rig = Rig::new().await;
    let net = network(&rig, "ext").await;
    let sub = subnet(&rig, &net, "exts", CIDR).await;
    let other = subnet(&rig, &net, "other", "10.77.0.0/24").await;
    let route = |to: &str, via: &str| HostRoute { destination: to.parse().unwrap(), nexthop: via.parse().unwrap() };
    for (id, to, via, gateway) in
        [(sub.id, "192.168.0.0/16", "10.3.0.254", Some(None)), (other.id, "172.16.0.0/12", "10.77.0.9", None)]
    {
        let update =
            SubnetUpdate { host_routes: Some(vec![route(to, via)]), gateway_ip: gateway, ..SubnetUpdate::default() };
        rig.neutron.update::<Subnet>(id, &update).await.unwrap();
    }
    let pool = rig.request_pool(CIDR, json!({"neutron.subnet.name": "exts"})).await;
    assert_eq!(rig.gateway(&pool, "").await, "0.0.0.0/0");
    rig.create_network(NETWORK, &[(CIDR, "0.0.0.0/0")], json!({"neutron.subnet.name": "exts"})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    // This process knows the port's subnet alone, the next one asks for all of the network.
    rig.restart().await;
    let answer = rig.join(NETWORK, ENDPOINT).await;
    assert!(answer["Gateway"].is_null());
    assert_eq!(
        answer["StaticRoutes"],
        json!([{"Destination": "192.168.0.0/16", "NextHop": "10.3.0.254", "RouteType": 0}])
    );
}

#[tokio::test]
async fn pools_that_somebody_made_are_kept() {
    let rig = Rig::new().await;
    let new = |name: &str, prefixes: &[&str]| NewSubnetPool {
        name: name.to_owned(),
        prefixes: prefixes.iter().map(|p| p.parse().unwrap()).collect(),
        ..NewSubnetPool::default()
    };
    let mine = rig.neutron.create::<SubnetPool>(&new("mp", &["10.20.0.0/24", "10.31.0.0/24"])).await.unwrap();
    rig.neutron.create::<SubnetPool>(&new("kuryr", &["10.10.0.0/16"])).await.unwrap();
    let before = rig.inventory().await;
    for network_first in [true, false] {
        // A second prefix of a chosen pool.
        let pool = rig.request_pool("10.31.0.0/24", json!({"neutron.pool.name": "mp"})).await;
        assert_eq!(pool, mine.id.to_string());
        assert_eq!(rig.gateway(&pool, "").await, "10.31.0.1/24");
        rig.create_network(NETWORK, &[("10.31.0.0/24", "10.31.0.1/24")], json!({"neutron.pool.name": "mp"})).await;
        assert_eq!(rig.only::<Subnet>().await.subnetpool_id, Some(mine.id));
        // The default pool, without any option.
        let body = json!({"AddressSpace": "", "Pool": "", "SubPool": "", "Options": {}, "V6": false});
        let answer = rig.ok("/IpamDriver.RequestPool", body).await;
        assert_eq!(answer["Pool"], "10.10.0.0/16");
        let default = answer["PoolID"].as_str().unwrap();
        assert_eq!(rig.gateway(default, "").await, "10.10.0.1/16");
        rig.create_network(NETWORK_B, &[("10.10.0.0/16", "10.10.0.1/16")], json!({})).await;
        let address = rig.request_address(default, "", MAC).await;
        rig.release_address(default, &address).await;
        for (id, pool) in [(NETWORK, pool.as_str()), (NETWORK_B, default)] {
            if network_first {
                rig.delete_network(id).await;
                rig.release_pool(pool).await;
            } else {
                rig.release_pool(pool).await;
                rig.delete_network(id).await;
            }
        }
        assert_eq!(rig.inventory().await, before);
    }
    // A chosen pool without a range: all of it, or rather its first prefix.
    let body =
        json!({"AddressSpace": "", "Pool": "", "SubPool": "", "Options": {"neutron.pool.name": "mp"}, "V6": false});
    let answer = rig.ok("/IpamDriver.RequestPool", body).await;
    assert_eq!((&answer["Pool"], &answer["PoolID"]), (&json!("10.20.0.0/24"), &json!(mine.id.to_string())));
    rig.release_pool(answer["PoolID"].as_str().unwrap()).await;
    assert_eq!(rig.inventory().await, before);
    let body = json!({"AddressSpace": "", "Pool": "", "SubPool": "", "Options": {}, "V6": true});
    let (_, text) = rig.err("/IpamDriver.RequestPool", body).await;
    let hint = "Give --subnet, or create a subnet pool of that name";
    assert_eq!(text, format!("No subnetpools with {{'name': 'kuryr6'}} is found. {hint}"));
    let body =
        json!({"AddressSpace": "", "Pool": CIDR, "SubPool": "", "Options": {"neutron.pool.name": "nope"}, "V6": false});
    let (_, text) = rig.err("/IpamDriver.RequestPool", body).await;
    assert_eq!(text, "Specified subnetpool id/name(nope) does not exist.");
    let body = Rig::network_request(NETWORK, &[("10.99.0.0/24", "10.99.0.1/24")], json!({}));
    let (_, text) = rig.err("/NetworkDriver.CreateNetwork", body).await;
    let hint = "Docker did not ask Kuryr for this range: create the network with --ipam-driver kuryr too";
    assert_eq!(text, format!("Specified pool name(kuryrPool-10.99.0.0/24) does not exist. {hint}"));
    assert_eq!(rig.inventory().await, before);
}

#[tokio::test]
async fn without_tags_nothing_that_exists_is_used() {
    let rig = Rig::without_tags().await;
    let net = network(&rig, "ext").await;
    let sub = subnet(&rig, &net, "exts", CIDR).await;
    let before = rig.inventory().await;
    let pool = json!({"AddressSpace": "", "Pool": CIDR, "SubPool": "", "Options": {"neutron.subnet.name": "exts"}, "V6": false});
    let (status, text) = rig.err("/IpamDriver.RequestPool", pool).await;
    assert!(status == 409 && text.contains(&sub.id.to_string()) && text.contains("standard-attr-tag"), "{text}");
    let pool = rig.request_pool(CIDR, json!({})).await;
    let body = Rig::network_request(NETWORK, &[(CIDR, GATEWAY)], json!({"neutron.net.name": "ext"}));
    let (status, text) = rig.err("/NetworkDriver.CreateNetwork", body).await;
    assert!(status == 409 && text.contains(&net.id.to_string()), "{text}");
    rig.release_pool(&pool).await;
    assert_eq!(rig.inventory().await, before);
}
