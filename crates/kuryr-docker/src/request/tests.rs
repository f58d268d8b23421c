//! Checks of request bodies: what Docker sends is read, anything else is an error, nothing panics.

use super::{endpoint::*, ipam::*, network::*, option::*, *};
use kuryr_neutron::Ipv6Mode;
use kuryr_publish::HostPorts;
use proptest::prelude::*;
use serde_json::{Value, json};

const NETWORK: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcde";
const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const POOL: &str = "882c3607-5bc2-409c-b3da-c8dbd5fb7d8e";

fn bytes(json: Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

fn says<T: std::fmt::Debug>(result: Result<T, RequestError>, parts: &[&str]) {
    let text = result.unwrap_err().to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text} should contain {parts:?}");
}

/// A network, and a pool of it, with options.
fn with_options(options: Value) -> (Result<CreateNetwork, RequestError>, Result<RequestPool, RequestError>) {
    let network = json!({"NetworkID": NETWORK, "IPv4Data": [{"AddressSpace": "", "Pool": "10.0.0.0/24"}],
        "IPv6Data": [{"AddressSpace": "", "Pool": "fd00::/64"}], "Options": {"com.docker.network.generic": options}});
    let pool = json!({"AddressSpace": "", "Pool": "fd00::/64", "SubPool": "", "V6": true, "Options": options});
    (CreateNetwork::read(&bytes(network)), RequestPool::read(&bytes(pool)))
}

fn container(options: Value) -> Result<ContainerOptions, RequestError> {
    let request = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": options, "Interface": null});
    CreateEndpoint::read(&bytes(request)).map(|request| request.options)
}

#[test]
fn options_that_do_not_exist_are_refused_with_what_was_meant() {
    let (network, pool) = with_options(
        json!({"neutron.net.shared": "no", "neutron.pool.v6.name": "", "neutron.subnet.name": "", "mtu": "9"}),
    );
    assert!(network.is_ok() && pool.is_ok());
    for (wrong, hint) in [
        ("neutron.network.name", "did you mean neutron.net.name?"),
        ("Neutron.pool.name", "did you mean neutron.pool.name?"),
        ("neutron.subnet.v6.id", "did you mean neutron.subnet.v6.uuid?"),
        ("neutron.port.security_group", "did you mean neutron.port.security_groups?"),
        ("neutron.port.dns_name", "give it with `docker network connect --driver-opt`"),
        ("neutron.!", "neutron.net.uuid, neutron.net.name"),
    ] {
        let (network, pool) = with_options(json!({wrong: "x"}));
        says(network, &[wrong, "a network", hint]);
        says(pool, &[wrong, hint]);
    }
    says(container(json!({"neutron.port.dns": "x"})), &["a container", "did you mean neutron.port.dns_name?"]);
    says(container(json!({"neutron.net.mtu": "1400"})), &["give it with `docker network create -o`"]);
    assert!(container(json!({"com.docker.network.portmap": [], "anything": {}})).is_ok());
}

#[test]
fn options_of_new_networks() {
    let (network, _) = with_options(json!({
        "neutron.net.mtu": "1400", "neutron.subnet.enable_dhcp": "False", "neutron.subnet.v6.enable_dhcp": "on",
        "neutron.subnet.dns_nameservers": "10.0.0.53, 192.0.2.1", "neutron.subnet.v6.ra_mode": "slaac",
        "neutron.subnet.v6.address_mode": "dhcpv6-stateless", "neutron.port.qos_policy": "gold",
        "neutron.port.security_groups": format!("web,{POOL}"), "neutron.port.port_security_enabled": "",
    }));
    let network = network.unwrap();
    assert_eq!((network.mtu, network.ports.port_security), (Some(1400), None));
    let expected = vec![Choice::Name("web".to_owned()), Choice::Id(POOL.parse().unwrap())];
    assert_eq!(network.ports.security_groups, Some(expected));
    assert_eq!(network.ports.qos_policy, Some(Choice::Name("gold".to_owned())));
    let (v4, v6) = (&network.v4.settings, &network.v6.settings);
    let servers = vec!["10.0.0.53".parse().unwrap(), "192.0.2.1".parse().unwrap()];
    assert_eq!((v4.enable_dhcp, v4.dns_nameservers.clone(), v4.ra_mode), (Some(false), Some(servers), None));
    let modes = (v6.ra_mode, v6.address_mode);
    assert_eq!(modes, (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Dhcpv6Stateless)));
    assert_eq!((v6.enable_dhcp, &v6.dns_nameservers), (Some(true), &None));
}

