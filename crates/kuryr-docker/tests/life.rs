//! The whole life of networks and endpoints, request by request as Docker sends them. Nothing is left at the end.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_netlink::link::Links;
use kuryr_neutron::{Direction, Ethertype, Network, Port, SecurityGroup, SecurityGroupRule, Subnet, SubnetPool};
use rig::*;
use serde_json::{Value, json};

#[tokio::test]
async fn an_ipv4_network_and_a_container() {
    let rig = Rig::new().await;
    let body =
        json!({"AddressSpace": "x", "Pool": "10.0.0.0/16", "SubPool": "10.0.0.0/24", "Options": {}, "V6": false});
    let answer = rig.ok("/IpamDriver.RequestPool", body).await;
    assert_eq!(answer["Pool"], "10.0.0.0/24");
    let pool = answer["PoolID"].as_str().unwrap();
    assert_eq!(rig.gateway(pool, "10.0.0.1").await, "10.0.0.1/24");
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;

    rig.networks_are_tagged().await;
    let network = rig.only::<Network>().await;
    assert_eq!(network.name, "kuryr-net-aaaaaaaa");
    assert_eq!(
        texts(&network.tags),
        [
            "kuryr.cp:here:aaaaaaaaaaaa",
            "kuryr.net.uuid.lh:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "kuryr.net.uuid.uh:aaaaaaaaaaaaaaaaaaaaaaaaaaaabcde"
        ]
    );
    rig.subnets_are_tagged().await;
    let subnet = rig.only::<Subnet>().await;
    assert_eq!((subnet.name.as_str(), texts(&subnet.tags)), ("kuryr-subnet-10.0.0.0/24", vec![pool]));
    assert_eq!(subnet.gateway_ip, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(rig.only::<SubnetPool>().await.name, "kuryrPool-10.0.0.0/24");

    let address = rig.request_address(pool, "", MAC).await;
    assert_eq!(rig.request_address(pool, "", MAC).await, address, "the same question has the same answer");
    let port = rig.only::<Port>().await;
    assert_eq!((port.name.as_str(), port.device_owner.as_str()), ("kuryr-unbound-port", "compute:kuryr"));
    assert_eq!(port.binding_host_id.0, "here", "bound already, so that starting costs one call less");
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.ports_are_marked().await;
    let port = rig.only::<Port>().await;
    assert_eq!(
        texts(&port.tags),
        [
            "compute:kuryr",
            "kuryr.net.uuid.lh:11111111111111111111111111111111",
            "kuryr.net.uuid.uh:11111111111111111111111111111111"
        ]
    );
    assert_eq!((port.device_id.as_str(), port.device_owner.as_str()), (ENDPOINT, "compute:kuryr"));
    assert_eq!((port.binding_host_id.0.as_str(), port.mac_address.to_string().as_str()), ("here", MAC));
    assert_eq!(rig.links(), (vec![port.id.container_name()], vec![port.id.tap_name()]));
    let mut links = Links::open_in(&rig.host).unwrap();
    let container = links.get(&port.id.container_name()).unwrap().unwrap();
    assert_eq!((container.up, container.mtu, container.mac), (false, 1450, Some(port.mac_address.0)));
    assert_eq!(links.addresses(container.index).unwrap(), [], "Docker sets them, inside the container");

    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT});
    let info = rig.ok("/NetworkDriver.EndpointOperInfo", body).await;
    assert!(info["Value"]["status"].is_string(), "{info}");
    let expected = json!({"DisableGatewayService": true, "Gateway": "10.0.0.1", "StaticRoutes": [],
        "InterfaceName": {"DstPrefix": "eth", "SrcName": port.id.container_name()}});
    assert_eq!(rig.join(NETWORK, ENDPOINT).await, expected);

    for _ in 0..2 {
        rig.endpoint("Leave", NETWORK, ENDPOINT).await;
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        assert_eq!(rig.links(), (vec![], vec![]));
        rig.release_address(pool, &address).await;
        assert!(rig.all::<Port>().await.is_empty());
    }
    // As Docker up to 20.10: the network first.
    rig.delete_network(NETWORK).await;
    rig.delete_network(NETWORK).await;
    rig.release_address(pool, "10.0.0.1").await;
    rig.release_pool(pool).await;
    rig.release_pool(pool).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn as_newer_dockers_remove_a_network() {
    let rig = Rig::new().await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    rig.release_address(&pool, "10.0.0.1").await;
    rig.release_pool(&pool).await;
    assert_eq!(rig.all::<Subnet>().await.len(), 1, "all goes at once, when its users can be counted");
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn both_ip_versions_are_on_one_port() {
    let rig = Rig::new().await;
    let v4 = rig.request_pool("10.4.0.0/24", json!({})).await;
    let v6 = rig.request_pool("2001:db8:a0b:12f0::/64", json!({})).await;
    assert_eq!(rig.gateway(&v6, "").await, "2001:db8:a0b:12f0::1/64", "the first usable one");
    let ranges = [("10.4.0.0/24", "10.4.0.1/24"), ("2001:db8:a0b:12f0::/64", "2001:db8:a0b:12f0::1/64")];
    rig.create_network(NETWORK, &ranges, json!({})).await;
    let first = rig.request_address(&v4, "", MAC).await;
    let second = rig.request_address(&v6, "", MAC).await;
    assert_eq!(rig.request_address(&v6, "", MAC).await, second);
    rig.create_endpoint(NETWORK, ENDPOINT, &first, &second, MAC).await;
    rig.ports_are_marked().await;
    let port = rig.only::<Port>().await;
    assert_eq!(port.fixed_ips.len(), 2);
    assert_eq!(port.tags.len(), 3, "with the endpoint's tags");
    let answer = rig.join(NETWORK, ENDPOINT).await;
    assert_eq!((&answer["Gateway"], &answer["GatewayIPv6"]), (&json!("10.4.0.1"), &json!("2001:db8:a0b:12f0::1")));

    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&v4, &first).await;
    let port = rig.only::<Port>().await;
    assert_eq!(port.fixed_ips.len(), 1, "the other address is not given back yet");
    assert!(port.fixed_ips[0].ip_address.is_ipv6());
    rig.release_address(&v4, &first).await;
    assert_eq!(rig.all::<Port>().await.len(), 1, "releasing twice is releasing once");
    rig.release_address(&v6, &second).await;
    assert!(rig.all::<Port>().await.is_empty());
    rig.release_pool(&v4).await;
    rig.release_pool(&v6).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn exposed_ports_are_opened_once_and_closed() {
    let rig = Rig::new().await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let program = |ports: Value| {
        json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options":
            {"com.docker.network.endpoint.exposedports": ports, "com.docker.network.portmap": []}})
    };
    let ports = json!([{"Proto": 6, "Port": 81}, {"Proto": 6, "Port": 80}, {"Proto": 6, "Port": 443}, {"Proto": 132, "Port": 53}]);
    let path = "/NetworkDriver.ProgramExternalConnectivity";
    rig.ok(path, program(json!([]))).await;
    assert_eq!(rig.only::<Port>().await.security_groups.len(), 1);
    rig.ok(path, program(ports.clone())).await;
    rig.ok(path, program(ports)).await;
    let port = rig.only::<Port>().await;
    let groups = rig.all::<SecurityGroup>().await;
    let group = groups.iter().find(|g| g.name == format!("{}-exposed_ports", port.id)).unwrap();
    assert_eq!((groups.len(), port.security_groups.len()), (2, 2));
    assert_eq!(group.description, "Docker exposed ports created by Kuryr.");
    let mut rules: Vec<_> = rig.all::<SecurityGroupRule>().await;
    rules.retain(|r| r.security_group_id == group.id && r.direction == Direction::Ingress);
    let mut found: Vec<_> = rules
        .iter()
        .map(|r| {
            (r.protocol.as_ref().unwrap().number(), r.port_range_min.unwrap(), r.port_range_max.unwrap(), r.ethertype)
        })
        .collect();
    found.sort();
    let expected = [(6, 80, 81), (6, 443, 443), (132, 53, 53)];
    let expected: Vec<_> =
        expected.iter().flat_map(|&(p, a, b)| [Ethertype::IPv4, Ethertype::IPv6].map(|e| (p, a, b, e))).collect();
    assert_eq!(found, expected);
    rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
    rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
    assert_eq!(rig.only::<Port>().await.security_groups.len(), 1);
    assert_eq!(rig.all::<SecurityGroup>().await.len(), 1);
    // Docker may crash before it closes them: the endpoint's end does it then.
    rig.ok(path, program(json!([{"Proto": 17, "Port": 53}]))).await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn auxiliary_addresses_are_kept_from_containers() {
    let rig = Rig::new().await;
    let pool = rig.request_pool("10.0.0.0/29", json!({})).await;
    let aux = json!({"PoolID": pool, "Address": "10.0.0.2", "Options": null});
    assert_eq!(rig.ok("/IpamDriver.RequestAddress", aux).await["Address"], "10.0.0.2/29");
    let mut body = Rig::network_request(NETWORK, &[("10.0.0.0/29", "10.0.0.1/29")], json!({}));
    body["IPv4Data"][0]["AuxAddresses"] = json!({"router": "10.0.0.2/29", "gw": "10.0.0.1/29"});
    rig.ok("/NetworkDriver.CreateNetwork", body.clone()).await;
    rig.ok("/NetworkDriver.CreateNetwork", body).await;
    let answer = rig.request_address(&pool, "", MAC).await;
    assert_ne!(answer, "10.0.0.2/29");
    let (status, text) = rig.err("/IpamDriver.RequestAddress", Rig::address_request(&pool, "10.0.0.2", MAC_B)).await;
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("10.0.0.2"), "{text}");
    rig.release_address(&pool, &answer).await;
    rig.release_address(&pool, "10.0.0.2").await;
    assert!(rig.all::<Port>().await.is_empty());
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_with_reservations_goes_in_either_order() {
    for network_first in [true, false] {
        let rig = Rig::new().await;
        let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
        let mut body = Rig::network_request(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({}));
        body["IPv4Data"][0]["AuxAddresses"] = json!({"a": "10.0.0.9/24"});
        rig.ok("/NetworkDriver.CreateNetwork", body).await;
        if network_first {
            rig.delete_network(NETWORK).await;
            rig.release_pool(&pool).await;
        } else {
            rig.release_pool(&pool).await;
            rig.delete_network(NETWORK).await;
        }
        rig.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn an_internal_network_gives_no_gateway() {
    for mut rig in [Rig::new().await, Rig::without_tags().await] {
        let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
        let mut body = Rig::network_request(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({}));
        body["Options"]["com.docker.network.internal"] = json!(true);
        rig.ok("/NetworkDriver.CreateNetwork", body).await;
        rig.restart().await;
        rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
        let address = rig.request_address(&pool, "", MAC).await;
        rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
        let answer = rig.join(NETWORK, ENDPOINT).await;
        assert!(answer["Gateway"].is_null(), "{answer}");
        rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
        rig.release_address(&pool, &address).await;
        rig.release_pool(&pool).await;
        rig.delete_network(NETWORK).await;
        rig.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn without_tags_names_tell_who_owns_what() {
    let mut rig = Rig::without_tags().await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    assert_eq!(rig.gateway(&pool, "").await, "10.0.0.1/24");
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    assert_eq!(rig.only::<Network>().await.name, NETWORK);
    let address = rig.request_address(&pool, "", MAC).await;
    assert_eq!(rig.only::<Port>().await.name, "kuryr-unbound-port");
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let name = format!("{ENDPOINT}-port");
    rig.written_behind(async || rig.only::<Port>().await.name == name).await;
    rig.restart().await;
    assert_eq!(rig.join(NETWORK, ENDPOINT).await["Gateway"], "10.0.0.1");
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&pool, &address).await;
    rig.delete_network(NETWORK).await;
    rig.release_pool(&pool).await;
    rig.assert_nothing_left().await;
}

/// Neutron shows a port to whoever looks before it has bound it: as to a process that is started while the call of an
/// earlier one is under way.
#[tokio::test]
async fn a_port_that_was_seen_before_it_was_bound_is_plugged() {
    let rig = Rig::new().await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.create_network(NETWORK, &[("10.0.0.0/24", "10.0.0.1/24")], json!({})).await;
    rig.answer_early("POST /networking/v2.0/ports");
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let port = rig.only::<Port>().await;
    assert_eq!(port.device_id, ENDPOINT);
    assert_eq!(rig.links(), (vec![port.id.container_name()], vec![port.id.tap_name()]));
}

#[tokio::test]
async fn a_network_that_a_killed_docker_did_not_finish_is_created_by_the_next() {
    let rig = Rig::new().await;
    let range = [("10.0.0.0/24", "10.0.0.1/24")];
    rig.request_pool("10.0.0.0/24", json!({})).await;
    let body = json!({"AddressSpace": "x", "Pool": "10.0.0.0/24", "SubPool": "", "Options": {}, "V6": false});
    // The next one asks first what Kuryr needs, maybe while the killed one's last request is under way.
    rig.meanwhile("/IpamDriver.RequestPool", body, "POST /networking/v2.0/subnetpools", async || {
        rig.ok("/IpamDriver.GetCapabilities", json!({})).await;
    })
    .await;
    let pool = rig.request_pool("10.0.0.0/24", json!({})).await;
    rig.gateway(&pool, "10.0.0.1").await;
    rig.create_network(NETWORK, &range, json!({})).await;
    rig.subnets_are_tagged().await;
    assert_eq!(texts(&rig.only::<Subnet>().await.tags), [pool]);
}
