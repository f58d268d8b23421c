//! Neutron's resources: made, shown, changed, deleted.

use crate::client::{Client, HOST, id, neutron};
use serde_json::{Value, json};

const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_network_lives_and_dies() {
    let client = Client::new().await;
    let (network, subnet) = client.network().await;
    let path = neutron(&format!("networks/{network}"));
    let shown = client.get(&path).await.expect(200).body["network"].clone();
    assert_eq!(shown["subnets"], json!([subnet]));
    assert_eq!(shown["tenant_id"], shown["project_id"]);
    assert_eq!((&shown["mtu"], &shown["status"]), (&json!(1500), &json!("ACTIVE")));
    let changed = client.put(&path, json!({"network": {"name": "other", "admin_state_up": "False"}})).await.expect(200);
    assert_eq!(changed.body["network"]["name"], "other");
    assert_eq!(changed.body["network"]["admin_state_up"], false, "old clients write booleans as text");
    assert_eq!(
        client.get(&format!("{path}?fields=id&fields=name")).await.body["network"],
        json!({"id": network, "name": "other"})
    );
    client.delete(&neutron(&format!("subnets/{subnet}"))).await.expect(204);
    client.delete(&path).await.expect(204);
    let gone = client.get(&path).await.expect(404);
    assert_eq!(gone.error_type(), "NetworkNotFound");
    assert_eq!(gone.message(), format!("Network {network} could not be found."));
    assert_eq!(gone.body["NeutronError"]["detail"], "");
}

