//! Versions, discovery and the resources of Neutron.

use http::Method;
use serde_json::json;

use crate::client::Call;
use crate::lab::{Lab, Outcome};
use crate::matching::ANYTHING;

crate::cases!["versions":
    keystone_tells_where_v3_is,
    keystone_v3_tells_itself,
    neutron_tells_its_versions,
    neutron_v2_names_its_resources,
    every_answer_carries_a_request_id,
    unknown_paths_are_not_found,
    wrong_methods_are_refused,
    extensions_that_clients_ask_for_are_there,
    one_extension_can_be_asked_for,
];

fn call(method: Method, url: &str) -> Call {
    Call { method, url: url.to_owned(), token: None, headers: Vec::new(), body: None }
}

async fn keystone_tells_where_v3_is(lab: &Lab) -> Outcome {
    let root = lab.client.identity.trim_end_matches("v3");
    let answer = lab.client.send(call(Method::GET, root)).await?;
    lab.same("status", &json!(answer.status), json!(300));
    let versions = &answer.body["versions"]["values"];
    lab.same("versions", versions, json!([{"status": "stable", "links": [{"rel": "self", "href": ANYTHING}]}]));
    lab.check(versions[0]["id"].as_str().is_some_and(|id| id.starts_with("v3")), || format!("no v3: {versions}"));
    Ok(())
}

async fn keystone_v3_tells_itself(lab: &Lab) -> Outcome {
    let answer = lab.client.send(call(Method::GET, &lab.client.identity)).await?;
    lab.same("status", &json!(answer.status), json!(200));
    lab.same("version", &answer.body["version"], json!({"status": "stable", "links": ANYTHING}));
    Ok(())
}

async fn neutron_tells_its_versions(lab: &Lab) -> Outcome {
    let root = lab.client.network.trim_end_matches("v2.0");
    let answer = lab.client.send(call(Method::GET, root)).await?;
    lab.same("status", &json!(answer.status), json!(200));
    lab.same("versions", &answer.body["versions"], json!([{"id": "v2.0", "status": "CURRENT", "links": ANYTHING}]));
    Ok(())
}

async fn neutron_v2_names_its_resources(lab: &Lab) -> Outcome {
    let url = format!("{}/", lab.client.network);
    let token = Some(lab.client.token.clone());
    let body = lab.client.send(Call { token, ..call(Method::GET, &url) }).await?.body;
    let resources = body["resources"].as_array().cloned().unwrap_or_default();
    for wanted in ["networks", "subnets", "subnetpools", "ports"] {
        let found = resources.iter().find(|resource| resource["collection"] == wanted);
        lab.check(found.is_some_and(|found| found["links"][0]["href"].is_string()), || format!("no {wanted}: {body}"));
    }
    Ok(())
}

async fn every_answer_carries_a_request_id(lab: &Lab) -> Outcome {
    for path in ["networks?limit=1", "networks/nowhere"] {
        let answer = lab.call(Method::GET, path, None).await?;
        let id = answer.header("x-openstack-request-id").to_owned();
        lab.check(id.starts_with("req-"), || format!("GET /{path}: x-openstack-request-id is '{id}'"));
    }
    Ok(())
}

async fn unknown_paths_are_not_found(lab: &Lab) -> Outcome {
    for path in ["nonsense", "nonsense/1", "networks/x/y/z"] {
        let answer = lab.call(Method::GET, path, None).await?;
        lab.check(answer.status == 404, || format!("GET /{path}: {} {}", answer.status, answer.body));
    }
    Ok(())
}

async fn wrong_methods_are_refused(lab: &Lab) -> Outcome {
    let all = [
        ("networks", "NetworkNotFound", "Network None could not be found."),
        ("subnets", "SubnetNotFound", "Subnet None could not be found."),
        ("subnetpools", "SubnetPoolNotFound", "Subnet pool None could not be found."),
        ("ports", "PortNotFound", "Port None could not be found."),
        ("routers", "RouterNotFound", "Router None could not be found"),
        ("security-groups", "SecurityGroupNotFound", "Security group None does not exist"),
        ("security-group-rules", "SecurityGroupRuleNotFound", "Security group rule None does not exist"),
    ];
    for (path, error_type, words) in all {
        // Neutron takes them for calls about one resource whose id is missing.
        lab.refused(Method::PUT, path, None, 404, error_type, words).await?;
        lab.refused(Method::DELETE, path, None, 404, error_type, words).await?;
        lab.refused(Method::PATCH, path, None, 405, "HTTPMethodNotAllowed", "").await?;
    }
    Ok(())
}

async fn extensions_that_clients_ask_for_are_there(lab: &Lab) -> Outcome {
    let extensions = lab.list("extensions").await?;
    for alias in [
        "allowed-address-pairs",
        "binding",
        "external-net",
        "net-mtu",
        "port-security",
        "project-id",
        "revision-if-match",
        "router",
        "security-group",
        "sorting",
        "pagination",
        "standard-attr-description",
        "standard-attr-revisions",
        "standard-attr-tag",
        "standard-attr-timestamp",
        "subnet_allocation",
    ] {
        let found = extensions.iter().find(|extension| extension["alias"] == alias);
        lab.check(found.is_some(), || format!("no {alias}"));
        if let Some(found) = found {
            let wanted = json!({"name": ANYTHING, "description": ANYTHING, "updated": ANYTHING, "links": []});
            lab.same(alias, found, wanted);
        }
    }
    Ok(())
}

async fn one_extension_can_be_asked_for(lab: &Lab) -> Outcome {
    let body = lab.get("extensions/standard-attr-tag").await?;
    lab.same("extension", &body["extension"], json!({"alias": "standard-attr-tag"}));
    let answer = lab.call(Method::GET, "extensions/nonsense", None).await?;
    lab.same("status", &json!(answer.status), json!(404));
    Ok(())
}
