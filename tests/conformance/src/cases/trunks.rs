//! Trunks and their subports.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

use super::fixture::{each, with};
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["trunks":
    have_defaults,
    carry_ports,
    come_up,
    are_told_by_their_parents,
    that_are_down_stay_as_they_are,
    change,
    have_tags_and_are_found,
    keep_their_ports,
    have_one_parent_that_is_no_subport,
    refuse_bad_input,
    are_made_one_by_one,
    go_down_with_their_parents_binding,
    are_their_projects,
    are_counted,
    not_there_are_not_found,
];

const MISSING: &str = "00000000-0000-4000-8000-000000000000";

/// A network with a subnet.
pub async fn net(lab: &Lab, cidr: &str) -> Result<Value> {
    let network = lab.network().await?;
    lab.subnet(&network, cidr).await?;
    Ok(network)
}

/// A trunk of this parent.
pub async fn trunk(lab: &Lab, parent: &Value, more: Value) -> Result<Value> {
    lab.create("trunks", with(json!({"name": lab.name(), "port_id": parent["id"]}), more)).await
}

/// A subport.
pub fn on_vlan(port: &Value, vlan: u16) -> Value {
    json!({"port_id": port["id"], "segmentation_type": "vlan", "segmentation_id": vlan})
}

/// The path of a call about a trunk's subports.
pub fn path(trunk: &Value, verb: &str) -> String {
    format!("trunks/{}/{verb}_subports", id(trunk))
}

/// A trunk with a parent of one network and a subport of another.
pub struct Setting {
    /// The parent.
    pub parent: Value,
    /// The subport, in VLAN 5.
    pub child: Value,
    /// Another port of the subport's network.
    pub other: Value,
    /// The trunk.
    pub trunk: Value,
}

