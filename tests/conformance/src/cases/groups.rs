//! Security groups and their rules.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["security groups":
    have_defaults,
    change,
    refuse_bad_input,
    the_default_one_is_always_there,
    in_use_stay,
    not_there_are_not_found,
    may_share_a_name,
    are_born_with_rules_without_description,
];

fn rule(direction: &str, ethertype: &str) -> Value {
    json!({
        "id": ANYTHING, "direction": direction, "ethertype": ethertype, "protocol": null, "port_range_min": null,
        "port_range_max": null, "remote_ip_prefix": null, "remote_group_id": null, "security_group_id": ANYTHING,
        "project_id": ANYTHING, "tenant_id": ANYTHING,
    })
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let name = lab.name();
    let group = lab.create("security-groups", json!({"name": name})).await?;
    let mut sorted = group.clone();
    if let Some(rules) = sorted["security_group_rules"].as_array_mut() {
        rules.sort_by_key(|rule| rule["ethertype"].to_string());
    }
    let rules = [rule("egress", "IPv4"), rule("egress", "IPv6")];
    let wanted = json!({
        "id": ANYTHING, "name": name, "description": "", "stateful": true, "tags": [], "project_id": lab.project(),
        "tenant_id": lab.project(), "revision_number": 1, "created_at": ANYTHING, "updated_at": ANYTHING,
        "security_group_rules": rules,
    });
    lab.same("group", &sorted, wanted);
    lab.same("shown", &lab.show("security-groups", &group).await?, json!({"id": group["id"], "name": name}));
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let given = json!({"name": lab.name(), "description": "d"});
    let changed = lab.update("security-groups", &group, given.clone()).await?;
    lab.same("changed", &changed, given);
    lab.check(changed["revision_number"].as_u64() > group["revision_number"].as_u64(), || "same revision".to_owned());
    Ok(())
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, words) in [
        (json!({"name": "n".repeat(256)}), "Invalid input for name"),
        (json!({"name": 7}), "Invalid input for name"),
        (json!({"name": "x", "nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
        (json!({"name": "x", "security_group_rules": []}), "Attribute 'security_group_rules' not allowed in POST"),
    ] {
        lab.no_create("security-groups", body, 400, "HTTPBadRequest", words).await?;
    }
    lab.no_create(
        "security-groups",
        json!({"name": "default"}),
        409,
        "SecurityGroupDefaultAlreadyExists",
        "Default security group already exists.",
    )
    .await
}

async fn the_default_one_is_always_there(lab: &Lab) -> Outcome {
    let found = lab.list(&format!("security-groups?name=default&project_id={}", lab.project())).await?;
    lab.check(found.len() == 1, || format!("{} default groups", found.len()));
    let Some(group) = found.first() else { return Ok(()) };
    lab.same("group", group, json!({"description": "Default security group", "stateful": true}));
    let rules = group["security_group_rules"].as_array().cloned().unwrap_or_default();
    let own =
        rules.iter().filter(|rule| rule["direction"] == "ingress" && rule["remote_group_id"] == group["id"]).count();
    lab.check(own >= 2, || format!("{own} rules let its own members in"));
    // Unused, an administrator could delete it.
    let network = lab.network().await?;
    lab.port(&network, json!({})).await?;
    lab.no_delete("security-groups", group, 409, "SecurityGroupInUse", id(group)).await?;
    let body = json!({"name": "other"});
    lab.no_update("security-groups", group, body, 409, "SecurityGroupCannotUpdateDefault", "").await
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let group = lab.group().await?;
    let port = lab.port(&network, json!({"security_groups": [group["id"]]})).await?;
    let words = format!("Security Group {} in use.", id(&group));
    lab.no_delete("security-groups", &group, 409, "SecurityGroupInUse", &words).await?;
    lab.delete("ports", &port).await?;
    lab.delete("security-groups", &group).await
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let missing = "00000000-0000-4000-8000-000000000000";
    let path = format!("security-groups/{missing}");
    let words = format!("Security group {missing} does not exist");
    let body = Some(json!({"security_group": {"name": "x"}}));
    lab.refused(Method::GET, &path, None, 404, "SecurityGroupNotFound", &words).await?;
    lab.refused(Method::PUT, &path, body, 404, "SecurityGroupNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "SecurityGroupNotFound", &words).await
}

async fn may_share_a_name(lab: &Lab) -> Outcome {
    let name = lab.name();
    for _ in 0..2 {
        lab.create("security-groups", json!({"name": name})).await?;
    }
    let found = lab.list(&format!("security-groups?name={name}")).await?;
    lab.check(found.len() == 2, || format!("{} found", found.len()));
    Ok(())
}

async fn are_born_with_rules_without_description(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let none = json!({"description": null});
    lab.same("rules", &group["security_group_rules"], json!([none, none]));
    Ok(())
}
