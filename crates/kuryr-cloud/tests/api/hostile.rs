//! What no honest client sends: refused by name, or at least without harm.

use crate::client::{Client, id, neutron};
use axum::body::Body;
use http::Request;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

#[tokio::test]
async fn wrong_bodies_are_refused_by_field_value_and_expectation() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let port = |key: &str, value: Value| json!({"port": {"network_id": network, key: value}});
    let cases: Vec<(&str, Value, Vec<&str>)> = vec![
        ("ports", json!({}), vec!["Unable to find 'port' in request body"]),
        ("ports", json!({"port": []}), vec!["Unable to find 'port'"]),
        ("ports", json!({"port": null}), vec!["Unable to find 'port'"]),
        ("ports", json!({"ports": []}), vec!["Resources required"]),
        ("ports", json!({"ports": [7]}), vec!["Unable to find 'port'"]),
        ("ports", json!({"ports": {"name": "x"}}), vec!["Unable to find 'port'"]),
        ("ports", json!({"port": {}}), vec!["Required attribute 'network_id' not specified"]),
        ("ports", json!({"port": {"network_id": "x; rm -rf"}}), vec!["network_id", "'x; rm -rf' is not a valid UUID"]),
        ("ports", port("colour", json!("red")), vec!["Unrecognized attribute(s) 'colour'"]),
        ("ports", port("id", json!("x")), vec!["Attribute 'id' not allowed in POST"]),
        ("ports", port("status", json!("ACTIVE")), vec!["Attribute 'status' not allowed in POST"]),
        ("ports", port("name", json!(7)), vec!["name", "'7' is not a valid string"]),
        ("ports", port("name", json!(null)), vec!["name", "'None' is not a valid string"]),
        ("ports", port("name", json!("x".repeat(256))), vec!["name", "exceeds maximum length of 255"]),
        ("ports", port("name", json!("a\u{0}b")), vec!["name", "NUL"]),
        (
            "ports",
            port("admin_state_up", json!("maybe")),
            vec!["admin_state_up", "'maybe' cannot be converted to boolean"],
        ),
        ("ports", port("admin_state_up", json!(2)), vec!["admin_state_up", "'2' cannot be converted to boolean"]),
        ("ports", port("mac_address", json!("zz:zz:zz:zz:zz:zz")), vec!["mac_address", "zz:zz", "valid MAC address"]),
        ("ports", port("fixed_ips", json!("10.0.0.1")), vec!["fixed_ips", "is not a list"]),
        ("ports", port("fixed_ips", json!([{}])), vec!["fixed_ips", "subnet_id", "ip_address"]),
        (
            "ports",
            port("fixed_ips", json!([{"ip_address": "300.1.1.1"}])),
            vec!["fixed_ips", "'300.1.1.1' is not a valid IP address"],
        ),
        ("ports", port("fixed_ips", json!([{"ip": "10.0.0.1"}])), vec!["fixed_ips", "subnet_id", "ip_address"]),
        (
            "ports",
            port("security_groups", json!(["default"])),
            vec!["security_groups", "'default' is not a valid UUID"],
        ),
        (
            "ports",
            port("allowed_address_pairs", json!([{"mac_address": "fa:16:3e:00:00:01"}])),
            vec!["AllowedAddressPair must contain ip_address"],
        ),
        ("ports", port("binding:profile", json!([])), vec!["binding:profile", "is not a dictionary"]),
        (
            "subnets",
            json!({"subnet": {"network_id": network, "ip_version": 5, "cidr": "10.1.0.0/24"}}),
            vec!["ip_version", "5 is not in valid_values: 4, 6"],
        ),
        (
            "subnets",
            json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/33"}}),
            vec!["cidr", "10.1.0.0/33"],
        ),
        ("subnets", json!({"subnet": {"network_id": network}}), vec!["Required attribute 'ip_version' not specified"]),
        (
            "subnets",
            json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.5"}]}}),
            vec!["allocation_pools", "'end' is missing"],
        ),
        ("subnetpools", json!({"subnetpool": {"name": "p"}}), vec!["Required attribute 'prefixes' not specified"]),
        (
            "subnetpools",
            json!({"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 129}}),
            vec!["default_prefixlen", "'129' is not in range 0 through 128"],
        ),
        ("networks", json!({"network": {"mtu": 18446744073709551615_u64}}), vec!["mtu", "18446744073709551615"]),
        ("networks", json!({"network": {"mtu": 1}}), vec!["mtu", "'1' is not in range 68 through 65535"]),
        (
            "security-group-rules",
            json!({"security_group_rule": {"direction": "sideways", "security_group_id": network}}),
            vec!["direction", "sideways is not in", "ingress"],
        ),
        (
            "security-group-rules",
            json!({"security_group_rule": {"direction": "ingress", "security_group_id": network, "protocol": "tcpp"}}),
            vec!["protocol", "tcpp"],
        ),
        (
            "security-group-rules",
            json!({"security_group_rule": {"direction": "ingress", "security_group_id": network, "port_range_min": 65536}}),
            vec!["Invalid value for port 65536"],
        ),
        (
            "routers",
            json!({"router": {"external_gateway_info": {"network": "x"}}}),
            vec!["external_gateway_info", "'network' is not one of the keys"],
        ),
    ];
    for (path, body, expected) in cases {
        let refused = client.post(&neutron(path), body.clone()).await.expect(400);
        for part in expected {
            assert!(refused.message().contains(part), "{path} {body}: {}", refused.message());
        }
    }
    let made = id(&client.create("ports", "port", json!({"network_id": network})).await);
    for (key, value) in
        [("id", json!("x")), ("network_id", json!(network)), ("tenant_id", json!("x")), ("status", json!("x"))]
    {
        let refused = client.put(&neutron(&format!("ports/{made}")), json!({"port": {key: value}})).await.expect(400);
        assert_eq!(refused.message(), format!("Cannot update read-only attribute {key}"));
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let client = Client::new().await;
    let deep = format!("{{\"port\":{}}}", "[".repeat(50_000));
    let bodies: Vec<Vec<u8>> = vec![
        vec![],
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"port\"".to_vec(),
        b"{\"port\":\xff}".to_vec(),
        b"{\"port\":{\"name\":\"\xc3\x28\"}}".to_vec(),
        b"{\"port\":{\"name\":\"\\ud800\"}}".to_vec(),
        b"{\"port\":{\"mtu\":1e999}}".to_vec(),
        deep.into_bytes(),
        vec![0; 1000],
    ];
    for body in bodies {
        for path in ["/networking/v2.0/ports", "/identity/v3/auth/tokens"] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let answer = client.send(Request::post(path), body.clone()).await;
            assert_eq!(answer.status, 400, "{path} {shown}");
        }
    }
    let huge = format!("{{\"port\": {{\"name\": \"{}\"}}}}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(client.send(Request::post(neutron("ports")), huge.clone()).await.status, 413);
    assert_eq!(client.send(Request::post("/identity/v3/auth/tokens"), huge).await.status, 413);
}

#[tokio::test]
async fn paths_and_methods_that_lead_nowhere_are_told_so() {
    let client = Client::new().await;
    for path in [
        "vpn",
        "ports/x/y",
        "ports/a/tags/b/c",
        "ports/%ff",
        "nothing",
        "",
        "ports/%00",
        "ports/..%2f..%2fetc",
        "extensions/%ff%fe",
    ] {
        let answer = client.get(&format!("/networking/v2.0/{path}")).await;
        let expected = if path.is_empty() { 200 } else { 404 };
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
        if expected == 404 {
            assert!(answer.error_type().ends_with("NotFound"), "{path}: {answer:?}");
        }
    }
    for path in ["users/%ff", "projects/%ff", "users/%ff/projects", "projects/%ff/users/x/roles", "nothing"] {
        let answer = client.get(&format!("/identity/v3/{path}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["error"]["code"]), (404, &json!(404)), "{path}: {answer:?}");
    }
    let answer = client.send(Request::patch(neutron("ports")), Body::empty()).await.expect(405);
    assert_eq!(answer.error_type(), "HTTPMethodNotAllowed");
    let long = "9".repeat(5000);
    client.get(&neutron(&format!("ports/{long}"))).await.expect(404);
}

#[tokio::test]
async fn hostile_headers_do_no_harm() {
    let client = Client::new().await;
    for (value, status) in [
        (&b"revision_number="[..], 400),
        (b"revision_number=-1", 400),
        (b"revision_number=99999999999999999999999", 400),
        (b"\xff\xfe", 404),
        (b"", 404),
    ] {
        let request = Request::put(neutron("ports/00000000-0000-4000-8000-000000000000")).header("if-match", value);
        client.send(request, json!({"port": {}}).to_string()).await.expect(status);
    }
    let mut nobody = client;
    nobody.token.clear();
    let request = Request::get(neutron("ports")).header("x-auth-token", &b"\xff\xfe"[..]);
    nobody.send(request, "").await.expect(401);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "([0-9]{1,3}\\.){3}[0-9]{1,3}(/[0-9]{1,3})?".prop_map(Value::from),
        Just(Value::from("00000000-0000-4000-8000-000000000000")),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(attribute(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Names that are attributes of something, so that parsers are reached.
fn attribute() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "name",
        "network_id",
        "fixed_ips",
        "ip_address",
        "subnet_id",
        "mac_address",
        "cidr",
        "prefixes",
        "ip_version",
        "gateway_ip",
        "allocation_pools",
        "start",
        "end",
        "host_routes",
        "destination",
        "nexthop",
        "security_groups",
        "direction",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "security_group_id",
        "external_gateway_info",
        "binding:host_id",
        "binding:profile",
        "mtu",
        "default_prefixlen",
        "min_prefixlen",
        "max_prefixlen",
        "subnetpool_id",
        "project_id",
        "tenant_id",
        "allowed_address_pairs",
        "admin_state_up",
        "dns_nameservers",
        "ipv6_ra_mode",
        "prefixlen",
        "default_quota",
        "shared",
        "router:external",
        "is_default",
    ])
    .prop_map(str::to_owned)
}

#[test]
fn no_body_and_no_query_makes_a_defect() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = runtime.block_on(Client::new());
    let kinds = [
        ("networks", "network"),
        ("subnets", "subnet"),
        ("subnetpools", "subnetpool"),
        ("ports", "port"),
        ("security-groups", "security_group"),
        ("security-group-rules", "security_group_rule"),
        ("routers", "router"),
    ];
    let body = prop::collection::hash_map(attribute(), any_json(), 0..8);
    let input = (0..kinds.len(), body, "[a-z_=&%,.0-9-]{0,40}", ".{0,30}");
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&input, |(kind, body, query, path)| {
        let (collection, member) = kinds[kind];
        let body: Value = body.into_iter().collect();
        let bulk = format!("{member}s");
        let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let statuses = runtime.block_on(async {
            [
                client.post(&neutron(collection), json!({ member: body })).await.status,
                client.post(&neutron(collection), json!({ bulk: [body] })).await.status,
                client
                    .put(
                        &neutron(&format!("{collection}/00000000-0000-4000-8000-000000000000")),
                        json!({ member: body }),
                    )
                    .await
                    .status,
                client.get(&neutron(&format!("{collection}?{query}"))).await.status,
                client.get(&neutron(&format!("{collection}/{encoded}"))).await.status,
                client.post("/identity/v3/auth/tokens", json!({"auth": body})).await.status,
            ]
        });
        for status in statuses {
            prop_assert!(!status.is_server_error(), "{statuses:?} for {collection} {body} ?{query} /{encoded}");
        }
        Ok(())
    });
    outcome.unwrap();
}
