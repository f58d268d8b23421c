//! What readers and members may do, with their own things and with what others share.

use http::Method;
use serde_json::{Value, json};

use crate::cases::people::Person;
use crate::client::Answer;
use crate::lab::{Lab, Outcome, id, member};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["policy":
    readers_look_and_change_nothing,
    members_change_their_own,
    shared_networks_are_seen_and_used_and_not_changed,
    ports_on_shared_networks_take_what_they_are_given,
    some_attributes_are_for_administrators,
    other_projects_things_are_not_there,
    nobody_acts_for_another_project,
    every_project_has_a_default_group,
];

impl Lab {
    /// A call as somebody that must be refused with this status and type.
    pub(super) async fn refused_to(
        &self,
        who: &Person,
        method: Method,
        path: &str,
        body: Value,
        status: u16,
        error_type: &str,
    ) -> Outcome {
        let shown = format!("{method} {path} {body}");
        let answer = self.call_as(&who.client, method, path, Some(body).filter(|body| !body.is_null())).await?;
        self.check(answer.status == status && answer.error_type() == error_type, || {
            format!("{shown}: wanted {status} {error_type}, was {} {}", answer.status, answer.body)
        });
        self.made_by(path, &answer);
        Ok(())
    }

    /// A call as somebody that must be allowed.
    pub(super) async fn allowed_to(
        &self,
        who: &Person,
        method: Method,
        path: &str,
        body: Value,
        status: u16,
    ) -> anyhow::Result<Value> {
        let shown = format!("{method} {path} {body}");
        let answer = self.call_as(&who.client, method, path, Some(body).filter(|body| !body.is_null())).await?;
        self.check(answer.status == status, || {
            format!("{shown}: wanted {status}, was {} {}", answer.status, answer.body)
        });
        self.made_by(path, &answer);
        Ok(answer.body[member(path)].clone())
    }

    fn made_by(&self, path: &str, answer: &Answer) {
        let made = &answer.body[member(path)];
        if answer.status == 201 && !id(made).is_empty() {
            self.undo_later(Method::DELETE, format!("{path}/{}", id(made)), None);
        }
    }
}

/// One thing of each kind in a project.
struct Things {
    network: Value,
    subnet: Value,
    port: Value,
    group: Value,
    router: Value,
}

async fn things(lab: &Lab, project: &str) -> anyhow::Result<Things> {
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": project})).await?;
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", json!({"project_id": project})).await?;
    let port = lab.port(&network, json!({"project_id": project})).await?;
    let group = lab.create("security-groups", json!({"name": lab.name(), "project_id": project})).await?;
    let router = lab.router(json!({"project_id": project})).await?;
    Ok(Things { network, subnet, port, group, router })
}

