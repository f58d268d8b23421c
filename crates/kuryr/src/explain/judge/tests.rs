//! What is said of packets in a small cloud: two networks, a router, an outside.

use super::*;
use serde_json::{Value, json};

const BLUE: &str = "b0000000-0000-0000-0000-000000000001";
const RED: &str = "b0000000-0000-0000-0000-000000000002";
const WORLD: &str = "b0000000-0000-0000-0000-000000000003";
const ROUTER: &str = "c0000000-0000-0000-0000-000000000001";
const WEB_GROUP: &str = "d0000000-0000-0000-0000-000000000001";
const DB_GROUP: &str = "d0000000-0000-0000-0000-000000000002";
const RULE_IN: &str = "e0000000-0000-0000-0000-000000000001";
const RULE_OUT: &str = "e0000000-0000-0000-0000-000000000002";

fn subnet_id(n: u8) -> String {
    format!("50000000-0000-0000-0000-00000000000{n}")
}

fn port(n: u8, network: &str, subnet: u8, address: &str, more: Value) -> Value {
    let mut port = json!({
        "id": format!("{n:08x}-0000-0000-0000-000000000000"), "network_id": network, "status": "ACTIVE",
        "mac_address": format!("fa:16:3e:00:00:{n:02x}"), "admin_state_up": true, "port_security_enabled": true,
        "fixed_ips": [{"subnet_id": subnet_id(subnet), "ip_address": address}],
    });
    port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    port
}