/// Makes one.
pub async fn setting(lab: &Lab) -> Result<Setting> {
    let (outer, inner) = (net(lab, "10.77.0.0/24").await?, net(lab, "10.78.0.0/24").await?);
    let parent = lab.port(&outer, json!({})).await?;
    let (child, other) = (lab.port(&inner, json!({})).await?, lab.port(&inner, json!({})).await?);
    let trunk = trunk(lab, &parent, json!({"sub_ports": [on_vlan(&child, 5)]})).await?;
    Ok(Setting { parent, child, other, trunk })
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let parent = lab.port(&net(lab, "10.77.0.0/24").await?, json!({})).await?;
    let made = lab.create("trunks", json!({"port_id": parent["id"]})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "admin_state_up": true, "port_id": parent["id"], "sub_ports": [],
        "status": "ACTIVE", "tags": [], "project_id": lab.project(), "tenant_id": lab.project(), "revision_number": 1,
        "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("created", &made, wanted.clone());
    lab.same("shown", &lab.show("trunks", &made).await?, wanted);
    Ok(())
}

async fn carry_ports(lab: &Lab) -> Outcome {
    let Setting { parent, child, trunk, .. } = setting(lab).await?;
    let wanted = json!({"port_id": parent["id"], "sub_ports": [on_vlan(&child, 5)]});
    lab.same("created", &trunk, wanted.clone());
    lab.same("shown", &lab.show("trunks", &trunk).await?, wanted);
    let list = lab.get(&path(&trunk, "get")).await?;
    lab.same("list", &list, json!({"sub_ports": [on_vlan(&child, 5)]}));
    let carried = lab.show("ports", &child).await?;
    let profile = json!({"parent_name": parent["id"], "tag": 5});
    let wanted =
        json!({"device_owner": "trunk:subport", "device_id": "", "binding:host_id": "", "binding:profile": profile});
    lab.same("subport", &carried, wanted);
    lab.check(carried["binding:vif_type"] != "unbound", || format!("{carried}"));
    Ok(())
}

/// Waits until a trunk works.
async fn active(lab: &Lab, trunk: &Value) -> Result<Value> {
    for _ in 0..200 {
        let shown = lab.show("trunks", trunk).await?;
        if shown["status"] == "ACTIVE" {
            return Ok(shown);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("trunk {} is not ACTIVE after 20 s", id(trunk))
}

async fn come_up(lab: &Lab) -> Outcome {
    let Setting { other, trunk, .. } = setting(lab).await?;
    let up = active(lab, &trunk).await?;
    let more = lab.put(&path(&trunk, "add"), json!({"sub_ports": [on_vlan(&other, 6)]})).await?;
    lab.same("on the way", &more["status"], json!("DOWN"));
    let again = active(lab, &trunk).await?;
    let (before, after) = (up["revision_number"].as_u64(), again["revision_number"].as_u64());
    lab.check(before < after, || format!("{before:?}, then {after:?}"));
    let less = lab.put(&path(&trunk, "remove"), json!({"sub_ports": [{"port_id": other["id"]}]})).await?;
    lab.same("on the way back", &less["status"], json!("DOWN"));
    active(lab, &trunk).await.map(drop)
}

async fn are_told_by_their_parents(lab: &Lab) -> Outcome {
    let Setting { parent, child, trunk, .. } = setting(lab).await?;
    let sub = with(on_vlan(&child, 5), json!({"mac_address": child["mac_address"]}));
    let wanted = json!({"trunk_details": {"trunk_id": trunk["id"], "sub_ports": [sub]}});
    lab.same("parent", &lab.show("ports", &parent).await?, wanted.clone());
    lab.same("subport", &lab.show("ports", &child).await?, json!({"trunk_details": ABSENT}));
    let listed = lab.list(&format!("ports?id={}", id(&parent))).await?;
    lab.same("listed", &json!(listed), json!([wanted.clone()]));
    lab.same("changed", &lab.update("ports", &parent, json!({"name": lab.name()})).await?, wanted);
    let words = "Cannot update read-only attribute trunk_details";
    lab.no_update("ports", &parent, json!({"trunk_details": {}}), 400, "HTTPBadRequest", words).await?;
    let words = "['trunk_details'] is invalid attribute for filtering";
    lab.refused(Method::GET, "ports?trunk_details=x", None, 400, "HTTPBadRequest", words).await
}

async fn that_are_down_stay_as_they_are(lab: &Lab) -> Outcome {
    let Setting { child, other, trunk, .. } = setting(lab).await?;
    lab.update("trunks", &trunk, json!({"admin_state_up": false})).await?;
    let words = format!("Trunk {} is currently disabled.", id(&trunk));
    let (more, less) = (json!({"sub_ports": [on_vlan(&other, 6)]}), json!({"sub_ports": [{"port_id": child["id"]}]}));
    for (verb, body) in [("add", more), ("remove", less), ("add", json!({"sub_ports": []}))] {
        lab.refused(Method::PUT, &path(&trunk, verb), Some(body), 409, "TrunkDisabled", &words).await?;
    }
    lab.no_delete("trunks", &trunk, 409, "TrunkDisabled", &words).await?;
    let up = lab.update("trunks", &trunk, json!({"admin_state_up": true})).await?;
    lab.same("up again", &up, json!({"admin_state_up": true, "sub_ports": [on_vlan(&child, 5)]}));
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let Setting { other, trunk, .. } = setting(lab).await?;
    let texts = json!({"name": lab.name(), "description": "a text"});
    lab.same("changed", &lab.update("trunks", &trunk, texts.clone()).await?, texts.clone());
    lab.same("shown", &lab.show("trunks", &trunk).await?, texts);
    for (body, attribute) in [
        (json!({"port_id": other["id"]}), "port_id"),
        (json!({"sub_ports": []}), "sub_ports"),
        (json!({"status": "DOWN"}), "status"),
        (json!({"id": MISSING}), "id"),
    ] {
        let words = format!("Cannot update read-only attribute {attribute}");
        lab.no_update("trunks", &trunk, body, 400, "HTTPBadRequest", &words).await?;
    }
    let body = Some(crate::client::json_body(&json!({"trunk": {"name": "x"}})));
    let headers = vec![("if-match", "revision_number=99".to_owned())];
    let path = format!("trunks/{}", id(&trunk));
    let late = lab.raw(&lab.client, Method::PUT, &path, body, headers).await?;
    let wanted = json!([412, "RevisionNumberConstraintFailed"]);
    lab.same("of another revision", &json!([late.status, late.error_type()]), wanted);
    Ok(())
}

async fn have_tags_and_are_found(lab: &Lab) -> Outcome {
    let Setting { parent, trunk, .. } = setting(lab).await?;
    let name = trunk["name"].as_str().unwrap_or_default();
    let tags = lab.put(&format!("trunks/{}/tags", id(&trunk)), json!({"tags": ["blue", "red"]})).await?;
    lab.same("tags", &tags, json!({"tags": ["blue", "red"]}));
    lab.same("shown", &lab.show("trunks", &trunk).await?["tags"], json!(["blue", "red"]));
    for query in [
        format!("name={name}"),
        format!("port_id={}", id(&parent)),
        format!("name={name}&admin_state_up=true"),
        format!("name={name}&tenant_id={}", lab.project()),
        format!("name={name}&tags=blue,red"),
        format!("name={name}&sort_key=port_id&sort_dir=desc"),
        format!("name={name}&fields=id"),
    ] {
        let found = lab.list(&format!("trunks?{query}")).await?;
        lab.check(each(&found, "id") == [id(&trunk)], || format!("{query}: {found:?}"));
    }
    for query in [format!("name={name}&tags=green"), format!("name={name}&admin_state_up=false")] {
        let found = lab.list(&format!("trunks?{query}")).await?;
        lab.check(found.is_empty(), || format!("{query}: {found:?}"));
    }
    for name in ["sub_ports", "nonsense"] {
        let words = format!("['{name}'] is invalid attribute for filtering");
        lab.refused(Method::GET, &format!("trunks?{name}=x"), None, 400, "HTTPBadRequest", &words).await?;
    }
    let (path, words) = ("trunks?sort_key=sub_ports&sort_dir=asc", "['sub_ports'] is invalid attribute for sort_keys");
    lab.refused(Method::GET, path, None, 400, "HTTPBadRequest", words).await
}

async fn keep_their_ports(lab: &Lab) -> Outcome {
    let Setting { parent, child, trunk, .. } = setting(lab).await?;
    let words = format!("Port {} is currently a parent port for trunk {}.", id(&parent), id(&trunk));
    lab.no_delete("ports", &parent, 409, "PortInUseAsTrunkParent", &words).await?;
    let words = format!("Port {} is currently a subport for trunk {}.", id(&child), id(&trunk));
    lab.no_delete("ports", &child, 409, "PortInUseAsSubPort", &words).await?;
    lab.delete("trunks", &trunk).await?;
    lab.delete("ports", &child).await?;
    lab.delete("ports", &parent).await
}

async fn have_one_parent_that_is_no_subport(lab: &Lab) -> Outcome {
    let Setting { parent, child, other, trunk: first } = setting(lab).await?;
    let in_use =
        |port: &Value| format!("Port {} is currently in use and is not eligible for use as a parent port.", id(port));
    let body = json!({"port_id": parent["id"]});
    lab.no_create("trunks", body, 409, "ParentPortInUse", &in_use(&parent)).await?;
    let words = format!("Port {} is in use by another trunk.", id(&child));
    lab.no_create("trunks", json!({"port_id": child["id"]}), 409, "TrunkPortInUse", &words).await?;
    let body = Some(json!({"sub_ports": [on_vlan(&child, 6)]}));
    lab.refused(Method::PUT, &path(&first, "add"), body, 409, "TrunkPortInUse", &words).await?;
    let body = Some(json!({"sub_ports": [on_vlan(&parent, 6)]}));
    lab.refused(Method::PUT, &path(&first, "add"), body, 409, "ParentPortInUse", &in_use(&parent)).await?;
    let body = json!({"port_id": other["id"], "sub_ports": [on_vlan(&other, 6)]});
    lab.no_create("trunks", body, 409, "ParentPortInUse", &in_use(&other)).await?;
    let body = json!({"port_id": other["id"], "sub_ports": [on_vlan(&parent, 6)]});
    lab.no_create("trunks", body, 409, "ParentPortInUse", &in_use(&parent)).await?;
    let body = json!({"port_id": other["id"], "sub_ports": [on_vlan(&child, 6)]});
    lab.no_create("trunks", body, 409, "TrunkPortInUse", &words).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let port = lab.port(&net(lab, "10.77.0.0/24").await?, json!({})).await?;
    for (body, error_type, words) in [
        (json!({"port_id": null}), "HTTPBadRequest", "Invalid input for port_id. Reason: 'None' is not a valid UUID."),
        (json!({"port_id": "x"}), "HTTPBadRequest", "Invalid input for port_id. Reason: 'x' is not a valid UUID."),
        (json!({"name": null}), "HTTPBadRequest", "Invalid input for name. Reason: 'None' is not a valid string."),
        (json!({"status": "ACTIVE"}), "HTTPBadRequest", "Attribute 'status' not allowed in POST"),
        (json!({"nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
        (json!({"admin_state_up": "x"}), "InvalidInput", "'x' cannot be converted to boolean"),
    ] {
        let body = with(json!({"port_id": port["id"]}), body);
        lab.no_create("trunks", body, 400, error_type, words).await?;
    }
    let words = "Required attribute 'port_id' not specified";
    lab.no_create("trunks", json!({}), 400, "HTTPBadRequest", words).await?;
    let words = format!("Port {MISSING} could not be found.");
    lab.no_create("trunks", json!({"port_id": MISSING}), 404, "PortNotFound", &words).await?;
    let body = json!({"port_id": port["id"], "sub_ports": [on_vlan(&json!({"id": MISSING}), 5)]});
    lab.no_create("trunks", body, 404, "PortNotFound", &words).await
}

async fn are_made_one_by_one(lab: &Lab) -> Outcome {
    let port = lab.port(&net(lab, "10.77.0.0/24").await?, json!({})).await?;
    for trunks in [json!([]), json!([{"port_id": port["id"]}])] {
        let body = Some(json!({ "trunks": trunks }));
        lab.refused(Method::POST, "trunks", body, 400, "HTTPBadRequest", "Bulk operation not supported").await?;
    }
    Ok(())
}

async fn go_down_with_their_parents_binding(lab: &Lab) -> Outcome {
    let Setting { parent, child, trunk, .. } = setting(lab).await?;
    lab.update("ports", &parent, json!({"binding:host_id": lab.host})).await?;
    lab.update("ports", &parent, json!({"binding:host_id": ""})).await?;
    let down = lab.show("trunks", &trunk).await?;
    lab.same("unbound", &down, json!({"status": "DOWN", "sub_ports": [on_vlan(&child, 5)]}));
    lab.same("subport", &lab.show("ports", &child).await?["status"], json!("DOWN"));
    // A trunk of a bound port can be taken away.
    lab.update("ports", &parent, json!({"binding:host_id": lab.host})).await?;
    lab.delete("trunks", &trunk).await
}

async fn are_their_projects(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let reader = lab.person("reader").await?;
    let Setting { other, trunk, .. } = setting(lab).await?;
    let absent = |kind: &str| json!([404, format!("{kind}NotFound")]);
    let one = format!("trunks/{}", id(&trunk));
    for (method, path, body) in [
        (Method::GET, one.clone(), None),
        (Method::PUT, one.clone(), Some(json!({"trunk": {"name": "x"}}))),
        (Method::DELETE, one, None),
        (Method::GET, path(&trunk, "get"), None),
        (Method::PUT, path(&trunk, "add"), Some(json!({"sub_ports": []}))),
        (Method::PUT, path(&trunk, "remove"), Some(json!({"sub_ports": []}))),
    ] {
        let answer = lab.call_as(&person.client, method, &path, body).await?;
        lab.same(&path, &json!([answer.status, answer.error_type()]), absent("Trunk"));
    }
    let body = Some(json!({"trunk": {"port_id": other["id"]}}));
    let answer = lab.call_as(&person.client, Method::POST, "trunks", body).await?;
    lab.same("of another's port", &json!([answer.status, answer.error_type()]), absent("Port"));
    let found = lab.call_as(&person.client, Method::GET, "trunks", None).await?;
    lab.same("list", &found.body, json!({"trunks": []}));
    // A port of one's own carries no port of another's, and one's own trunk is one's own.
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": person.project})).await?;
    let own = lab.create("ports", json!({"network_id": network["id"], "project_id": person.project})).await?;
    let body = |sub_ports: Value| Some(json!({"trunk": {"port_id": own["id"], "sub_ports": sub_ports}}));
    let answer = lab.call_as(&person.client, Method::POST, "trunks", body(json!([on_vlan(&other, 5)]))).await?;
    lab.same("with another's port", &json!([answer.status, answer.error_type()]), absent("Port"));
    let made = lab.call_as(&person.client, Method::POST, "trunks", body(json!([]))).await?;
    lab.undo_later(Method::DELETE, format!("trunks/{}", id(&made.body["trunk"])), None);
    let wanted = json!([201, person.project]);
    lab.same("one's own", &json!([made.status, made.body["trunk"]["project_id"]]), wanted);
    let shown = lab.show("trunks", &made.body["trunk"]).await?;
    lab.same("an administrator sees it", &shown["project_id"], json!(person.project));
    let read = lab.call_as(&reader.client, Method::POST, "trunks", body(json!([]))).await?;
    lab.check(read.status >= 403, || format!("a reader: {} {}", read.status, read.body));
    Ok(())
}

async fn are_counted(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let quota = format!("quotas/{}", person.project);
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": person.project})).await?;
    let port = || lab.create("ports", json!({"network_id": network["id"], "project_id": person.project}));
    let (one, two) = (port().await?, port().await?);
    lab.put(&quota, json!({"quota": {"trunk": 1}})).await?;
    lab.undo_later(Method::DELETE, quota.clone(), None);
    let body = |port: &Value| json!({"port_id": port["id"], "project_id": person.project});
    let first = lab.create("trunks", body(&one)).await?;
    lab.no_create("trunks", body(&two), 409, "OverQuota", "Quota exceeded for resources: ['trunk'].").await?;
    let details = lab.get(&format!("{quota}/details.json")).await?;
    lab.same("details", &details["quota"]["trunk"], json!({"limit": 1, "used": 1, "reserved": 0}));
    lab.delete("trunks", &first).await?;
    lab.create("trunks", body(&two)).await.map(drop)
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let words = format!("Trunk {MISSING} could not be found.");
    let missing = json!({"id": MISSING});
    let one = format!("trunks/{MISSING}");
    for (method, path, body) in [
        (Method::GET, one.clone(), None),
        (Method::PUT, one.clone(), Some(json!({"trunk": {"name": "x"}}))),
        (Method::DELETE, one, None),
        (Method::GET, path(&missing, "get"), None),
        (Method::PUT, path(&missing, "add"), Some(json!({"sub_ports": []}))),
        (Method::PUT, path(&missing, "remove"), Some(json!({"sub_ports": []}))),
    ] {
        lab.refused(method, &path, body, 404, "TrunkNotFound", &words).await?;
    }
    for method in [Method::PUT, Method::DELETE] {
        let body = (method == Method::PUT).then(|| json!({}));
        lab.refused(method, "trunks", body, 404, "TrunkNotFound", "Trunk None could not be found.").await?;
    }
    Ok(())
}