impl Things {
    fn each(&self) -> [(&'static str, &Value); 5] {
        [
            ("networks", &self.network),
            ("subnets", &self.subnet),
            ("ports", &self.port),
            ("security-groups", &self.group),
            ("routers", &self.router),
        ]
    }
}

async fn readers_look_and_change_nothing(lab: &Lab) -> Outcome {
    let reader = lab.person("reader").await?;
    let things = things(lab, &reader.project).await?;
    for (collection, thing) in things.each() {
        let path = format!("{collection}/{}", id(thing));
        lab.allowed_to(&reader, Method::GET, &path, Value::Null, 200).await?;
        let rename = json!({member(collection): {"name": "x"}});
        lab.refused_to(&reader, Method::PUT, &path, rename, 403, "PolicyNotAuthorized").await?;
        lab.refused_to(&reader, Method::DELETE, &path, Value::Null, 403, "PolicyNotAuthorized").await?;
        let tag = format!("{path}/tags/x");
        lab.refused_to(&reader, Method::PUT, &tag, Value::Null, 403, "PolicyNotAuthorized").await?;
        lab.allowed_to(&reader, Method::GET, &format!("{path}/tags"), Value::Null, 200).await?;
    }
    let (network, group) = (&things.network["id"], &things.group["id"]);
    for (collection, new) in [
        ("networks", json!({"name": lab.name()})),
        ("subnets", json!({"network_id": network, "ip_version": 4, "cidr": "10.2.0.0/24"})),
        ("ports", json!({"network_id": network})),
        ("security-groups", json!({"name": lab.name()})),
        ("security-group-rules", json!({"security_group_id": group, "direction": "ingress"})),
        ("routers", json!({"name": lab.name()})),
        ("subnetpools", json!({"name": lab.name(), "prefixes": ["10.0.0.0/8"]})),
    ] {
        let body = json!({ member(collection): new });
        lab.refused_to(&reader, Method::POST, collection, body, 403, "PolicyNotAuthorized").await?;
    }
    let rule = things.group["security_group_rules"][0]["id"].as_str().unwrap_or_default();
    let rule = format!("security-group-rules/{rule}");
    lab.refused_to(&reader, Method::DELETE, &rule, Value::Null, 403, "PolicyNotAuthorized").await?;
    let join = format!("routers/{}/add_router_interface", id(&things.router));
    let body = json!({"subnet_id": things.subnet["id"]});
    lab.refused_to(&reader, Method::PUT, &join, body, 403, "PolicyNotAuthorized").await
}

async fn members_change_their_own(lab: &Lab) -> Outcome {
    for role in ["member", "manager"] {
        let person = lab.person(role).await?;
        let things = things(lab, &person.project).await?;
        for (collection, thing) in things.each() {
            let path = format!("{collection}/{}", id(thing));
            let rename = json!({member(collection): {"name": "x"}});
            lab.allowed_to(&person, Method::PUT, &path, rename, 200).await?;
        }
        for (collection, thing) in things.each().into_iter().rev().filter(|(collection, _)| *collection != "subnets") {
            lab.allowed_to(&person, Method::DELETE, &format!("{collection}/{}", id(thing)), Value::Null, 204).await?;
        }
    }
    Ok(())
}

async fn shared_networks_are_seen_and_used_and_not_changed(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let network = lab.create("networks", json!({"name": lab.name(), "shared": true})).await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let foreign = lab.port(&network, json!({})).await?;
    for (collection, thing) in [("networks", &network), ("subnets", &subnet)] {
        let path = format!("{collection}/{}", id(thing));
        lab.allowed_to(&person, Method::GET, &path, Value::Null, 200).await?;
        let rename = json!({member(collection): {"name": "x"}});
        lab.refused_to(&person, Method::PUT, &path, rename, 403, "PolicyNotAuthorized").await?;
        lab.refused_to(&person, Method::DELETE, &path, Value::Null, 403, "PolicyNotAuthorized").await?;
        let tag = format!("{path}/tags/x");
        lab.refused_to(&person, Method::PUT, &tag, Value::Null, 403, "PolicyNotAuthorized").await?;
    }
    let path = format!("ports/{}", id(&foreign));
    for (method, body) in
        [(Method::GET, Value::Null), (Method::PUT, json!({"port": {"name": "x"}})), (Method::DELETE, Value::Null)]
    {
        lab.refused_to(&person, method, &path, body, 404, "PortNotFound").await?;
    }
    let another = json!({"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.2.0.0/24"}});
    lab.refused_to(&person, Method::POST, "subnets", another, 403, "PolicyNotAuthorized").await?;
    let port =
        lab.allowed_to(&person, Method::POST, "ports", json!({"port": {"network_id": network["id"]}}), 201).await?;
    lab.same("its owner", &port["project_id"], json!(person.project));
    lab.same("seen by the network's owner", &lab.show("ports", &port).await?["id"], port["id"].clone());
    let router = lab.router(json!({"project_id": person.project})).await?;
    let join = format!("routers/{}/add_router_interface", id(&router));
    lab.refused_to(&person, Method::PUT, &join, json!({"subnet_id": subnet["id"]}), 400, "BadRequest").await?;
    let unshare = json!({"network": {"shared": false}});
    let path = format!("networks/{}", id(&network));
    lab.refused(Method::PUT, &path, Some(unshare), 409, "InvalidSharedSetting", "Unable to reconfigure sharing").await
}

