//! What `neutron.*` options ask for is what networks, subnets and ports become; what cannot be is told, and changes
//! nothing.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_netlink::link::Links;
use kuryr_neutron::{
    Ipv6Mode, Network, NetworkUpdate, NewNetwork, NewPort, NewSecurityGroup, NewSubnet, Port, PortUpdate, Resource,
    SecurityGroup, SecurityGroupId, Subnet,
};
use rig::*;
use serde_json::{Value, json};

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];

async fn create(rig: &Rig, options: Value) -> String {
    let pool = rig.request_pool(CIDR, options.clone()).await;
    rig.create_network(NETWORK, &RANGE, options).await;
    pool
}

async fn remove(rig: &Rig, pool: &str) {
    rig.delete_network(NETWORK).await;
    rig.release_pool(pool).await;
}

fn endpoint(address: &str, options: Value) -> Value {
    let mut request = Rig::endpoint_request(NETWORK, ENDPOINT, address, "", MAC);
    request["Options"] = options;
    request
}

/// A container with options of its own: its address, and its port.
async fn start(rig: &Rig, pool: &str, options: Value) -> (String, Port) {
    let address = rig.request_address(pool, "", MAC).await;
    rig.ok("/NetworkDriver.CreateEndpoint", endpoint(&address, options)).await;
    rig.service.settle().await;
    let ports = rig.all::<Port>().await;
    (address, ports.into_iter().find(|port| port.device_id == ENDPOINT).unwrap())
}

async fn stop(rig: &Rig, pool: &str, address: &str) {
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(pool, address).await;
}

/// What is told to a container with these options, of which nothing is left.
async fn refused(rig: &Rig, pool: &str, options: Value) -> String {
    // The tags of its network are written behind.
    rig.service.settle().await;
    let before = rig.inventory().await;
    let address = rig.request_address(pool, "", MAC).await;
    let (_, text) = rig.err("/NetworkDriver.CreateEndpoint", endpoint(&address, options)).await;
    rig.release_address(pool, &address).await;
    assert_eq!(rig.inventory().await, before, "{text}");
    text
}

async fn group(rig: &Rig, name: &str) -> SecurityGroupId {
    let new = NewSecurityGroup { name: name.to_owned(), ..NewSecurityGroup::default() };
    rig.neutron.create::<SecurityGroup>(&new).await.unwrap().id
}

async fn ungroup(rig: &Rig) {
    for group in rig.all::<SecurityGroup>().await.into_iter().filter(|group| group.name != "default") {
        rig.neutron.delete::<SecurityGroup>(group.id).await.unwrap();
    }
}

fn assert_says(text: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{text} should contain {parts:?}");
}

#[tokio::test]
async fn a_network_and_its_subnets_are_what_was_asked_for() {
    const V6: &str = "fd00:10::/64";
    let rig = Rig::new().await;
    let options = json!({
        "neutron.net.mtu": "1380", "neutron.subnet.enable_dhcp": "false", "neutron.subnet.dns_nameservers": "10.0.0.53",
        "neutron.subnet.v6.ra_mode": "slaac", "neutron.subnet.v6.address_mode": "slaac",
        "neutron.subnet.v6.dns_nameservers": "fd00::53,fd00::54",
    });
    let v4 = rig.request_pool(CIDR, options.clone()).await;
    let v6 = rig.request_pool(V6, options.clone()).await;
    rig.create_network(NETWORK, &[RANGE[0], (V6, "fd00:10::1/64")], options).await;
    assert_eq!(rig.only::<Network>().await.mtu, 1380);
    let subnets = rig.all::<Subnet>().await;
    let of = |version| subnets.iter().find(|subnet| subnet.ip_version == version).unwrap();
    assert_eq!((of(4).enable_dhcp, texts_of(&of(4).dns_nameservers)), (false, vec!["10.0.0.53".to_owned()]));
    assert_eq!((of(6).enable_dhcp, of(6).dns_nameservers.len()), (true, 2), "the configuration's, where none is given");
    assert_eq!((of(6).ipv6_ra_mode, of(6).ipv6_address_mode), (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Slaac)));

    let address = rig.request_address(&v4, "", MAC).await;
    let formed = rig.request_address(&v6, "", MAC).await;
    assert_eq!(formed, "fd00:10::42:aff:fe00:2/64", "formed from the MAC, as SLAAC has it");
    let mut request = endpoint(&address, json!({}));
    request["Interface"]["AddressIPv6"] = json!(formed);
    rig.ok("/NetworkDriver.CreateEndpoint", request).await;
    for namespace in [&rig.host, &rig.taps] {
        let links = Links::open_in(namespace).unwrap().list().unwrap();
        let ends = links.iter().filter(|link| link.name.starts_with("t_c") || link.name.starts_with("tap"));
        assert_eq!(ends.map(|link| link.mtu).collect::<Vec<_>>(), [1380], "one end of the pair");
    }
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(&v4, &address).await;
    rig.release_address(&v6, &formed).await;
    rig.delete_network(NETWORK).await;
    rig.release_pool(&v4).await;
    rig.release_pool(&v6).await;
    rig.assert_nothing_left().await;
}