/// web (10.0.0.5) and db (10.0.0.6) on blue, far (10.1.0.5) on red; a router joins them and leads outside.
fn cloud() -> Everything {
    let subnet = |n: u8, network: &str, cidr: &str, gateway: &str| {
        json!({"id": subnet_id(n), "network_id": network, "cidr": cidr, "gateway_ip": gateway,
            "ip_version": 4, "name": ""})
    };
    let rule = |id: &str, group: &str, more: Value| {
        let mut rule = json!({"id": id, "security_group_id": group});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let of_router = |owner: &str| json!({"device_owner": owner, "device_id": ROUTER});
    let interface = || of_router("network:router_interface");
    let read = |value: Value| serde_json::from_value(value).unwrap();
    Everything {
        networks: serde_json::from_value(json!([{"id": BLUE, "name": "blue"}, {"id": RED, "name": "red"},
            {"id": WORLD, "name": "world", "router:external": true}]))
        .unwrap(),
        subnets: [
            subnet(1, BLUE, "10.0.0.0/24", "10.0.0.1"),
            subnet(2, RED, "10.1.0.0/24", "10.1.0.1"),
            subnet(3, WORLD, "172.24.4.0/24", "172.24.4.1"),
        ]
        .into_iter()
        .map(|subnet| serde_json::from_value(subnet).unwrap())
        .collect(),
        ports: [
            port(1, BLUE, 1, "10.0.0.1", interface()),
            port(2, RED, 2, "10.1.0.1", interface()),
            port(3, WORLD, 3, "172.24.4.9", of_router("network:router_gateway")),
            port(5, BLUE, 1, "10.0.0.5", json!({"device_id": "web", "security_groups": [WEB_GROUP]})),
            port(6, BLUE, 1, "10.0.0.6", json!({"device_id": "db", "security_groups": [DB_GROUP]})),
            port(7, RED, 2, "10.1.0.5", json!({"device_id": "far", "security_groups": [DB_GROUP]})),
        ]
        .into_iter()
        .map(read)
        .collect(),
        security_groups: serde_json::from_value(json!([
            {"id": WEB_GROUP, "name": "web",
             "security_group_rules": [rule(RULE_OUT, WEB_GROUP, json!({"direction": "egress"}))]},
            {"id": DB_GROUP, "name": "db", "security_group_rules": [rule(RULE_IN, DB_GROUP, json!({
                "direction": "ingress", "protocol": "tcp", "port_range_min": 5432, "port_range_max": 5432,
                "remote_group_id": WEB_GROUP}))]},
        ]))
        .unwrap(),
        routers: serde_json::from_value(json!([{"id": ROUTER, "name": "edge",
            "external_gateway_info": {"network_id": WORLD}}]))
        .unwrap(),
    }
}

fn ask(all: &Everything, from: u8, to: &str, service: &str) -> Judgement {
    ask_with(all, &[], from, to, service)
}

fn ask_with(all: &Everything, address_groups: &[AddressGroup], from: u8, to: &str, service: &str) -> Judgement {
    let rulebook = Rulebook::new(&all.networks, &all.ports, &all.security_groups, address_groups);
    let names = all.ports.iter().filter(|port| !port.device_id.is_empty() && port.device_owner.is_empty());
    let names = names.map(|port| (port.id, port.device_id.clone())).collect();
    let port = all.ports.iter().find(|port| port.mac_address.0[5] == from).unwrap();
    let (source, service) = (port.fixed_ips[0].ip_address, service.parse().unwrap());
    let judge = Judge { all, rulebook: &rulebook, names: &names, floating_ips: &[], address_groups };
    judge.judge(Question { from: port, source, destination: to.parse().unwrap(), service: &service })
}

#[test]
fn a_rule_that_lets_it_in_is_named() {
    let all = cloud();
    for (to, name) in [("10.0.0.6", "db"), ("10.1.0.5", "far")] {
        let told = ask(&all, 5, to, "5432");
        assert_eq!(told.verdict, Verdict::Allowed, "{told:?}");
        let rules: Vec<_> = told.steps.iter().filter_map(|step| step.rule).map(|id| id.to_string()).collect();
        assert_eq!(rules, [RULE_OUT, RULE_IN]);
        let words = format!("{name} may get it: rule {RULE_IN} of group db (in, IPv4 tcp 5432 from group web)");
        assert_eq!(told.reason, words);
        assert!(told.remedies.is_empty());
    }
    let routed = ask(&all, 5, "10.1.0.5", "5432");
    assert!(routed.steps.iter().any(|step| step.text.contains("router edge leads from network blue to network red")));
}

#[test]
fn what_no_rule_allows_comes_with_the_rule_that_would() {
    let all = cloud();
    let told = ask(&all, 5, "10.0.0.6", "80");
    assert_eq!(
        (told.verdict, told.reason.as_str()),
        (Verdict::Dropped, "db may not get it: no rule of group db allows it")
    );
    let wanted = format!(
        "openstack security group rule create --ingress --ethertype IPv4 --protocol tcp --dst-port 80 --remote-ip 10.0.0.5/32 {DB_GROUP}"
    );
    assert_eq!(told.remedies, [wanted]);
    // db may not begin anything, not even to whom it may answer.
    let back = ask(&all, 6, "10.0.0.5", "icmp");
    assert_eq!(
        (back.verdict, back.reason.as_str()),
        (Verdict::Dropped, "db may not send it: no rule of group db allows it")
    );
    assert!(back.remedies[0].contains("--egress --ethertype IPv4 --protocol icmp --remote-ip 10.0.0.5/32"));
}

#[test]
fn the_outside_is_reached_by_the_routers_address() {
    let told = ask(&cloud(), 5, "198.51.100.1", "443");
    assert_eq!(told.verdict, Verdict::Allowed);
    let out = "router edge sends it out by external network world, from its own address 172.24.4.9";
    assert!(told.steps.iter().any(|step| step.text == out), "{told:?}");
}

type Change = fn(&mut Everything);

#[test]
fn where_there_is_no_way_it_says_what_is_missing() {
    let cases: [(Change, &str, Verdict, &str, &str); 8] = [
        (
            |all| all.routers[0].external_gateway_info = None,
            "198.51.100.1",
            Verdict::NoWay,
            "no external gateway",
            "--external-gateway",
        ),
        (
            |all| all.routers[0].admin_state_up = false,
            "10.1.0.5",
            Verdict::NoWay,
            "router edge is administratively down",
            "--enable",
        ),
        (
            |all| all.ports.retain(|port| port.mac_address.0[5] != 1),
            "10.1.0.5",
            Verdict::NoWay,
            "no router has the gateway",
            "add subnet",
        ),
        (|all| all.subnets[0].gateway_ip = None, "10.1.0.5", Verdict::NoWay, "has no gateway", "subnet set"),
        (|all| all.subnets[1].gateway_ip = None, "10.1.0.5", Verdict::NoWay, "answers find no way back", "subnet set"),
        (|_| (), "10.0.0.77", Verdict::NoWay, "no port of network blue has 10.0.0.77", ""),
        (|all| all.ports[4].status = Status::Down, "10.0.0.6", Verdict::NoWay, "db is not there", ""),
        (
            |all| all.ports[4].admin_state_up = false,
            "10.0.0.6",
            Verdict::Dropped,
            "administratively down",
            "port set --enable",
        ),
    ];
    for (change, to, verdict, reason, remedy) in cases {
        let mut all = cloud();
        change(&mut all);
        let told = ask(&all, 5, to, "5432");
        assert_eq!(told.verdict, verdict, "{told:?}");
        assert!(told.reason.contains(reason), "{reason}: {told:?}");
        assert!(remedy.is_empty() || told.remedies[0].contains(remedy), "{remedy}: {told:?}");
    }
}

#[test]
fn port_security_that_is_off_lets_all_pass() {
    let mut all = cloud();
    all.ports[4].port_security_enabled = false;
    let told = ask(&all, 5, "10.0.0.6", "80/udp");
    assert_eq!(told.verdict, Verdict::Allowed);
    assert!(told.steps.iter().any(|step| step.text == "db may get it: its port security is off"), "{told:?}");
}

#[test]
fn the_outside_comes_in_by_a_floating_ip_and_a_rule() {
    let all = cloud();
    let rulebook = Rulebook::new(&all.networks, &all.ports, &all.security_groups, &[]);
    let db = all.ports.iter().find(|port| port.mac_address.0[5] == 6).unwrap();
    let floating: Vec<FloatingIp> = serde_json::from_value(json!([{"id": ROUTER, "floating_network_id": WORLD,
        "floating_ip_address": "172.24.4.20", "port_id": db.id}]))
    .unwrap();
    let service = "5432".parse().unwrap();
    let (source, destination) = ("198.51.100.1".parse().unwrap(), db.fixed_ips[0].ip_address);
    let question = Question { from: db, source, destination, service: &service };
    let told = |all: &Everything, floating_ips: &[FloatingIp], rulebook: &Rulebook| {
        Judge { all, rulebook, names: &HashMap::new(), floating_ips, address_groups: &[] }
            .judge_outside(question, db)
            .unwrap()
    };
    let without = told(&all, &[], &rulebook);
    assert_eq!(without.verdict, Verdict::NoWay);
    assert!(without.remedies[0].contains("openstack floating ip create --port"), "{without:?}");
    // The rule lets in the members of a group alone.
    let with = told(&all, &floating, &rulebook);
    assert_eq!(with.verdict, Verdict::Dropped);
    assert!(with.remedies[0].contains("--remote-ip 198.51.100.1/32"), "{with:?}");
    let mut open = cloud();
    open.security_groups[1].security_group_rules[0].remote_group_id = None;
    let rulebook = Rulebook::new(&open.networks, &open.ports, &open.security_groups, &[]);
    assert_eq!(told(&open, &floating, &rulebook).verdict, Verdict::Allowed);
}

#[test]
fn an_address_group_lets_in_its_addresses_alone() {
    let mut all = cloud();
    let rule = &mut all.security_groups[1].security_group_rules[0];
    rule.remote_group_id = None;
    rule.remote_address_group_id = Some(ROUTER.parse().unwrap());
    for (addresses, verdict) in [("10.0.0.0/24", Verdict::Allowed), ("10.9.0.0/24", Verdict::Dropped)] {
        let groups: Vec<AddressGroup> =
            serde_json::from_value(json!([{"id": ROUTER, "name": "offices", "addresses": [addresses]}])).unwrap();
        let told = ask_with(&all, &groups, 5, "10.0.0.6", "5432");
        assert_eq!(told.verdict, verdict, "{told:?}");
    }
}