async fn ports_on_shared_networks_take_what_they_are_given(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let network = lab.create("networks", json!({"name": lab.name(), "shared": true})).await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let own = json!({"port": {"network_id": network["id"], "fixed_ips": [{"subnet_id": subnet["id"]}], "device_owner": "compute:x"}});
    let port = lab.allowed_to(&person, Method::POST, "ports", own, 201).await?;
    let path = format!("ports/{}", id(&port));
    for more in [
        json!({"fixed_ips": [{"ip_address": "10.1.0.77"}]}),
        json!({"mac_address": "fa:16:3e:01:02:03"}),
        json!({"port_security_enabled": false}),
        json!({"allowed_address_pairs": [{"ip_address": "10.7.7.7"}]}),
        json!({"device_owner": "network:dhcp"}),
        json!({"binding:host_id": "x"}),
        json!({"binding:profile": {"a": "b"}}),
    ] {
        lab.refused_to(&person, Method::PUT, &path, json!({"port": more}), 403, "PolicyNotAuthorized").await?;
        let mut new = json!({"port": {"network_id": network["id"]}});
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            new["port"][key] = value;
        }
        lab.refused_to(&person, Method::POST, "ports", new, 403, "PolicyNotAuthorized").await?;
    }
    Ok(())
}

async fn some_attributes_are_for_administrators(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let new = |more: Value| {
        let mut body = json!({"network": {"name": lab.name()}});
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            body["network"][key] = value;
        }
        body
    };
    let network = lab.allowed_to(&person, Method::POST, "networks", new(json!({})), 201).await?;
    let hidden = json!({"provider:network_type": ABSENT, "provider:segmentation_id": ABSENT, "shared": false});
    lab.same("what is hidden", &network, hidden);
    let path = format!("networks/{}", id(&network));
    for more in [json!({"shared": true}), json!({"router:external": true}), json!({"provider:network_type": "local"})] {
        lab.refused_to(&person, Method::POST, "networks", new(more.clone()), 403, "PolicyNotAuthorized").await?;
        lab.refused_to(&person, Method::PUT, &path, json!({"network": more}), 403, "PolicyNotAuthorized").await?;
    }
    for more in [json!({"shared": false}), json!({"router:external": false}), json!({"port_security_enabled": false})] {
        lab.allowed_to(&person, Method::POST, "networks", new(more), 201).await?;
    }
    let port = json!({"port": {"network_id": network["id"], "mac_address": "fa:16:3e:01:02:03"}});
    let port = lab.allowed_to(&person, Method::POST, "ports", port, 201).await?;
    let hidden = json!({"binding:host_id": ABSENT, "binding:vif_type": ABSENT, "binding:vnic_type": ANYTHING});
    lab.same("what is hidden", &port, hidden);
    let path = format!("ports/{}", id(&port));
    for more in [json!({"binding:host_id": "x"}), json!({"mac_address": "fa:16:3e:01:02:04"})] {
        lab.refused_to(&person, Method::PUT, &path, json!({"port": more}), 403, "PolicyNotAuthorized").await?;
    }
    for more in [json!({"shared": true}), json!({"is_default": true})] {
        let mut pool = json!({"subnetpool": {"name": lab.name(), "prefixes": ["10.0.0.0/8"]}});
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            pool["subnetpool"][key] = value;
        }
        lab.refused_to(&person, Method::POST, "subnetpools", pool, 403, "PolicyNotAuthorized").await?;
    }
    Ok(())
}

