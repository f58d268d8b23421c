//! Checks of request bodies: what Docker sends is read, anything else is an error, nothing panics.

use super::{endpoint::*, ipam::*, network::*, option::*, *};
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

#[test]
fn options_that_do_not_exist_are_told_with_what_was_meant() {
    let right = json!({"neutron.net.shared": "no", "neutron.pool.v6.name": "", "neutron.subnet.name": "", "mtu": "9"});
    let wrong = json!({"neutron.network.name": "blue", "Neutron.pool.name": "np", "neutron.subnet.v6.id": "x"});
    let expected = [
        ("Neutron.pool.name", Some("neutron.pool.name")),
        ("neutron.network.name", Some("neutron.net.name")),
        ("neutron.subnet.v6.id", Some("neutron.subnet.v6.uuid")),
    ];
    for (options, expected) in [(right, &[][..]), (wrong, &expected[..])] {
        let network = json!({"NetworkID": NETWORK, "IPv4Data": [], "IPv6Data": [],
            "Options": {"com.docker.network.generic": options}});
        let pool = json!({"AddressSpace": "", "Pool": "", "SubPool": "", "V6": false, "Options": options});
        let told =
            [CreateNetwork::read(&bytes(network)).unwrap().unknown, RequestPool::read(&bytes(pool)).unwrap().unknown];
        for mut told in told {
            told.sort_by(|a, b| a.name.cmp(&b.name));
            let told: Vec<_> = told.iter().map(|unknown| (unknown.name.as_str(), unknown.nearest)).collect();
            assert_eq!(told, expected);
        }
    }
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
    let join = |key: Value| {
        EndpointRequest::read_join(&bytes(json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": key})))
    };
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
            "com.docker.network.endpoint.macaddress", "RequestAddressType",
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
    let _ = read_allocate(body);
    let _ = CreateEndpoint::read(body);
    let _ = EndpointRequest::read(body);
    let _ = EndpointRequest::read_join(body);
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
