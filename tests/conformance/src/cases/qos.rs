//! QoS policies, and networks and ports that have one.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::cases::fixture::{each, with};
use crate::cases::rbac::{DENIED, IN_USE, shared};
use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["qos":
    policies_have_defaults,
    policies_change,
    policies_are_found,
    policies_have_tags,
    policies_in_use_stay,
    policies_are_made_by_operators,
    policies_are_shared,
    policies_refuse_bad_input,
    policies_not_there_are_not_found,
    a_default_policy_is_that_of_new_networks,
    networks_and_ports_have_policies,
    networks_and_ports_refuse_policies_that_are_not_theirs,
    limits_have_defaults,
    limits_are_one_for_each_direction,
    limits_change,
    limits_refuse_bad_input,
    marks_are_one_of_those_with_a_name,
    rules_are_their_policys,
    rules_are_made_by_operators,
    rule_types_tell_what_they_take,
];

const MISSING: &str = "00000000-0000-4000-8000-000000000000";
const POLICIES: &str = "qos/policies";

impl Lab {
    async fn qos_policy(&self, more: Value) -> Result<Value> {
        self.create(POLICIES, with(json!({"name": self.name()}), more)).await
    }

    async fn limit(&self, policy: &Value, more: Value) -> Result<Value> {
        self.create(&limits(policy), with(json!({"max_kbps": 1000}), more)).await
    }

    async fn qos_revision(&self, policy: &Value) -> Result<u64> {
        Ok(self.show(POLICIES, policy).await?["revision_number"].as_u64().unwrap_or_default())
    }
}

fn limits(policy: &Value) -> String {
    format!("{POLICIES}/{}/bandwidth_limit_rules", id(policy))
}

fn marks(policy: &Value) -> String {
    format!("{POLICIES}/{}/dscp_marking_rules", id(policy))
}