async fn other_projects_things_are_not_there(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let (foreign, own) = (things(lab, lab.project()).await?, things(lab, &person.project).await?);
    for ((collection, thing), missing) in foreign.each().into_iter().zip([
        "NetworkNotFound",
        "SubnetNotFound",
        "PortNotFound",
        "SecurityGroupNotFound",
        "RouterNotFound",
    ]) {
        let path = format!("{collection}/{}", id(thing));
        lab.refused_to(&person, Method::GET, &path, Value::Null, 404, missing).await?;
        let rename = json!({member(collection): {"name": "x"}});
        lab.refused_to(&person, Method::PUT, &path, rename, 404, missing).await?;
        lab.refused_to(&person, Method::DELETE, &path, Value::Null, 404, missing).await?;
        let listed = lab.call_as(&person.client, Method::GET, &format!("{collection}?id={}", id(thing)), None).await?;
        lab.same(collection, &listed.body, json!({collection.replace('-', "_"): []}));
    }
    let join = format!("routers/{}/add_router_interface", id(&own.router));
    for what in [json!({"subnet_id": foreign.subnet["id"]}), json!({"port_id": foreign.port["id"]})] {
        let answer = lab.call_as(&person.client, Method::PUT, &join, Some(what.clone())).await?;
        lab.check(answer.status == 404, || format!("{what}: {} {}", answer.status, answer.body));
    }
    let group = foreign.group["id"].clone();
    let port = json!({"port": {"network_id": own.network["id"], "security_groups": [group]}});
    lab.refused_to(&person, Method::POST, "ports", port, 404, "SecurityGroupNotFound").await?;
    let remote = json!({"security_group_id": own.group["id"], "direction": "ingress", "remote_group_id": group});
    let remote = json!({ "security_group_rule": remote });
    lab.refused_to(&person, Method::POST, "security-group-rules", remote, 404, "SecurityGroupNotFound").await?;
    let into = json!({"security_group_rule": {"security_group_id": group, "direction": "ingress"}});
    lab.refused_to(&person, Method::POST, "security-group-rules", into, 403, "PolicyNotAuthorized").await
}

async fn nobody_acts_for_another_project(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    for (collection, new) in [
        ("networks", json!({"name": lab.name()})),
        ("security-groups", json!({"name": lab.name()})),
        ("routers", json!({"name": lab.name()})),
    ] {
        let mut body = json!({ member(collection): new });
        body[member(collection)]["project_id"] = lab.project().into();
        lab.refused_to(&person, Method::POST, collection, body, 400, "HTTPBadRequest").await?;
    }
    let path = format!("networks?project_id={}&shared=false&router:external=false", lab.project());
    let listed = lab.call_as(&person.client, Method::GET, &path, None).await?;
    lab.same("others' networks", &listed.body, json!({"networks": []}));
    Ok(())
}

async fn every_project_has_a_default_group(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let listed = lab.call_as(&person.client, Method::GET, "security-groups", None).await?;
    let groups = listed.body["security_groups"].as_array().cloned().unwrap_or_default();
    let group = groups.first().cloned().unwrap_or_default();
    lab.undo_later(Method::DELETE, format!("security-groups/{}", id(&group)), None);
    lab.check(groups.len() == 1, || format!("{} groups", groups.len()));
    lab.same("it", &group, json!({"name": "default", "project_id": person.project}));
    let rules = group["security_group_rules"].as_array().cloned().unwrap_or_default();
    let from_itself = rules.iter().filter(|rule| rule["remote_group_id"] == group["id"]).count();
    let out = rules.iter().filter(|rule| rule["direction"] == "egress").count();
    lab.same("rules, from itself, out", &json!([rules.len(), from_itself, out]), json!([4, 2, 2]));
    let path = format!("security-groups/{}", id(&group));
    lab.refused_to(&person, Method::DELETE, &path, Value::Null, 409, "SecurityGroupCannotRemoveDefault").await?;
    let another = json!({"security_group": {"name": "default"}});
    lab.refused_to(&person, Method::POST, "security-groups", another, 409, "SecurityGroupDefaultAlreadyExists").await?;
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": person.project})).await?;
    let port = json!({"port": {"network_id": network["id"]}});
    let port = lab.allowed_to(&person, Method::POST, "ports", port, 201).await?;
    lab.same("a port's groups", &port["security_groups"], json!([group["id"]]));
    Ok(())
}
