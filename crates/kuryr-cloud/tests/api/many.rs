//! Ten thousand ports and a thousand rules: each is made, and lists of them are whole, filtered or in pages.

use crate::client::{Client, HOST, URL, id, ids, neutron};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Ports in all, those of them that are bound to the host, and those of one request.
const PORTS: usize = 10_000;
const BOUND: usize = 400;
const BULK: usize = 800;
/// Rules of one group.
const RULES: usize = 1_000;

#[tokio::test]
async fn ten_thousand_ports_are_made_and_listed() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let body = json!({"port": {"network_id": network, "binding:host_id": HOST}});
    for _ in 0..BOUND {
        client.post(&neutron("ports"), body.clone()).await.expect(201);
    }
    for _ in 0..(PORTS - BOUND) / BULK {
        let ports = vec![json!({"network_id": network}); BULK];
        client.post(&neutron("ports"), json!({ "ports": ports })).await.expect(201);
    }
    let none = client.get(&neutron("ports?device_owner=nothing&binding%3Ahost_id=there")).await.expect(200);
    assert_eq!(none.body["ports"], json!([]));
    let here = client.get(&neutron(&format!("ports?binding%3Ahost_id={HOST}"))).await.expect(200);
    assert_eq!(here.body["ports"].as_array().unwrap().len(), BOUND);
    let all = client.get(&neutron("ports")).await.expect(200);
    let all = all.body["ports"].as_array().unwrap();
    let of = |pick: &dyn Fn(&Value) -> String| all.iter().map(pick).collect::<BTreeSet<String>>();
    let addresses = of(&|port| port["fixed_ips"][0]["ip_address"].as_str().unwrap().to_owned());
    assert_eq!(addresses.len(), PORTS, "an address of its own for each");
    assert_eq!(of(&|port| port["mac_address"].to_string()).len(), PORTS, "a MAC address of its own for each");

    let (mut seen, mut path) = (BTreeSet::new(), neutron("ports?limit=700&fields=id"));
    loop {
        let page = client.get(&path).await.expect(200).body;
        seen.extend(ids(&page["ports"]));
        let links = page["ports_links"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["rel"] == "next") else { break };
        path = next["href"].as_str().unwrap().strip_prefix(URL).unwrap().to_owned();
    }
    assert_eq!(seen, of(&id), "the pages have each port");
}

#[tokio::test]
async fn a_thousand_rules_are_made_and_listed() {
    let client = Client::new().await;
    let project =
        client.get(&neutron("security-groups")).await.expect(200).body["security_groups"][0]["project_id"].clone();
    let quota = neutron(&format!("quotas/{}", project.as_str().unwrap()));
    client.put(&quota, json!({"quota": {"security_group_rule": 100}})).await.expect(200);
    let group = client.create("security-groups", "security_group", json!({"name": "many"})).await;
    let rule = |number: usize| {
        json!({
            "security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_range_min": number, "port_range_max": number, "remote_ip_prefix": "10.0.0.0/8",
        })
    };
    let rules = json!({"security_group_rules": (1..=RULES).map(rule).collect::<Vec<_>>()});
    let refused = client.post(&neutron("security-group-rules"), rules.clone()).await.expect(409);
    assert_eq!(refused.error_type(), "OverQuota");
    client.put(&quota, json!({"quota": {"security_group_rule": -1}})).await.expect(200);
    client.post(&neutron("security-group-rules"), rules.clone()).await.expect(201);
    let again = client.post(&neutron("security-group-rules"), json!({"security_group_rule": rule(RULES)})).await;
    assert_eq!(again.expect(409).error_type(), "SecurityGroupRuleExists");

    let filter = format!("security-group-rules?direction=ingress&security_group_id={}", id(&group));
    let listed = client.get(&neutron(&filter)).await.expect(200);
    let listed: BTreeSet<u64> = listed.body["security_group_rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["port_range_min"].as_u64().unwrap())
        .collect();
    assert_eq!(listed, (1..=RULES as u64).collect());
    let shown = client.get(&neutron(&format!("security-groups/{}", id(&group)))).await.expect(200);
    let of_group = shown.body["security_group"]["security_group_rules"].as_array().unwrap().len();
    assert_eq!(of_group, RULES + 2, "and the two that let everything out");
    client.delete(&neutron(&format!("security-groups/{}", id(&group)))).await.expect(204);
    let left = client.get(&neutron(&filter)).await.expect(200);
    assert_eq!(left.body["security_group_rules"], json!([]));
}
