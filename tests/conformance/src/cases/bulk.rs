//! Several resources with one call: all or none.

use http::Method;
use serde_json::json;

use crate::lab::{Lab, Outcome, id};

use super::fixture::each;

crate::cases!["bulk":
    makes_all_in_order,
    makes_ports,
    makes_rules,
    makes_all_or_none,
    refuses_what_one_of_them_may_not,
];

async fn makes_all_in_order(lab: &Lab) -> Outcome {
    let names: Vec<String> = (0..3).map(|_| lab.name()).collect();
    let bodies: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let made = lab.create_many("networks", json!(bodies)).await?;
    lab.check(each(&made, "name") == names, || format!("{:?}", each(&made, "name")));
    Ok(())
}

async fn makes_ports(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let one = |name: &str| json!({"network_id": network["id"], "name": name, "binding:host_id": ""});
    let made = lab.create_many("ports", json!([one("one"), one("two"), one("three")])).await?;
    lab.check(each(&made, "name") == ["one", "two", "three"], || format!("{:?}", each(&made, "name")));
    let mut addresses: Vec<_> = made.iter().map(|port| port["fixed_ips"][0]["ip_address"].to_string()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    lab.check(addresses.len() == 3, || format!("{addresses:?}"));
    Ok(())
}

async fn makes_rules(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let one = |port: u16| json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": port});
    let made = lab.create_many("security-group-rules", json!([one(80), one(443)])).await?;
    lab.check(made.len() == 2 && made[0]["port_range_min"] == 80, || format!("{made:?}"));
    let again = Some(json!({"security_group_rules": [one(8080), one(443)]}));
    lab.refused(Method::POST, "security-group-rules", again, 409, "SecurityGroupRuleExists", "").await?;
    let found = lab.list(&format!("security-group-rules?security_group_id={}&direction=ingress", id(&group))).await?;
    lab.check(found.len() == 2, || format!("{} rules after a refusal", found.len()));
    Ok(())
}

async fn makes_all_or_none(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let at = |address: &str| json!({"network_id": network["id"], "fixed_ips": [{"ip_address": address}]});
    lab.create("ports", at("10.1.0.50")).await?;
    let body = Some(json!({"ports": [at("10.1.0.51"), at("10.1.0.50")]}));
    lab.refused(Method::POST, "ports", body, 409, "IpAddressAlreadyAllocated", "10.1.0.50").await?;
    let found = lab.list(&format!("ports?network_id={}", id(&network))).await?;
    lab.check(found.len() == 1, || format!("{} ports after a refusal", found.len()));
    Ok(())
}

async fn refuses_what_one_of_them_may_not(lab: &Lab) -> Outcome {
    let name = lab.name();
    let body = Some(json!({"networks": [{"name": name}, {"nonsense": 1}]}));
    lab.refused(Method::POST, "networks", body, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'").await?;
    let found = lab.list(&format!("networks?name={name}")).await?;
    lab.check(found.is_empty(), || "one of them was made".to_owned());
    Ok(())
}
