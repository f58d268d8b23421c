//! Quotas of projects.

use http::Method;
use serde_json::{Value, json};

use crate::cases::people::Person;
use crate::lab::{Lab, Outcome, member};

crate::cases!["quotas":
    are_unlimited_shown_set_and_deleted,
    bound_what_a_project_has,
    bound_floating_ips,
    count_what_there_is,
    are_not_set_below_what_there_is,
    are_for_administrators,
    that_make_no_sense_are_refused,
];

const KINDS: [&str; 8] =
    ["network", "subnet", "subnetpool", "port", "router", "security_group", "security_group_rule", "trunk"];

fn path(person: &Person) -> String {
    format!("quotas/{}", person.project)
}

/// Sets limits; they are taken away at the end.
async fn set(lab: &Lab, person: &Person, limits: Value) -> anyhow::Result<Value> {
    let body = lab.put(&path(person), json!({ "quota": limits })).await?;
    lab.undo_later(Method::DELETE, path(person), None);
    Ok(body["quota"].clone())
}

async fn are_unlimited_shown_set_and_deleted(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let missing = format!("Quota for project {} could not be found.", person.project);
    lab.refused(Method::DELETE, &path(&person), None, 404, "TenantQuotaNotFound", &missing).await?;
    let before = lab.get(&path(&person)).await?["quota"].clone();
    let default = lab.get(&format!("{}/default", path(&person))).await?["quota"].clone();
    for kind in KINDS {
        lab.same(kind, &json!([before[kind], default[kind]]), json!([default[kind], before[kind]]));
        lab.check(before[kind].is_i64(), || format!("{kind}: {}", before[kind]));
    }
    let changed = set(lab, &person, json!({"network": 3, "port": "7", "router": -1})).await?;
    let wanted = json!({"network": 3, "port": 7, "router": -1, "subnet": before["subnet"]});
    lab.same("changed", &changed, wanted.clone());
    lab.same("shown", &lab.get(&path(&person)).await?["quota"], wanted);
    let all = lab.get("quotas").await?["quotas"].as_array().cloned().unwrap_or_default();
    let listed = all.iter().find(|quota| quota["project_id"] == json!(person.project)).cloned().unwrap_or_default();
    lab.same("listed", &listed, json!({"network": 3, "tenant_id": person.project}));
    lab.same("still the default", &lab.get(&format!("{}/default", path(&person))).await?["quota"], default);
    let gone = lab.call(Method::DELETE, &path(&person), None).await?;
    lab.same("deletion", &json!(gone.status), json!(204));
    lab.same("afterwards", &lab.get(&path(&person)).await?["quota"]["network"], before["network"].clone());
    Ok(())
}

async fn bound_what_a_project_has(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let project = &person.project;
    // The group that each project has is there first.
    lab.call_as(&person.client, Method::GET, "security-groups", None).await?;
    let limits = json!({
        "network": 1, "subnet": 1, "subnetpool": 1, "port": 1, "router": 1, "security_group": 2, "security_group_rule": 7,
    });
    set(lab, &person, limits).await?;
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": project})).await?;
    let group = lab.create("security-groups", json!({"name": lab.name(), "project_id": project})).await?;
    let (of_network, of_group) = (network["id"].clone(), group["id"].clone());
    let subnet = |cidr: &str| json!({"network_id": of_network, "ip_version": 4, "cidr": cidr, "project_id": project});
    let rule = |port: u16| {
        json!({
            "security_group_id": of_group, "direction": "ingress", "protocol": "tcp", "port_range_min": port,
            "port_range_max": port, "project_id": project,
        })
    };
    for (collection, first, second) in [
        ("subnets", subnet("10.1.0.0/24"), subnet("10.2.0.0/24")),
        (
            "ports",
            json!({"network_id": of_network, "project_id": project}),
            json!({"network_id": of_network, "project_id": project}),
        ),
        ("routers", json!({"name": "a", "project_id": project}), json!({"name": "b", "project_id": project})),
        (
            "subnetpools",
            json!({"name": "a", "prefixes": ["10.0.0.0/8"], "project_id": project}),
            json!({"name": "b", "prefixes": ["10.0.0.0/8"], "project_id": project}),
        ),
        ("security-group-rules", rule(1), rule(2)),
    ] {
        lab.create(collection, first).await?;
        let words = format!("Quota exceeded for resources: ['{}'].", member(collection));
        lab.no_create(collection, second, 409, "OverQuota", &words).await?;
    }
    for (collection, more) in [
        ("networks", json!({"name": "b", "project_id": project})),
        ("security-groups", json!({"name": "b", "project_id": project})),
    ] {
        let words = format!("Quota exceeded for resources: ['{}'].", member(collection));
        lab.no_create(collection, more, 409, "OverQuota", &words).await?;
    }
    let own = lab.call_as(&person.client, Method::POST, "networks", Some(json!({"network": {"name": "c"}}))).await?;
    lab.same("the member's", &json!([own.status, own.error_type()]), json!([409, "OverQuota"]));
    set(lab, &person, json!({"network": 3})).await?;
    let two = json!({"networks": [{"name": "d"}, {"name": "e"}, {"name": "f"}]});
    let many = lab.call_as(&person.client, Method::POST, "networks", Some(two)).await?;
    lab.same("one too many at once", &json!([many.status, many.error_type()]), json!([409, "OverQuota"]));
    lab.create("networks", json!({"name": lab.name(), "project_id": project})).await?;
    lab.create("networks", json!({"name": lab.name(), "project_id": project})).await?;
    Ok(())
}

