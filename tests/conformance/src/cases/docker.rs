//! What our Docker plugin relies on, in the order in which it calls.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

use super::fixture::each;

crate::cases!["docker":
    makes_and_removes_a_network,
    starts_and_stops_a_container,
    binds_a_port_to_a_host,
    binds_at_once_when_it_creates,
    unbinds_a_port,
    finds_a_subnet_by_range_and_pool,
    reserves_a_gateway,
    exposes_ports_by_a_group,
];

/// Docker's ids have 64 digits, more than a tag holds: the original splits them.
fn halves(lab: &Lab) -> (String, String) {
    let id = format!("{:0<64}", lab.name().bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    (format!("kuryr.net.uuid.uh:{}", &id[..32]), format!("kuryr.net.uuid.lh:{}", &id[32..64]))
}

async fn makes_and_removes_a_network(lab: &Lab) -> Outcome {
    let name = lab.name();
    let pool = json!({"name": name, "prefixes": ["10.10.0.0/24"], "default_prefixlen": 24, "min_prefixlen": 24, "max_prefixlen": 24});
    let answer = lab.call(Method::POST, "subnetpools", Some(json!({"subnetpool": pool}))).await?;
    lab.check(answer.status == 201 || answer.status == 400, || format!("{} {}", answer.status, answer.body));
    let pool =
        lab.create("subnetpools", json!({"name": name, "prefixes": ["10.10.0.0/24"], "default_prefixlen": 24})).await?;
    if let Some(first) = answer.body["subnetpool"]["id"].as_str() {
        lab.undo_later(Method::DELETE, format!("subnetpools/{first}"), None);
    }
    let (upper, lower) = halves(lab);
    let network = lab.create("networks", json!({"name": format!("kuryr-net-{name}"), "admin_state_up": true})).await?;
    let tags = json!({"tags": [upper, lower]});
    let answer = lab.call(Method::PUT, &format!("networks/{}/tags", id(&network)), Some(tags)).await?;
    lab.same("tags", &json!(answer.status), json!(200));
    let found = lab.list(&format!("networks?tags={upper},{lower}")).await?;
    lab.check(each(&found, "id") == [id(&network)], || format!("{} networks by tags", found.len()));
    let given = json!({"subnetpool_id": pool["id"], "enable_dhcp": false, "gateway_ip": "10.10.0.1"});
    let subnet = lab.subnet_with(&network, "10.10.0.0/24", given.clone()).await?;
    lab.same("subnet", &subnet, given);
    lab.delete("networks", &network).await?;
    lab.refused(Method::GET, &format!("subnets/{}", id(&subnet)), None, 404, "SubnetNotFound", "").await?;
    lab.delete("subnetpools", &pool).await
}

async fn starts_and_stops_a_container(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let asked = json!({
        "name": "kuryr-unbound-port", "admin_state_up": true, "binding:host_id": "",
        "fixed_ips": [{"subnet_id": subnet["id"]}],
    });
    let port = lab.create("ports", super::fixture::with(json!({"network_id": network["id"]}), asked)).await?;
    let address = port["fixed_ips"][0]["ip_address"].as_str().unwrap_or_default().to_owned();
    let query = format!("ports?fixed_ips=subnet_id%3D{}&fixed_ips=ip_address%3D{address}", id(&subnet));
    let found = lab.list(&query).await?;
    lab.check(each(&found, "id") == [id(&port)], || format!("{} ports by address", found.len()));
    let given = json!({
        "name": "kuryr-port", "device_owner": "kuryr:container", "device_id": lab.name(),
        "mac_address": "02:42:0a:01:00:05",
    });
    lab.same("port", &lab.update("ports", &port, given.clone()).await?, given);
    let answer = lab
        .call(Method::PUT, &format!("ports/{}/tags", id(&port)), Some(json!({"tags": ["kuryr.port.existing"]})))
        .await?;
    lab.same("tags", &json!(answer.status), json!(200));
    let found = lab.list(&format!("ports?network_id={}&tags=kuryr.port.existing", id(&network))).await?;
    lab.check(found.len() == 1, || format!("{} ports by tag", found.len()));
    lab.delete("ports", &port).await?;
    let found = lab.list(&query).await?;
    lab.check(found.is_empty(), || "the address is still taken".to_owned());
    Ok(())
}

fn bound(port: &Value) -> bool {
    !matches!(port["binding:vif_type"].as_str(), None | Some("unbound" | "binding_failed"))
}

async fn binds_a_port_to_a_host(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({})).await?;
    let given = json!({"binding:host_id": lab.host, "device_owner": "compute:kuryr", "device_id": lab.name()});
    let changed = lab.update("ports", &port, given.clone()).await?;
    lab.same("port", &changed, given);
    lab.check(bound(&changed), || format!("not bound: {changed}"));
    lab.same("details", &changed["binding:vif_details"], json!({"port_filter": ANYTHING}));
    Ok(())
}