async fn policies_have_defaults(lab: &Lab) -> Outcome {
    let made = lab.create(POLICIES, json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "project_id": lab.project(), "tenant_id": lab.project(),
        "shared": false, "is_default": false, "rules": [], "tags": [], "revision_number": 0,
        "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("created", &made, wanted.clone());
    lab.same("shown", &lab.show(POLICIES, &made).await?, wanted);
    Ok(())
}

async fn policies_change(lab: &Lab) -> Outcome {
    let made = lab.qos_policy(json!({})).await?;
    let texts = json!({"name": lab.name(), "description": "a text", "shared": true});
    let changed = lab.update(POLICIES, &made, texts.clone()).await?;
    lab.same("changed", &changed, with(texts, json!({"revision_number": 1})));
    let changed = lab.update(POLICIES, &made, json!({"shared": false})).await?;
    lab.same("sharing is no change of its own", &changed, json!({"shared": false, "revision_number": 1}));
    let words = "Cannot update read-only attribute rules";
    lab.no_update(POLICIES, &made, json!({"rules": []}), 400, "HTTPBadRequest", words).await
}

async fn policies_are_found(lab: &Lab) -> Outcome {
    let made = lab.qos_policy(json!({"shared": true})).await?;
    let name = made["name"].as_str().unwrap_or_default();
    for (filter, count) in [("shared=true", 1), ("shared=false", 0), ("revision_number=0", 1), ("description=x", 0)] {
        let found = lab.list(&format!("{POLICIES}?name={name}&{filter}")).await?;
        lab.check(found.len() == count, || format!("{filter}: {found:?}"));
    }
    let found = lab.list(&format!("{POLICIES}?id={}&fields=name", id(&made))).await?;
    lab.same("fields", &json!(found), json!([{ "name": name }]));
    let words = "['nonsense'] is invalid attribute for filtering";
    lab.refused(Method::GET, &format!("{POLICIES}?nonsense=1"), None, 400, "HTTPBadRequest", words).await
}

async fn policies_have_tags(lab: &Lab) -> Outcome {
    let made = lab.qos_policy(json!({})).await?;
    let tags = lab.put(&format!("policies/{}/tags", id(&made)), json!({"tags": ["gold"]})).await?;
    lab.same("tags", &tags, json!({"tags": ["gold"]}));
    lab.same("shown", &lab.show(POLICIES, &made).await?, json!({"tags": ["gold"]}));
    let found = lab.list(&format!("{POLICIES}?tags=gold&name={}", made["name"].as_str().unwrap_or_default())).await?;
    lab.check(each(&found, "id") == [id(&made)], || format!("{found:?}"));
    Ok(())
}

async fn policies_in_use_stay(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    let used_by = |user: &str, thing: &Value| format!("QoS Policy {} is used by {user} {}.", id(&policy), id(thing));
    let network = lab.create("networks", json!({"name": lab.name(), "qos_policy_id": policy["id"]})).await?;
    lab.no_delete(POLICIES, &policy, 409, "QosPolicyInUse", &used_by("network", &network)).await?;
    lab.update("networks", &network, json!({"qos_policy_id": null})).await?;
    let port = lab.port(&network, json!({"qos_policy_id": policy["id"]})).await?;
    lab.no_delete(POLICIES, &policy, 409, "QosPolicyInUse", &used_by("port", &port)).await?;
    lab.delete("ports", &port).await?;
    lab.delete(POLICIES, &policy).await
}

async fn policies_are_made_by_operators(lab: &Lab) -> Outcome {
    let member = lab.person("member").await?;
    let body = json!({"policy": {"name": lab.name()}});
    lab.refused_to(&member, Method::POST, POLICIES, body, 403, DENIED).await?;
    let own = lab.qos_policy(json!({"project_id": member.project})).await?;
    let other = lab.qos_policy(json!({})).await?;
    lab.same("its project's", &lab.seen_as(&member, POLICIES, &own, "id").await?, own["id"].clone());
    lab.same("another's", &lab.seen_as(&member, POLICIES, &other, "id").await?, Value::Null);
    let path = |policy: &Value| format!("{POLICIES}/{}", id(policy));
    let rename = json!({"policy": {"name": "x"}});
    lab.refused_to(&member, Method::PUT, &path(&own), rename.clone(), 403, DENIED).await?;
    lab.refused_to(&member, Method::DELETE, &path(&own), Value::Null, 403, DENIED).await?;
    lab.refused_to(&member, Method::PUT, &path(&other), rename, 404, "QosPolicyNotFound").await?;
    lab.refused_to(&member, Method::DELETE, &path(&other), Value::Null, 404, "QosPolicyNotFound").await
}

async fn policies_are_shared(lab: &Lab) -> Outcome {
    let [guest, stranger] = [lab.person("member").await?, lab.person("member").await?];
    let policy = lab.qos_policy(json!({})).await?;
    let network = lab.made_as(&guest, "networks", json!({"name": lab.name()})).await?;
    let (path, body) = (format!("networks/{}", id(&network)), json!({"network": {"qos_policy_id": policy["id"]}}));
    lab.refused_to(&guest, Method::PUT, &path, body.clone(), 404, "QosPolicyNotFound").await?;
    let sharing = shared("qos_policy", &policy, &guest.project)["rbac_policy"].clone();
    let sharing = lab.create("rbac-policies", sharing).await?;
    for (who, sees) in [(&guest, json!(true)), (&stranger, Value::Null)] {
        lab.same("seen", &lab.seen_as(who, POLICIES, &policy, "shared").await?, sees);
    }
    lab.allowed_to(&guest, Method::PUT, &path, body, 200).await?;
    let words = format!("RBAC policy on object {} cannot be removed", id(&policy));
    lab.no_delete("rbac-policies", &sharing, 409, IN_USE, &words).await?;
    lab.allowed_to(&guest, Method::PUT, &path, json!({"network": {"qos_policy_id": null}}), 200).await?;
    lab.delete("rbac-policies", &sharing).await?;
    lab.update(POLICIES, &policy, json!({"shared": true})).await?;
    let body = json!({"name": lab.name(), "qos_policy_id": policy["id"]});
    let network = lab.made_as(&stranger, "networks", body).await?;
    lab.no_update(POLICIES, &policy, json!({"shared": false}), 409, IN_USE, &words).await?;
    lab.taken_as(&stranger, "networks", &network).await?;
    lab.update(POLICIES, &policy, json!({"shared": false})).await.map(drop)
}

async fn policies_refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, error_type, words) in [
        (json!({"name": 7}), "HTTPBadRequest", "Invalid input for name. Reason: '7' is not a valid string."),
        (json!({"shared": "x"}), "InvalidInput", "'x' cannot be converted to boolean"),
        (json!({"is_default": "x"}), "InvalidInput", "'x' cannot be converted to boolean"),
        (json!({"rules": []}), "HTTPBadRequest", "Attribute 'rules' not allowed in POST"),
        (json!({"nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
    ] {
        lab.no_create(POLICIES, body, 400, error_type, words).await?;
    }
    Ok(())
}

async fn policies_not_there_are_not_found(lab: &Lab) -> Outcome {
    let words = format!("QoS policy {MISSING} could not be found.");
    let path = format!("{POLICIES}/{MISSING}");
    let body = Some(json!({"policy": {"name": "x"}}));
    lab.refused(Method::GET, &path, None, 404, "QosPolicyNotFound", &words).await?;
    lab.refused(Method::PUT, &path, body, 404, "QosPolicyNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "QosPolicyNotFound", &words).await?;
    let path = format!("{path}/bandwidth_limit_rules");
    let body = Some(json!({"bandwidth_limit_rule": {"max_kbps": 1}}));
    lab.refused(Method::GET, &path, None, 404, "QosPolicyNotFound", &words).await?;
    lab.refused(Method::POST, &path, body, 404, "QosPolicyNotFound", &words).await
}

async fn a_default_policy_is_that_of_new_networks(lab: &Lab) -> Outcome {
    // In a project of its own: each network that another case makes meanwhile would have it.
    let member = lab.person("member").await?;
    let default = json!({"project_id": member.project, "is_default": true});
    let policy = lab.qos_policy(default.clone()).await?;
    lab.same("created", &policy, json!({"is_default": true, "revision_number": 1}));
    let words = format!("A default QoS policy exists for project {}.", member.project);
    lab.no_create(POLICIES, default, 409, "QoSPolicyDefaultAlreadyExists", &words).await?;
    let name = || json!({"name": lab.name()});
    let network = lab.made_as(&member, "networks", name()).await?;
    lab.same("network", &network, json!({"qos_policy_id": policy["id"]}));
    let with_null = with(name(), json!({"qos_policy_id": null}));
    lab.same("null", &lab.made_as(&member, "networks", with_null).await?, json!({"qos_policy_id": policy["id"]}));
    lab.same("elsewhere", &lab.network().await?, json!({"qos_policy_id": null}));
    let changed = lab.update(POLICIES, &policy, json!({"is_default": false})).await?;
    lab.same("no longer", &changed, json!({"is_default": false, "revision_number": 2}));
    lab.same("afterwards", &lab.made_as(&member, "networks", name()).await?, json!({"qos_policy_id": null}));
    Ok(())
}

async fn networks_and_ports_have_policies(lab: &Lab) -> Outcome {
    let [one, two] = [lab.qos_policy(json!({})).await?, lab.qos_policy(json!({})).await?];
    let network = lab.network().await?;
    lab.same("network", &network, json!({"qos_policy_id": null}));
    let port = lab.port(&network, json!({})).await?;
    lab.same("port", &port, json!({"qos_policy_id": null, "qos_network_policy_id": null}));
    let changed = lab.update("networks", &network, json!({"qos_policy_id": one["id"]})).await?;
    lab.same("network", &changed, json!({"qos_policy_id": one["id"]}));
    let of_network = json!({"qos_policy_id": null, "qos_network_policy_id": one["id"]});
    lab.same("its port", &lab.show("ports", &port).await?, of_network.clone());
    let changed = lab.update("ports", &port, json!({"qos_policy_id": two["id"]})).await?;
    lab.same("port", &changed, json!({"qos_policy_id": two["id"], "qos_network_policy_id": one["id"]}));
    let changed = lab.update("ports", &port, json!({"name": lab.name()})).await?;
    lab.same("another change", &changed, json!({"qos_policy_id": two["id"]}));
    let changed = lab.update("ports", &port, json!({"qos_policy_id": null})).await?;
    lab.same("no longer", &changed, of_network);
    let changed = lab.update("networks", &network, json!({"qos_policy_id": null})).await?;
    lab.same("network", &changed, json!({"qos_policy_id": null}));
    lab.same("its port", &lab.show("ports", &port).await?, json!({"qos_network_policy_id": null}));
    Ok(())
}

async fn networks_and_ports_refuse_policies_that_are_not_theirs(lab: &Lab) -> Outcome {
    let words = format!("QoS policy {MISSING} could not be found.");
    let (missing, nonsense) = (json!({"qos_policy_id": MISSING}), json!({"qos_policy_id": "x"}));
    let invalid = "Invalid input for qos_policy_id. Reason: 'x' is not a valid UUID.";
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    lab.no_create("networks", missing.clone(), 404, "QosPolicyNotFound", &words).await?;
    lab.no_create("networks", nonsense.clone(), 400, "HTTPBadRequest", invalid).await?;
    lab.no_port(&network, missing.clone(), 404, "QosPolicyNotFound", &words).await?;
    for (collection, thing) in [("networks", &network), ("ports", &port)] {
        lab.no_update(collection, thing, missing.clone(), 404, "QosPolicyNotFound", &words).await?;
        lab.no_update(collection, thing, nonsense.clone(), 400, "HTTPBadRequest", invalid).await?;
    }
    Ok(())
}

async fn limits_have_defaults(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    let made = lab.limit(&policy, json!({})).await?;
    let wanted = json!({"id": made["id"], "max_kbps": 1000, "max_burst_kbps": 0, "direction": "egress"});
    for (what, rule) in [("created", &made), ("shown", &lab.show(&limits(&policy), &made).await?)] {
        lab.same(what, rule, wanted.clone());
        lab.check(rule.as_object().is_some_and(|rule| rule.len() == 4), || format!("{what}: {rule}"));
    }
    let in_policy = with(wanted, json!({"type": "bandwidth_limit", "qos_policy_id": policy["id"]}));
    lab.same("its policy", &lab.show(POLICIES, &policy).await?, json!({"rules": [in_policy], "revision_number": 1}));
    Ok(())
}

async fn limits_are_one_for_each_direction(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    let egress = lab.limit(&policy, json!({})).await?;
    let conflict = |with: &Value| {
        let policy = id(&policy);
        format!("Rule bandwidth_limit conflicts with rule {} which already exists in QoS Policy {policy}.", id(with))
    };
    let path = limits(&policy);
    lab.no_create(&path, json!({"max_kbps": 5}), 409, "QoSRulesConflict", &conflict(&egress)).await?;
    let ingress = lab.limit(&policy, json!({"direction": "ingress", "max_burst_kbps": 100})).await?;
    lab.same("ingress", &ingress, json!({"direction": "ingress", "max_burst_kbps": 100}));
    let turned = json!({"direction": "ingress"});
    lab.no_update(&path, &egress, turned, 409, "QoSRulesConflict", &conflict(&ingress)).await?;
    lab.delete(&path, &ingress).await?;
    let turned = lab.update(&path, &egress, json!({"direction": "ingress"})).await?;
    lab.same("turned", &turned, json!({"direction": "ingress"}));
    Ok(())
}

async fn limits_change(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    let rule = lab.limit(&policy, json!({})).await?;
    let path = limits(&policy);
    let changed = lab.update(&path, &rule, json!({"max_kbps": 2000})).await?;
    lab.same("changed", &changed, json!({"max_kbps": 2000, "max_burst_kbps": 0, "direction": "egress"}));
    lab.same("revision", &json!(lab.qos_revision(&policy).await?), json!(2));
    lab.update(&path, &rule, json!({"max_burst_kbps": 0})).await?;
    lab.same("nothing new", &json!(lab.qos_revision(&policy).await?), json!(2));
    let found = lab.list(&format!("{path}?max_kbps=2000")).await?;
    lab.check(each(&found, "id") == [id(&rule)], || format!("{found:?}"));
    lab.same("none", &json!(lab.list(&format!("{path}?max_kbps=1")).await?), json!([]));
    lab.delete(&path, &rule).await?;
    lab.same("gone", &lab.show(POLICIES, &policy).await?, json!({"rules": [], "revision_number": 3}));
    let words = format!("QoS rule {} for policy {} could not be found.", id(&rule), id(&policy));
    lab.no_delete(&path, &rule, 404, "QosRuleNotFound", &words).await
}

async fn limits_refuse_bad_input(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    for (body, error_type, words) in [
        (json!({}), "HTTPBadRequest", "Required attribute 'max_kbps' not specified"),
        (
            json!({"max_kbps": -1}),
            "HTTPBadRequest",
            "Invalid input for max_kbps. Reason: '-1' is too small - must be at least '0'.",
        ),
        (
            json!({"max_kbps": 1_u64 << 31}),
            "HTTPBadRequest",
            "Invalid input for max_kbps. Reason: '2147483648' is too large - must be no larger than '2147483647'.",
        ),
        (json!({"max_kbps": "x"}), "InvalidInput", "'x' is not an integer"),
        (json!({"max_kbps": null}), "InvalidInput", "'None' is not an integer"),
        (json!({"max_kbps": 1, "max_burst_kbps": -1}), "HTTPBadRequest", "Invalid input for max_burst_kbps."),
        (
            json!({"max_kbps": 1, "direction": "sideways"}),
            "HTTPBadRequest",
            "Invalid input for direction. Reason: sideways is not in valid_values",
        ),
        (json!({"max_kbps": 1, "nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
    ] {
        lab.no_create(&limits(&policy), body, 400, error_type, words).await?;
    }
    lab.same("none was made", &json!(lab.list(&limits(&policy)).await?), json!([]));
    Ok(())
}

async fn marks_are_one_of_those_with_a_name(lab: &Lab) -> Outcome {
    let policy = lab.qos_policy(json!({})).await?;
    let path = marks(&policy);
    let words = "Invalid input for dscp_mark. Reason: 7 is not in valid_values";
    lab.no_create(&path, json!({"dscp_mark": 7}), 400, "HTTPBadRequest", words).await?;
    lab.no_create(&path, json!({}), 400, "HTTPBadRequest", "Required attribute 'dscp_mark' not specified").await?;
    let mark = lab.create(&path, json!({"dscp_mark": 8})).await?;
    lab.same("created", &mark, json!({"id": ANYTHING, "dscp_mark": 8}));
    let words = format!("Rule dscp_marking conflicts with rule {}", id(&mark));
    lab.no_create(&path, json!({"dscp_mark": 46}), 409, "QoSRulesConflict", &words).await?;
    lab.same("changed", &lab.update(&path, &mark, json!({"dscp_mark": 46})).await?, json!({"dscp_mark": 46}));
    let in_policy = json!({"id": mark["id"], "dscp_mark": 46, "type": "dscp_marking", "qos_policy_id": policy["id"]});
    lab.same("its policy", &lab.show(POLICIES, &policy).await?, json!({"rules": [in_policy], "revision_number": 2}));
    lab.delete(&path, &mark).await
}

async fn rules_are_their_policys(lab: &Lab) -> Outcome {
    let [one, two] = [lab.qos_policy(json!({})).await?, lab.qos_policy(json!({})).await?];
    let rule = lab.limit(&one, json!({})).await?;
    lab.same("of the other", &json!(lab.list(&limits(&two)).await?), json!([]));
    let words = format!("QoS rule {MISSING} for policy {} could not be found.", id(&one));
    let path = format!("{}/{MISSING}", limits(&one));
    lab.refused(Method::GET, &path, None, 404, "QosRuleNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "QosRuleNotFound", &words).await?;
    let body = Some(json!({"bandwidth_limit_rule": {"max_kbps": 1}}));
    lab.refused(Method::PUT, &path, body, 404, "QosRuleNotFound", &words).await?;
    let words = format!("QoS rule {} for policy {} could not be found.", id(&rule), id(&two));
    lab.no_delete(&limits(&two), &rule, 404, "QosRuleNotFound", &words).await?;
    // They go with it.
    lab.delete(POLICIES, &one).await
}

async fn rules_are_made_by_operators(lab: &Lab) -> Outcome {
    let member = lab.person("member").await?;
    let policy = lab.qos_policy(json!({"project_id": member.project})).await?;
    let path = limits(&policy);
    let body = json!({"bandwidth_limit_rule": {"max_kbps": 1}});
    lab.refused_to(&member, Method::POST, &path, body.clone(), 403, DENIED).await?;
    let rule = lab.limit(&policy, json!({})).await?;
    let one = format!("{path}/{}", id(&rule));
    lab.allowed_to(&member, Method::GET, &one, Value::Null, 200).await?;
    lab.refused_to(&member, Method::PUT, &one, body, 403, DENIED).await?;
    lab.refused_to(&member, Method::DELETE, &one, Value::Null, 403, DENIED).await
}

async fn rule_types_tell_what_they_take(lab: &Lab) -> Outcome {
    let types = lab.get("qos/rule-types").await?;
    let types = each(types["rule_types"].as_array().map_or(&[], Vec::as_slice), "type");
    for kind in ["bandwidth_limit", "dscp_marking"] {
        lab.check(types.contains(&kind), || format!("no {kind} in {types:?}"));
        let body = lab.get(&format!("qos/rule-types/{kind}")).await?;
        lab.same(kind, &body, json!({"rule_type": {"type": kind, "drivers": ANYTHING}}));
        let drivers = body["rule_type"]["drivers"].as_array().cloned().unwrap_or_default();
        let parameters = drivers.iter().flat_map(|driver| driver["supported_parameters"].as_array().cloned());
        let parameters: Vec<Value> = parameters.flatten().collect();
        let named = |name: &str| parameters.iter().find(|one| one["parameter_name"] == name).cloned();
        let wanted = match kind {
            "dscp_marking" => json!({"parameter_name": "dscp_mark", "parameter_type": "choices"}),
            _ => json!({
                "parameter_name": "max_kbps", "parameter_type": "range",
                "parameter_values": {"start": 0, "end": 2_147_483_647},
            }),
        };
        let name = wanted["parameter_name"].as_str().unwrap_or_default();
        lab.same(name, &named(name).unwrap_or_default(), wanted.clone());
    }
    let words = "['type'] is invalid attribute for filtering";
    lab.refused(Method::GET, "qos/rule-types?type=x", None, 400, "HTTPBadRequest", words).await?;
    let member = lab.person("member").await?;
    lab.refused_to(&member, Method::GET, "qos/rule-types/bandwidth_limit", Value::Null, 403, "NotAuthorized").await
}