#[test]
fn wrong_values_of_options_are_refused_on_both_sides() {
    for (name, value, expectation) in [
        ("neutron.net.mtu", "67", "1280"),
        ("neutron.net.mtu", "65536", "65535"),
        ("neutron.net.mtu", "1279", "as IPv6 needs"),
        ("neutron.net.mtu", "big", "an MTU"),
        ("neutron.subnet.v6.enable_dhcp", "maybe", "true or false"),
        ("neutron.subnet.v6.dns_nameservers", "fd00::53,ns1", "IP addresses"),
        ("neutron.subnet.v6.ra_mode", "slack", "slaac, dhcpv6-stateful or dhcpv6-stateless"),
        ("neutron.port.security_groups", "a,,b", "commas"),
        ("neutron.port.port_security_enabled", "2", "true or false"),
    ] {
        let (network, pool) = with_options(json!({name: value}));
        says(network, &[name, value, expectation]);
        says(pool, &[name, value, expectation]);
    }
    let both = json!({"neutron.port.security_groups": "a", "neutron.port.port_security_enabled": "off"});
    says(with_options(both.clone()).0, &["neutron.port.security_groups", "neutron.port.port_security_enabled=false"]);
    says(container(both), &["neutron.port.security_groups"]);
    let only_v4 = json!({"NetworkID": NETWORK, "IPv4Data": [{"AddressSpace": "", "Pool": "10.0.0.0/24"}], "IPv6Data": [],
        "Options": {"com.docker.network.generic": {"neutron.subnet.v6.ra_mode": "slaac"}}});
    says(CreateNetwork::read(&bytes(only_v4)), &["neutron.subnet.v6", "no IPv6 range"]);
}

#[test]
fn options_of_containers() {
    assert_eq!(container(Value::Null).unwrap(), ContainerOptions::default());
    let options =
        container(json!({"neutron.port.name": "db", "neutron.port.uuid": POOL, "neutron.port.dns_name": "db-1",
        "neutron.port.port_security_enabled": "no", "neutron.port.qos_policy": POOL}))
        .unwrap();
    assert_eq!(options.port, Some(Choice::Id(POOL.parse().unwrap())), "the id wins");
    assert_eq!(options.dns_name.unwrap().as_str(), "db-1");
    assert_eq!(options.settings.port_security, Some(false));
    assert_eq!(options.settings.qos_policy, Some(Choice::Id(POOL.parse().unwrap())));
    says(container(json!({"neutron.port.dns_name": "my_db"})), &["neutron.port.dns_name", "my_db", "hyphens"]);
    says(container(json!({"neutron.port.uuid": "db"})), &["neutron.port.uuid", "a UUID"]);
    says(container(json!({"neutron.port.dns_name": 7})), &["neutron.port.dns_name", "7", "a string"]);
}