#[tokio::test]
async fn many_are_made_at_once_or_none() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let ports = |addresses: &[&str]| {
        let port = |ip: &&str| json!({"network_id": network, "fixed_ips": [{"ip_address": ip}]});
        json!({"ports": addresses.iter().map(port).collect::<Vec<_>>()})
    };
    let made = client.post(&neutron("ports"), ports(&["10.0.0.10", "10.0.0.11"])).await.expect(201);
    assert_eq!(made.body["ports"].as_array().unwrap().len(), 2);
    let refused = client.post(&neutron("ports"), ports(&["10.0.0.12", "10.0.0.10"])).await.expect(409);
    assert_eq!(refused.error_type(), "IpAddressAlreadyAllocated");
    let left = client.get(&neutron("ports?fixed_ips=ip_address%3D10.0.0.12")).await.expect(200);
    assert_eq!(left.body["ports"], json!([]), "a refused bulk creation left a port");
    let path = neutron("subnets");
    let one = client.post(
        &path,
        json!({"subnets": [{"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4, "enable_dhcp": "True"}]}),
    );
    assert_eq!(one.await.expect(201).body["subnets"][0]["enable_dhcp"], true);
}

#[tokio::test]
async fn a_port_is_bound_here_or_fails_elsewhere() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let bound = client.create("ports", "port", json!({"network_id": network, "binding:host_id": HOST})).await;
    assert_eq!(bound["binding:vif_type"], "bridge");
    assert_eq!(bound["binding:vif_details"]["netns"], "/run/netns/kuryr");
    let elsewhere = client.create("ports", "port", json!({"network_id": network, "binding:host_id": "there"})).await;
    assert_eq!(elsewhere["binding:vif_type"], "binding_failed");
    let free = client.create("ports", "port", json!({"network_id": network})).await;
    assert_eq!(free["binding:vif_type"], "unbound");
    let unbound =
        client.put(&neutron(&format!("ports/{}", id(&bound))), json!({"port": {"binding:host_id": null}})).await;
    assert_eq!(unbound.expect(200).body["port"]["binding:vif_type"], "unbound");
}

#[tokio::test]
async fn a_change_can_be_bound_to_a_revision() {
    let client = Client::new().await;
    let (network, _) = client.network().await;
    let path = neutron(&format!("networks/{network}"));
    let revision = client.get(&path).await.body["network"]["revision_number"].as_u64().unwrap();
    let put = |wanted: String| {
        let request = http::Request::put(&path).header("if-match", wanted);
        client.send(request, json!({"network": {"description": "x"}}).to_string())
    };
    assert_eq!(
        put(format!("revision_number={}", revision + 1)).await.expect(412).error_type(),
        "RevisionNumberConstraintFailed"
    );
    put("revision_number=x".to_owned()).await.expect(400);
    put(format!("revision_number={revision}")).await.expect(200);
    let delete = |wanted: u64| {
        client.send(http::Request::delete(&path).header("if-match", format!("revision_number={wanted}")), "")
    };
    assert_eq!(delete(revision).await.expect(412).error_type(), "RevisionNumberConstraintFailed");
}

#[tokio::test]
async fn tags_are_set_asked_for_and_removed() {
    let client = Client::new().await;
    let (network, subnet) = client.network().await;
    let tags = neutron(&format!("networks/{network}/tags"));
    let identity = "kuryr.net.uuid.lh:0123456789abcdef0123456789abcdef";
    client.put(&format!("{tags}/{identity}"), Value::Null).await.expect(201);
    client.put(&format!("{tags}/{identity}"), Value::Null).await.expect(201);
    client.get(&format!("{tags}/{identity}")).await.expect(204);
    assert_eq!(client.get(&format!("{tags}/other")).await.expect(404).error_type(), "TagNotFound");
    assert_eq!(client.put(&tags, json!({"tags": ["b", "a"]})).await.expect(200).body["tags"], json!(["a", "b"]));
    assert_eq!(client.get(&tags).await.expect(200).body, json!({"tags": ["a", "b"]}));
    client.delete(&format!("{tags}/a")).await.expect(204);
    assert_eq!(client.delete(&format!("{tags}/a")).await.expect(404).error_type(), "TagNotFound");
    client.delete(&tags).await.expect(204);
    for wrong in
        [json!({"tags": "a"}), json!({"tags": [7]}), json!({"tags": ["a,b"]}), json!({}), json!({"tags": [""]})]
    {
        client.put(&tags, wrong).await.expect(400);
    }
    client.put(&neutron(&format!("subnets/{NOWHERE}/tags/a")), Value::Null).await.expect(404);
    client.put(&neutron(&format!("subnets/{subnet}/tags/a")), Value::Null).await.expect(201);
    let group = id(&client.create("security-groups", "security_group", json!({"name": "g"})).await);
    client.put(&neutron(&format!("security_groups/{group}/tags/a")), Value::Null).await.expect(201);
    assert_eq!(client.get(&neutron("security-groups?tags=a")).await.body["security_groups"][0]["id"], group);
}

#[tokio::test]
async fn a_group_shows_its_rules() {
    let client = Client::new().await;
    let group = client.create("security-groups", "security_group", json!({"name": "web", "description": "d"})).await;
    assert_eq!(group["security_group_rules"].as_array().unwrap().len(), 2, "a new group lets everything out: {group}");
    let rule = json!({"security_group_id": id(&group), "direction": "ingress", "protocol": "tcp", "port_range_min": 80,
        "port_range_max": "80", "remote_ip_prefix": "10.0.0.1"});
    let rule = client.create("security-group-rules", "security_group_rule", rule).await;
    assert_eq!((&rule["ethertype"], &rule["port_range_max"]), (&json!("IPv4"), &json!(80)));
    let shown = client.get(&neutron(&format!("security-groups/{}", id(&group)))).await.expect(200);
    let rules = shown.body["security_group"]["security_group_rules"].as_array().unwrap().clone();
    assert_eq!(rules.len(), 3);
    assert!(rules.iter().all(|rule| rule["tenant_id"] == rule["project_id"] && rule["tenant_id"].is_string()));
    let filter = neutron(&format!("security-group-rules?security_group_id={}&protocol=6", id(&group)));
    assert_eq!(client.get(&filter).await.expect(200).body["security_group_rules"][0]["id"], rule["id"]);
    client.delete(&neutron(&format!("security-group-rules/{}", id(&rule)))).await.expect(204);
    client.delete(&neutron(&format!("security-groups/{}", id(&group)))).await.expect(204);
}

#[tokio::test]
async fn a_router_gets_and_loses_an_interface() {
    let client = Client::new().await;
    let (network, subnet) = client.network().await;
    let router = id(&client.create("routers", "router", json!({"name": "r", "external_gateway_info": {}})).await);
    let path = neutron(&format!("routers/{router}"));
    let body = json!({ "subnet_id": subnet });
    let added = client.put(&format!("{path}/add_router_interface"), body.clone()).await.expect(200).body;
    assert_eq!((&added["id"], &added["network_id"]), (&json!(router), &json!(network)));
    let ports = client.get(&neutron(&format!("ports?device_id={router}"))).await.body["ports"].clone();
    assert_eq!(ports[0]["id"], added["port_id"]);
    assert_eq!(ports[0]["device_owner"], "network:router_interface");
    assert_eq!(client.delete(&path).await.expect(409).error_type(), "RouterInUse");
    client.put(&format!("{path}/add_router_interface"), json!({"subnet": subnet})).await.expect(400);
    client.put(&format!("{path}/remove_router_interface"), body).await.expect(200);
    client.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_subnet_comes_from_a_pool() {
    let client = Client::new().await;
    let network = id(&client.create("networks", "network", json!({})).await);
    let pool = json!({"name": "p", "prefixes": ["10.7.0.0/16"], "default_prefixlen": "24", "shared": false});
    let pool = id(&client.create("subnetpools", "subnetpool", pool).await);
    let subnet = json!({"network_id": network, "subnetpool_id": pool, "ip_version": 4});
    let subnet = client.create("subnets", "subnet", subnet).await;
    assert_eq!((&subnet["cidr"], &subnet["gateway_ip"]), (&json!("10.7.0.0/24"), &json!("10.7.0.1")));
    let found = client.get(&neutron(&format!("subnets?subnetpool_id={pool}&cidr=10.7.0.0%2F24"))).await;
    assert_eq!(found.body["subnets"][0]["id"], subnet["id"]);
}

#[tokio::test]
async fn extensions_are_those_that_work() {
    let client = Client::new().await;
    for alias in ["subnet_allocation", "standard-attr-tag", "security-group", "binding", "router", "revision-if-match"]
    {
        let answer = client.get(&neutron(&format!("extensions/{alias}"))).await.expect(200);
        assert_eq!(answer.body["extension"]["alias"], alias);
    }
    for alias in ["vlan-transparent", "tag", "tag-ext", "vpnaas"] {
        assert_eq!(client.get(&neutron(&format!("extensions/{alias}"))).await.expect(404).error_type(), "HTTPNotFound");
    }
    let list = client.get(&neutron("extensions")).await.expect(200);
    assert!(list.body["extensions"].as_array().unwrap().len() > 20);
    let resources = client.get("/networking/v2.0").await.expect(200);
    let resources = resources.body["resources"].as_array().unwrap();
    for path in ["networks", "ports", "security-groups", "routers", "floatingips"] {
        let leads = |one: &serde_json::Value| one["links"][0]["href"].as_str().unwrap().ends_with(path);
        assert!(resources.iter().any(leads), "no {path} in {resources:?}");
    }
}

#[tokio::test]
async fn a_project_has_its_default_group_as_soon_as_it_looks() {
    let client = Client::new().await;
    let groups = client.get(&neutron("security-groups")).await.expect(200).body["security_groups"].clone();
    assert_eq!(groups[0]["name"], "default");
    assert_eq!(groups[0]["security_group_rules"].as_array().unwrap().len(), 4);
    assert_eq!(client.get(&neutron("security-groups")).await.body["security_groups"], groups);
}