async fn binds_at_once_when_it_creates(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({"binding:host_id": lab.host})).await?;
    lab.check(bound(&port), || format!("not bound: {port}"));
    let elsewhere = lab.port(&network, json!({"binding:host_id": lab.name()})).await?;
    lab.same("elsewhere", &elsewhere["binding:vif_type"], json!("binding_failed"));
    Ok(())
}

async fn unbinds_a_port(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({"binding:host_id": lab.host})).await?;
    let free = lab.update("ports", &port, json!({"binding:host_id": "", "device_id": "", "device_owner": ""})).await?;
    lab.same(
        "free",
        &free,
        json!({"binding:host_id": "", "binding:vif_type": "unbound", "binding:vif_details": {}, "status": "DOWN"}),
    );
    Ok(())
}

async fn finds_a_subnet_by_range_and_pool(lab: &Lab) -> Outcome {
    let pool = lab.create("subnetpools", json!({"name": lab.name(), "prefixes": ["10.10.0.0/16"]})).await?;
    let network = lab.network().await?;
    let subnet = lab.subnet_with(&network, "10.10.3.0/24", json!({"subnetpool_id": pool["id"]})).await?;
    for query in [
        format!("subnets?subnetpool_id={}&cidr=10.10.3.0/24", id(&pool)),
        format!("subnets?network_id={}&cidr=10.10.3.0/24", id(&network)),
        format!("subnets?subnetpool_id={}&cidr=10.10.3.0%2F24", id(&pool)),
    ] {
        let found = lab.list(&query).await?;
        lab.check(each(&found, "id") == [id(&subnet)], || format!("{query} finds {}", found.len()));
    }
    let found = lab.list(&format!("subnetpools?name={}", pool["name"].as_str().unwrap_or_default())).await?;
    lab.check(found.len() == 1, || format!("{} pools by name", found.len()));
    Ok(())
}

async fn reserves_a_gateway(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet =
        lab.subnet_with(&network, "10.1.0.0/24", json!({"gateway_ip": "10.1.0.254", "enable_dhcp": false})).await?;
    let asked = json!([{"subnet_id": subnet["id"], "ip_address": "10.1.0.254"}]);
    let port = lab.port(&network, json!({"fixed_ips": asked, "device_owner": "network:router_interface_x"})).await?;
    lab.same("port", &port["fixed_ips"], asked.clone());
    lab.no_port(&network, json!({"fixed_ips": asked}), 409, "IpAddressAlreadyAllocated", "10.1.0.254").await
}

async fn exposes_ports_by_a_group(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    let group = lab.group().await?;
    let one = |ethertype: &str, port: u16| {
        json!({"security_group_id": group["id"], "direction": "ingress", "ethertype": ethertype, "protocol": "tcp",
            "port_range_min": port, "port_range_max": port})
    };
    lab.create_many("security-group-rules", json!([one("IPv4", 80), one("IPv6", 80)])).await?;
    let mut groups = port["security_groups"].as_array().cloned().unwrap_or_default();
    groups.push(group["id"].clone());
    let changed = lab.update("ports", &port, json!({"security_groups": groups})).await?;
    lab.check(changed["security_groups"].as_array().is_some_and(|list| list.len() == 2), || format!("{changed}"));
    lab.delete("ports", &port).await?;
    lab.delete("security-groups", &group).await
}