#[test]
fn a_network_as_docker_describes_it() {
    let request = CreateNetwork::read(&bytes(json!({
        "NetworkID": NETWORK,
        "IPv4Data": [{"AddressSpace": "", "Pool": "10.0.0.0/24", "Gateway": "10.0.0.1/24", "AuxAddresses": {"a": "10.0.0.9/24", "b": "10.0.0.8"}}],
        "IPv6Data": [{"AddressSpace": "", "Pool": "2001:db8::/64"}],
        "Options": {"com.docker.network.internal": true, "com.docker.network.generic": {
            "neutron.net.name": "blue", "neutron.net.shared": "Yes", "neutron.subnet.v6.uuid": POOL, "neutron.pool.name": "np"}},
    })))
    .unwrap();
    assert_eq!(request.network, Some(Choice::Name("blue".to_owned())));
    assert!(request.shared && request.internal);
    assert_eq!(request.ranges.len(), 2);
    assert_eq!(request.ranges[0].gateway, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(request.ranges[0].auxiliary.len(), 2, "addresses with and without prefix length");
    assert_eq!(request.ranges[1].gateway, None, "IPv6 without gateway");
    assert_eq!(request.options_of(&request.ranges[0]).pool, Some(Choice::Name("np".to_owned())));
    assert_eq!(request.options_of(&request.ranges[1]).subnet, Some(Choice::Id(POOL.parse().unwrap())));
}

#[test]
fn what_docker_leaves_out_or_writes_as_null_is_read() {
    let request = CreateNetwork::read(&bytes(json!({
        "NetworkID": "p2zd1s1sfyh3tnt9lzhv6gyxu", "IPv4Data": null, "IPv6Data": [], "Options": null})))
    .unwrap();
    assert!(request.ranges.is_empty() && !request.shared && request.network.is_none());
    let placeholder = json!({"NetworkID": NETWORK, "IPv6Data": [],
        "IPv4Data": [{"AddressSpace": "", "Pool": "10.0.0.0/24", "Gateway": "0.0.0.0/0"}]});
    assert_eq!(CreateNetwork::read(&bytes(placeholder)).unwrap().ranges[0].gateway, None);
}

#[test]
fn wrong_networks_are_refused_by_field_value_and_expectation() {
    says(CreateNetwork::read(b"{}"), &["'NetworkID' is a required property"]);
    says(CreateNetwork::read(b"nonsense"), &["400 Bad Request", "not JSON"]);
    says(CreateNetwork::read(b"[]"), &["body", "[]", "an object"]);
    let with = |field: &str, value: Value| {
        let mut all =
            json!({"NetworkID": NETWORK, "IPv6Data": [], "IPv4Data": [{"AddressSpace": "", "Pool": "10.0.0.0/24"}]});
        all[field] = value;
        CreateNetwork::read(&bytes(all))
    };
    says(with("NetworkID", json!("../../etc")), &["NetworkID", "../../etc", "64 hexadecimal digits"]);
    says(with("NetworkID", json!(7)), &["NetworkID", "7", "string"]);
    says(with("IPv4Data", json!({})), &["IPv4Data", "{}", "an array"]);
    says(with("IPv4Data", json!([{"AddressSpace": ""}])), &["'IPv4Data[0].Pool' is a required property"]);
    says(
        with("IPv4Data", json!([{"AddressSpace": "", "Pool": "10.0.0.0/33"}])),
        &["IPv4Data[0].Pool", "/33", "0 to 32"],
    );
    says(with("IPv4Data", json!([{"AddressSpace": "", "Pool": "fd00::/64"}])), &["IPv4Data[0].Pool", "IPv4"]);
    let outside = json!([{"AddressSpace": "", "Pool": "10.0.0.0/24", "AuxAddresses": {"x": "10.0.1.1"}}]);
    says(with("IPv4Data", outside), &["IPv4Data[0]", "10.0.1.1"]);
    let uuid = json!({"com.docker.network.generic": {"neutron.net.uuid": "'; drop"}});
    says(with("Options", uuid), &["neutron.net.uuid", "'; drop", "a UUID"]);
}

#[test]
fn pools() {
    let with = |pool: &str, sub: &str, v6: Value| {
        RequestPool::read(&bytes(json!({"AddressSpace": "x", "Pool": pool, "SubPool": sub, "Options": null, "V6": v6})))
    };
    let request = with("10.0.0.0/16", "10.0.0.0/24", json!(false)).unwrap();
    assert_eq!(request.cidr, Some("10.0.0.0/24".parse().unwrap()));
    assert_eq!(with("", "", json!(true)).unwrap().cidr, None);
    says(with("10.0.0.5/24", "", json!(false)), &["Pool", "10.0.0.5/24", "10.0.0.0/24"]);
    says(with("10.0.0.0/16", "10.1.0.0/24", json!(false)), &["SubPool", "10.1.0.0/24", "10.0.0.0/16"]);
    says(with("10.0.0.0/24", "", json!("false")), &["V6", "false", "true or false"]);
    says(with("10.0.0.0/24", "", json!(true)), &["Pool", "IPv6"]);
    says(with("10.0.0.0/109", "", json!(false)), &["Pool", "/109"]);
}

#[test]
fn addresses() {
    let with = |pool: Value, address: Value, options: Value| {
        RequestAddress::read(&bytes(json!({"PoolID": pool, "Address": address, "Options": options})))
    };
    let purpose = |options| with(json!(POOL), json!(""), options).unwrap().purpose;
    assert_eq!(purpose(Value::Null), Purpose::Reservation);
    assert_eq!(purpose(json!({"com.docker.network.ipam.serial": "true"})), Purpose::Reservation);
    assert_eq!(purpose(json!({"RequestAddressType": "com.docker.network.gateway"})), Purpose::Gateway);
    let mac = json!({"com.docker.network.endpoint.macaddress": "02:42:0A:00:00:0b"});
    assert_eq!(purpose(mac), Purpose::Endpoint("02:42:0a:00:00:0b".parse().unwrap()), "mixed case");
    says(with(json!(""), json!(""), Value::Null), &["PoolID", "UUID"]);
    says(with(json!(POOL), json!("10.0.0.300"), Value::Null), &["Address", "10.0.0.300"]);
    let group = json!({"com.docker.network.endpoint.macaddress": "01:00:5e:00:00:01"});
    says(with(json!(POOL), json!(""), group), &["macaddress", "01:00:5e:00:00:01"]);
    says(ReleaseAddress::read(&bytes(json!({"PoolID": POOL, "Address": ""}))), &["Address", "an IP address"]);
}

#[test]
fn endpoints() {
    let with = |interface: Value| {
        CreateEndpoint::read(&bytes(
            json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": {}, "Interface": interface}),
        ))
    };
    let request =
        with(json!({"Address": "10.0.0.2/24", "AddressIPv6": "", "MacAddress": "02:42:0A:00:00:02"})).unwrap();
    assert_eq!((request.v4, request.v6), (Some("10.0.0.2/24".parse().unwrap()), None));
    assert_eq!(with(Value::Null).unwrap().v4, None);
    says(with(json!({"Address": "10.0.0.2/24/7"})), &["Interface.Address", "10.0.0.2/24/7"]);
    says(with(json!({"ID": "x"})), &["Interface.ID", "a number"]);
    let join =
        |key: Value| Join::read(&bytes(json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": key})));
    for path in
        ["/var/run/docker/netns/052b9aa6e9cd", "/run/docker/netns/1-p2zd1s1sfy", "/run/user/1000/docker/netns/x"]
    {
        assert!(join(json!(path)).is_ok(), "{path}");
    }
    says(join(json!("")), &["SandboxKey", "path"]);
    let exposed = |ports: Value| {
        ProgramExternalConnectivity::read(&bytes(json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT,
            "Options": {"com.docker.network.endpoint.exposedports": ports}})))
    };
    assert_eq!(exposed(json!([{"Proto": 132, "Port": 80}])).unwrap().exposed.len(), 1);
    assert!(exposed(Value::Null).unwrap().exposed.is_empty());
    says(exposed(json!([{"Proto": 6, "Port": 65536}])), &["exposedports[0].Port", "65536", "0 to 65535"]);
    says(exposed(json!([{"Proto": -1, "Port": 1}])), &["exposedports[0].Proto", "-1"]);
}

#[test]
fn published_ports() {
    let read = |ports: Value| {
        ProgramExternalConnectivity::read(&bytes(json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": {
            "com.docker.network.portmap": ports, "com.docker.network.driver.private.no_proxy_6to4": true}})))
    };
    // As Go writes a `PortBinding`: nothing is left out.
    let port = |host: &str, first: u32, last: u32| json!({"Proto": 6, "IP": "", "Port": 80, "HostIP": host, "HostPort": first, "HostPortEnd": last});
    let request =
        read(json!([port("", 0, 0), port("0.0.0.0", 8080, 8080), port("::1", 8080, 0), port("192.0.2.1", 8000, 8010)]));
    let request = request.unwrap();
    assert!(request.v4_alone);
    let found: Vec<_> = request.published.iter().map(|p| (p.host.map(|ip| ip.to_string()), p.host_ports)).collect();
    let text = |address: &str| Some(address.to_owned());
    let expected = [
        (None, HostPorts::Any),
        (text("0.0.0.0"), HostPorts::Range(8080, 8080)),
        (text("::1"), HostPorts::Range(8080, 8080)),
        (text("192.0.2.1"), HostPorts::Range(8000, 8010)),
    ];
    assert_eq!(found, expected);
    says(read(json!([port("here", 1, 1)])), &["portmap[0].HostIP", "here", "an IP address"]);
    says(read(json!([port("", 9, 8)])), &["portmap[0]", "begins before it ends"]);
    says(read(json!([port("", 0, 8)])), &["portmap[0]", "begins before it ends"]);
    says(read(json!([port("", 70000, 0)])), &["portmap[0].HostPort", "70000", "0 to 65535"]);
}