async fn bound_floating_ips(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    set(lab, &person, json!({"floatingip": 1})).await?;
    let outside = lab.create("networks", json!({"name": lab.name(), "router:external": true})).await?;
    lab.subnet_with(&outside, "172.31.0.0/24", json!({"enable_dhcp": false})).await?;
    let new = json!({"floating_network_id": outside["id"], "project_id": person.project});
    lab.create("floatingips", new.clone()).await?;
    let words = "Quota exceeded for resources: ['floatingip'].";
    lab.no_create("floatingips", new, 409, "OverQuota", words).await
}

async fn count_what_there_is(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let details = format!("{}/details", path(&person));
    let used = |quota: &Value, kind: &str| quota[kind]["used"].as_i64().unwrap_or(-1);
    let network = lab.create("networks", json!({"name": lab.name(), "project_id": person.project})).await?;
    let port = lab.port(&network, json!({"project_id": person.project})).await?;
    let quota = lab.get(&details).await?["quota"].clone();
    lab.same("network", &quota["network"], json!({"used": 1, "reserved": 0}));
    lab.same("port", &quota["port"], json!({"used": 1, "reserved": 0}));
    lab.same(
        "groups and rules",
        &json!([used(&quota, "security_group"), used(&quota, "security_group_rule")]),
        json!([1, 4]),
    );
    lab.delete("ports", &port).await?;
    let own = lab.call_as(&person.client, Method::GET, &details, None).await?;
    lab.same("one's own", &json!([own.status, own.body["quota"]["port"]["used"]]), json!([200, 0]));
    Ok(())
}

async fn are_not_set_below_what_there_is(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    for _ in 0..2 {
        lab.create("networks", json!({"name": lab.name(), "project_id": person.project})).await?;
    }
    let below = Some(json!({"quota": {"network": 1}}));
    let words = "Quota limit 1 for network must be greater than or equal to already used 2";
    lab.refused(Method::PUT, &path(&person), below, 400, "HTTPBadRequest", words).await?;
    set(lab, &person, json!({"network": 2})).await?;
    let forced = set(lab, &person, json!({"network": 1, "force": true})).await?;
    lab.same("forced", &forced["network"], json!(1));
    Ok(())
}

async fn are_for_administrators(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let (own, other) = (path(&person), format!("quotas/{}", lab.project()));
    for (method, path, body, status, error_type) in [
        (Method::GET, own.clone(), Value::Null, 200, ""),
        (Method::GET, format!("{own}/default"), Value::Null, 200, ""),
        (Method::GET, "quotas".to_owned(), Value::Null, 403, "PolicyNotAuthorized"),
        (Method::GET, other.clone(), Value::Null, 403, "PolicyNotAuthorized"),
        (Method::GET, format!("{other}/default"), Value::Null, 403, "PolicyNotAuthorized"),
        (Method::GET, format!("{other}/details"), Value::Null, 403, "AdminRequired"),
        (Method::PUT, own.clone(), json!({"quota": {"network": 1}}), 403, "PolicyNotAuthorized"),
        (Method::DELETE, own, Value::Null, 403, "PolicyNotAuthorized"),
    ] {
        let shown = format!("{method} {path}");
        let answer = lab.call_as(&person.client, method, &path, Some(body).filter(|body| !body.is_null())).await?;
        lab.same(&shown, &json!([answer.status, answer.error_type()]), json!([status, error_type]));
    }
    for (kind, key) in [("tenant", "tenant_id"), ("project", "project_id")] {
        let answer = lab.call_as(&person.client, Method::GET, &format!("quotas/{kind}"), None).await?;
        lab.same(kind, &answer.body[kind][key], json!(person.project));
    }
    Ok(())
}

async fn that_make_no_sense_are_refused(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    for (limits, error_type, words) in [
        (json!({"network": "x"}), "InvalidInput", "'x' is not an integer"),
        (json!({"network": null}), "InvalidInput", "'None' is not an integer"),
        (
            json!({"network": -2}),
            "HTTPBadRequest",
            "Invalid input for network. Reason: '-2' is too small - must be at least '-1'.",
        ),
        (
            json!({"network": 99999999999u64}),
            "HTTPBadRequest",
            "'99999999999' is too large - must be no larger than '2147483647'.",
        ),
        (json!({"nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
    ] {
        let body = Some(json!({ "quota": limits }));
        lab.refused(Method::PUT, &path(&person), body, 400, error_type, words).await?;
    }
    lab.same(
        "nothing is left",
        &json!(
            lab.get("quotas").await?["quotas"]
                .as_array()
                .map_or(0, |all| { all.iter().filter(|quota| quota["project_id"] == json!(person.project)).count() })
        ),
        json!(0),
    );
    Ok(())
}