fn texts_of(addresses: &[std::net::IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_networks_groups_are_its_containers_and_survive_a_restart() {
    let mut rig = Rig::new().await;
    let (web, db, own) = (group(&rig, "web").await, group(&rig, "db").await, group(&rig, "own").await);
    let pool = create(&rig, json!({"neutron.port.security_groups": format!("web, {db}")})).await;
    let sorted = |mut groups: Vec<SecurityGroupId>| {
        groups.sort();
        groups
    };
    for round in 0..2 {
        let (address, port) = start(&rig, &pool, json!({})).await;
        assert_eq!(sorted(port.security_groups), sorted(vec![web, db]), "round {round}");
        stop(&rig, &pool, &address).await;
        rig.restart().await;
    }
    let (address, port) = start(&rig, &pool, json!({"neutron.port.security_groups": "own"})).await;
    assert_eq!(port.security_groups, [own], "a container's own instead");
    // What is opened later stays when Docker asks again.
    let exposed = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT,
        "Options": {"com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}]}});
    rig.ok("/NetworkDriver.ProgramExternalConnectivity", exposed).await;
    rig.ok("/NetworkDriver.CreateEndpoint", endpoint(&address, json!({"neutron.port.security_groups": "own"}))).await;
    assert_eq!(rig.only::<Port>().await.security_groups.len(), 2);
    stop(&rig, &pool, &address).await;
    remove(&rig, &pool).await;
    ungroup(&rig).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn groups_cost_no_further_call_where_the_network_names_them() {
    let rig = Rig::new().await;
    group(&rig, "web").await;
    let pool = create(&rig, json!({"neutron.port.security_groups": "web"})).await;
    rig.subnets_are_tagged().await;
    rig.calls();
    let address = rig.request_address(&pool, "", MAC).await;
    rig.ok("/NetworkDriver.CreateEndpoint", endpoint(&address, json!({}))).await;
    let calls = rig.calls();
    assert!(calls.len() == 2 && calls[0].starts_with("POST") && calls[1].starts_with("PUT"), "{calls:?}");
}

#[tokio::test]
async fn port_security_is_switched_for_a_network_and_for_a_container() {
    let rig = Rig::new().await;
    let pool = create(&rig, json!({"neutron.port.port_security_enabled": "false"})).await;
    assert!(!rig.only::<Network>().await.port_security_enabled);
    let (address, port) = start(&rig, &pool, json!({})).await;
    assert!(!port.port_security_enabled && port.security_groups.is_empty());
    stop(&rig, &pool, &address).await;
    let (address, port) = start(&rig, &pool, json!({"neutron.port.port_security_enabled": "true"})).await;
    let default = rig.all::<SecurityGroup>().await.into_iter().find(|group| group.name == "default").unwrap().id;
    assert_eq!((port.port_security_enabled, port.security_groups), (true, vec![default]));
    stop(&rig, &pool, &address).await;
    let text = refused(&rig, &pool, json!({"neutron.port.security_groups": "default"})).await;
    assert_says(&text, &["neutron.port.security_groups", "switched off", "neutron.port.port_security_enabled=true"]);
    remove(&rig, &pool).await;

    let pool = create(&rig, json!({})).await;
    let (address, port) = start(&rig, &pool, json!({"neutron.port.port_security_enabled": "no"})).await;
    assert!(!port.port_security_enabled && port.security_groups.is_empty());
    stop(&rig, &pool, &address).await;
    remove(&rig, &pool).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn what_the_cloud_lacks_or_does_not_have_is_told_and_nothing_changes() {
    let rig = Rig::new().await;
    let (qos, dns) = (json!({"neutron.port.qos_policy": "gold"}), json!({"neutron.port.dns_name": "web"}));
    let missing = json!({"neutron.port.security_groups": "nowhere"});
    let pool = rig.request_pool(CIDR, json!({})).await;
    let before = rig.inventory().await;
    for (options, parts) in [
        (&qos, &["neutron.port.qos_policy", "no policy 'gold'"][..]),
        (&missing, &["neutron.port.security_groups", "no security group 'nowhere'"]),
        (&json!({"neutron.nets.mtu": "9"}), &["neutron.nets.mtu", "did you mean neutron.net.mtu?"]),
    ] {
        let request = Rig::network_request(NETWORK, &RANGE, options.clone());
        assert_says(&rig.err("/NetworkDriver.CreateNetwork", request).await.1, parts);
        assert_eq!(rig.inventory().await, before);
    }
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.subnets_are_tagged().await;
    for (options, parts) in [
        (qos, &["neutron.port.qos_policy", "no policy 'gold'"][..]),
        (dns, &["neutron.port.dns_name", "no extension 'dns-integration'"]),
        (missing, &["neutron.port.security_groups", "no security group 'nowhere'"]),
        (json!({"neutron.port.uuid": NETWORK}), &["neutron.port.uuid", "a UUID"]),
    ] {
        assert_says(&refused(&rig, &pool, options).await, parts);
    }
    for name in ["twin", "twin"] {
        group(&rig, name).await;
    }
    let text = refused(&rig, &pool, json!({"neutron.port.security_groups": "twin"})).await;
    assert_says(&text, &["are called 'twin'", "UUID"]);
    ungroup(&rig).await;
    remove(&rig, &pool).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn without_tags_a_network_cannot_remember_groups() {
    let rig = Rig::without_tags().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    let request = Rig::network_request(NETWORK, &RANGE, json!({"neutron.port.security_groups": "default"}));
    let (_, text) = rig.err("/NetworkDriver.CreateNetwork", request).await;
    assert_says(&text, &["neutron.port.security_groups", "no extension 'standard-attr-tag'"]);
    rig.release_pool(&pool).await;
    rig.assert_nothing_left().await;
}

/// A network, a subnet and a port that are there before Docker comes.
async fn prepared(rig: &Rig) -> (Network, Subnet, Port) {
    let new = NewNetwork { name: "mine".to_owned(), ..NewNetwork::default() };
    let network = rig.neutron.create::<Network>(&new).await.unwrap();
    let new = NewSubnet {
        network_id: Some(network.id),
        ip_version: Some(4),
        cidr: CIDR.parse().ok(),
        ..NewSubnet::default()
    };
    let subnet = rig.neutron.create::<Subnet>(&new).await.unwrap();
    let ip = kuryr_neutron::FixedIpRequest { subnet_id: Some(subnet.id), ip_address: "10.0.0.77".parse().ok() };
    let new = NewPort {
        network_id: Some(network.id),
        name: "db".to_owned(),
        fixed_ips: Some(vec![ip]),
        ..NewPort::default()
    };
    let port = rig.neutron.create::<Port>(&new).await.unwrap();
    (rig.neutron.get(network.id).await.unwrap(), subnet, port)
}

fn as_it_was<R: Resource + std::fmt::Debug>(before: &R, after: &R) {
    let plain = |one: &R| {
        let mut json = serde_json::to_value(one).unwrap();
        for changing in ["revision_number", "updated_at", "mac_address", "binding:vif_type", "binding:vif_details"] {
            json[changing] = Value::Null;
        }
        json
    };
    assert_eq!(plain(before), plain(after));
}

#[tokio::test]
async fn what_exists_is_used_as_it_is() {
    let rig = Rig::new().await;
    group(&rig, "web").await;
    let (network, subnet, port) = prepared(&rig).await;
    let with = |more: Value| {
        let mut all = json!({"neutron.net.uuid": network.id, "neutron.subnet.uuid": subnet.id});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let pool = rig.request_pool(CIDR, with(json!({}))).await;
    let before = rig.inventory().await;
    for (option, value) in [
        ("neutron.net.mtu", "1300"),
        ("neutron.port.port_security_enabled", "false"),
        ("neutron.subnet.enable_dhcp", "false"),
        ("neutron.subnet.dns_nameservers", "10.0.0.53"),
    ] {
        let request = Rig::network_request(NETWORK, &RANGE, with(json!({option: value})));
        let (status, text) = rig.err("/NetworkDriver.CreateNetwork", request).await;
        assert_says(&text, &[option, "exists"]);
        assert_eq!((status, rig.inventory().await), (409, before.clone()));
    }
    let same = json!({"neutron.net.mtu": "1450", "neutron.subnet.enable_dhcp": "true",
        "neutron.port.security_groups": "web"});
    rig.create_network(NETWORK, &RANGE, with(same)).await;

    // A port that somebody made has its own groups, and keeps them.
    let text = refused(&rig, &pool, json!({"neutron.port.name": "db"})).await;
    assert_says(&text, &["--ip 10.0.0.77", &port.id.to_string()]);
    assert_says(&refused(&rig, &pool, json!({"neutron.port.name": "dB"})).await, &["no port 'dB'"]);
    let address = rig.request_address(&pool, "10.0.0.77", MAC).await;
    let other = json!({"neutron.port.uuid": port.id, "neutron.port.security_groups": "web"});
    let (_, text) = rig.err("/NetworkDriver.CreateEndpoint", endpoint(&address, other)).await;
    assert_says(&text, &[&port.id.to_string(), "security_groups"]);
    rig.ok("/NetworkDriver.CreateEndpoint", endpoint(&address, json!({"neutron.port.name": "db"}))).await;
    let used = rig.neutron.get::<Port>(port.id).await.unwrap();
    assert_eq!((used.device_id.as_str(), &used.security_groups), (ENDPOINT, &port.security_groups));
    stop(&rig, &pool, &address).await;
    as_it_was(&port, &rig.neutron.get::<Port>(port.id).await.unwrap());
    remove(&rig, &pool).await;
    as_it_was(&network, &rig.neutron.get::<Network>(network.id).await.unwrap());
}

#[tokio::test]
async fn a_network_that_was_opened_later_gives_its_ports_no_groups() {
    let rig = Rig::new().await;
    group(&rig, "web").await;
    let pool = create(&rig, json!({"neutron.port.security_groups": "web"})).await;
    let network = rig.only::<Network>().await;
    let off = NetworkUpdate { port_security_enabled: Some(false), ..NetworkUpdate::default() };
    rig.neutron.update::<Network>(network.id, &off).await.unwrap();
    let (address, port) = start(&rig, &pool, json!({})).await;
    assert!(port.security_groups.is_empty() && !port.port_security_enabled);
    stop(&rig, &pool, &address).await;
}

#[tokio::test]
async fn a_change_that_is_refused_half_way_is_undone() {
    let rig = Rig::new().await;
    let web = group(&rig, "web").await;
    let pool = create(&rig, json!({"neutron.port.security_groups": "web"})).await;
    rig.subnets_are_tagged().await;
    rig.neutron.delete::<SecurityGroup>(web).await.unwrap();
    let text = refused(&rig, &pool, json!({})).await;
    assert_says(&text, &[&web.to_string()]);
    let (address, port) = start(&rig, &pool, json!({"neutron.port.security_groups": "default"})).await;
    assert_eq!(port.security_groups.len(), 1);
    let none = PortUpdate { security_groups: Some(Vec::new()), ..PortUpdate::default() };
    rig.neutron.update::<Port>(port.id, &none).await.unwrap();
    stop(&rig, &pool, &address).await;
    remove(&rig, &pool).await;
    rig.assert_nothing_left().await;
}