/// Any JSON, with the protocol's own words likely to be keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            NETWORK,
            ENDPOINT,
            POOL,
            "",
            "10.0.0.0/24",
            "fd00::1/64",
            "10.0.0.1",
            "02:42:0a:00:00:02"
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "NetworkID", "EndpointID", "IPv4Data", "IPv6Data", "Options", "Interface", "Address", "AddressIPv6", "Pool",
            "SubPool", "V6", "AddressSpace", "PoolID", "Gateway", "AuxAddresses", "SandboxKey", "MacAddress", "ID",
            "com.docker.network.generic", "neutron.net.uuid", "com.docker.network.endpoint.exposedports", "Proto", "Port",
            "com.docker.network.endpoint.macaddress", "RequestAddressType", "neutron.net.mtu", "neutron.port.dns_name",
            "neutron.port.security_groups", "neutron.subnet.v6.ra_mode", "neutron.subnet.dns_nameservers",
        ]).prop_map(str::to_owned),
        1 => ".{0,10}",
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..8).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn read_all(body: &[u8]) {
    let _ = CreateNetwork::read(body);
    let _ = read_delete(body);
    let _ = (Allocation::read(body, true), read_free(body, true));
    let _ = CreateEndpoint::read(body);
    let _ = EndpointRequest::read(body);
    let _ = Join::read(body);
    let _ = ProgramExternalConnectivity::read(body);
    let _ = RequestPool::read(body);
    let _ = RequestAddress::read(body);
    let _ = ReleaseAddress::read(body);
    let _ = read_release_pool(body);
}

proptest! {
    #[test]
    fn no_json_panics(json in any_json()) {
        read_all(&bytes(json));
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&body);
    }

    #[test]
    fn errors_are_short(json in any_json(), text in ".{0,5000}") {
        let aux = json!([{"AddressSpace": "", "Pool": "10.0.0.0/24", "AuxAddresses": {text.as_str(): "nonsense"}}]);
        let keys = json!({"NetworkID": NETWORK, "IPv4Data": aux, "IPv6Data": []});
        for body in [bytes(json), bytes(keys), bytes(json!({"NetworkID": text.clone(), "PoolID": text}))] {
            if let Err(error) = CreateNetwork::read(&body) {
                prop_assert!(error.to_string().len() < 1500, "{}", error);
            }
        }
    }
}
