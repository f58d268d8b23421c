//! RBAC policies: what a project shares with another one, or with all.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::cases::fixture::{each, with};
use crate::cases::people::Person;
use crate::lab::{Lab, Outcome, id, member};

crate::cases!["rbac policies":
    are_their_owners,
    of_all_are_what_shared_says,
    for_all_are_made_by_administrators,
    in_use_stay,
    are_given_to_others,
    go_with_what_they_share,
    are_found,
    are_counted,
    refuse_bad_input,
    not_there_are_not_found,
];

const MISSING: &str = "00000000-0000-4000-8000-000000000000";
/// The policy does not allow it.
pub(super) const DENIED: &str = "PolicyNotAuthorized";
/// Somebody depends on it.
pub(super) const IN_USE: &str = "RbacPolicyInUse";

/// Three projects.
pub(super) struct Cast {
    /// Shares.
    pub(super) owner: Person,
    /// Gains by it.
    pub(super) guest: Person,
    /// Does not.
    pub(super) stranger: Person,
}

/// Makes them.
pub(super) async fn cast(lab: &Lab) -> Result<Cast> {
    let (owner, guest) = (lab.person("member").await?, lab.person("member").await?);
    Ok(Cast { owner, guest, stranger: lab.person("member").await? })
}

/// The body of a policy.
pub(super) fn body(kind: &str, object: &Value, target: &str, action: &str) -> Value {
    let policy = json!({"object_type": kind, "object_id": object["id"], "target_tenant": target, "action": action});
    json!({ "rbac_policy": policy })
}

/// The body of a policy that shares something.
pub(super) fn shared(kind: &str, object: &Value, target: &str) -> Value {
    body(kind, object, target, "access_as_shared")
}

impl Lab {
    /// A resource that somebody makes, which must work.
    pub(super) async fn made_as(&self, who: &Person, collection: &str, attributes: Value) -> Result<Value> {
        let body = json!({ member(collection): attributes });
        self.allowed_to(who, Method::POST, collection, body, 201).await
    }

    /// A policy that somebody makes, which must work.
    pub(super) async fn policy_as(&self, who: &Person, body: Value) -> Result<Value> {
        self.allowed_to(who, Method::POST, "rbac-policies", body, 201).await
    }

    /// A policy that must be refused to somebody.
    pub(super) async fn no_policy_as(&self, who: &Person, body: Value, status: u16, error_type: &str) -> Outcome {
        self.refused_to(who, Method::POST, "rbac-policies", body, status, error_type).await
    }

    /// What somebody sees under one key of a thing; nothing when it is not there for them.
    pub(super) async fn seen_as(&self, who: &Person, collection: &str, thing: &Value, key: &str) -> Result<Value> {
        let answer = self.call_as(&who.client, Method::GET, &format!("{collection}/{}", id(thing)), None).await?;
        Ok(answer.body[member(collection)][key].clone())
    }

    /// How many somebody finds.
    pub(super) async fn found_as(&self, who: &Person, path: &str) -> Result<usize> {
        let collection = path.split('?').next().unwrap_or_default().replace('-', "_");
        let answer = self.call_as(&who.client, Method::GET, path, None).await?;
        Ok(answer.body[&collection].as_array().map_or(0, Vec::len))
    }

    /// A deletion by somebody, which must work.
    pub(super) async fn taken_as(&self, who: &Person, collection: &str, thing: &Value) -> Outcome {
        let path = format!("{collection}/{}", id(thing));
        self.allowed_to(who, Method::DELETE, &path, Value::Null, 204).await.map(drop)
    }

    /// The policy cannot go, nor be somebody else's.
    pub(super) async fn needed(&self, cast: &Cast, policy: &Value) -> Outcome {
        let words =
            format!("RBAC policy on object {} cannot be removed", policy["object_id"].as_str().unwrap_or_default());
        self.no_delete("rbac-policies", policy, 409, IN_USE, &words).await?;
        let other = json!({"target_tenant": cast.stranger.project});
        self.no_update("rbac-policies", policy, other, 409, IN_USE, &words).await
    }
}

async fn are_their_owners(lab: &Lab) -> Outcome {
    let Cast { owner, guest, stranger } = cast(lab).await?;
    let network = lab.made_as(&owner, "networks", json!({"name": lab.name()})).await?;
    let policy = lab.policy_as(&owner, shared("network", &network, &guest.project)).await?;
    let path = format!("rbac-policies/{}", id(&policy));
    let to_stranger = json!({"rbac_policy": {"target_tenant": stranger.project}});
    for other in [&guest, &stranger] {
        lab.same("shown", &lab.seen_as(other, "rbac-policies", &policy, "id").await?, Value::Null);
        lab.same("listed", &json!(lab.found_as(other, "rbac-policies").await?), json!(0));
        lab.refused_to(other, Method::PUT, &path, to_stranger.clone(), 404, "RbacPolicyNotFound").await?;
        lab.refused_to(other, Method::DELETE, &path, Value::Null, 404, "RbacPolicyNotFound").await?;
    }
    lab.same("listed", &json!(lab.found_as(&owner, "rbac-policies").await?), json!(1));
    let reader = lab.person("reader").await?;
    let own = lab.create("networks", json!({"name": lab.name(), "project_id": reader.project})).await?;
    lab.no_policy_as(&reader, shared("network", &own, &guest.project), 403, DENIED).await?;
    lab.taken_as(&owner, "rbac-policies", &policy).await?;
    lab.same("afterwards", &lab.seen_as(&guest, "networks", &network, "id").await?, Value::Null);
    // An administrator shares for others.
    let given = with(
        shared("network", &network, &stranger.project)["rbac_policy"].clone(),
        json!({"project_id": guest.project}),
    );
    let given = lab.create("rbac-policies", given).await?;
    lab.same("to its owner", &lab.seen_as(&guest, "rbac-policies", &given, "id").await?, given["id"].clone());
    lab.same("the network", &lab.seen_as(&stranger, "networks", &network, "shared").await?, json!(true));
    Ok(())
}

async fn of_all_are_what_shared_says(lab: &Lab) -> Outcome {
    let Cast { owner, guest, .. } = cast(lab).await?;
    let project = json!({"name": lab.name(), "project_id": owner.project});
    let network = lab.create("networks", with(project, json!({"shared": true}))).await?;
    let of_network = format!("rbac-policies?object_id={}", id(&network));
    let policies = lab.list(&of_network).await?;
    let wanted = json!({"project_id": owner.project, "target_tenant": "*", "action": "access_as_shared"});
    lab.same("policies", &json!(policies), json!([wanted]));
    lab.taken_as(&owner, "rbac-policies", policies.first().unwrap_or(&Value::Null)).await?;
    lab.same("shown", &lab.show("networks", &network).await?["shared"], json!(false));
    lab.same("the guest's", &lab.seen_as(&guest, "networks", &network, "id").await?, Value::Null);
    let changed = lab.update("networks", &network, json!({"shared": true})).await?;
    lab.same("shared again", &changed["shared"], json!(true));
    lab.same("the guest's", &lab.seen_as(&guest, "networks", &network, "shared").await?, json!(true));
    lab.same("policies", &json!(lab.list(&of_network).await?), json!([wanted]));
    lab.no_create(
        "rbac-policies",
        shared("network", &network, "*")["rbac_policy"].clone(),
        409,
        "DuplicateRbacPolicy",
        "",
    )
    .await?;
    lab.update("networks", &network, json!({"shared": false})).await?;
    lab.same("no policies", &json!(lab.list(&of_network).await?), json!([]));
    let all = lab.create("rbac-policies", shared("network", &network, "*")["rbac_policy"].clone()).await?;
    lab.same("to the owner", &lab.seen_as(&owner, "networks", &network, "shared").await?, json!(true));
    lab.delete("rbac-policies", &all).await
}

async fn for_all_are_made_by_administrators(lab: &Lab) -> Outcome {
    let Cast { owner, guest, .. } = cast(lab).await?;
    let network = lab.made_as(&owner, "networks", json!({"name": lab.name()})).await?;
    lab.no_policy_as(&owner, shared("network", &network, "*"), 403, DENIED).await?;
    lab.no_policy_as(&owner, body("network", &network, "*", "access_as_external"), 403, DENIED).await?;
    let policy = lab.policy_as(&owner, shared("network", &network, &guest.project)).await?;
    let all = json!({"rbac_policy": {"target_tenant": "*"}});
    let path = format!("rbac-policies/{}", id(&policy));
    lab.refused_to(&owner, Method::PUT, &path, all, 403, DENIED).await?;
    lab.same(
        "changed",
        &lab.update("rbac-policies", &policy, json!({"target_tenant": "*"})).await?,
        json!({"target_tenant": "*"}),
    );
    Ok(())
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, .. } = &cast;
    let network = lab.made_as(owner, "networks", json!({"name": lab.name()})).await?;
    let policy = lab.policy_as(owner, shared("network", &network, &guest.project)).await?;
    let port = lab.made_as(guest, "ports", json!({"network_id": network["id"]})).await?;
    lab.needed(&cast, &policy).await?;
    let path = format!("rbac-policies/{}", id(&policy));
    lab.refused_to(owner, Method::DELETE, &path, Value::Null, 409, IN_USE).await?;
    // With another policy that covers it, one is not needed; then the other is.
    let all = lab.create("rbac-policies", shared("network", &network, "*")["rbac_policy"].clone()).await?;
    lab.taken_as(owner, "rbac-policies", &policy).await?;
    lab.no_delete("rbac-policies", &all, 409, IN_USE, "cannot be removed").await?;
    let words = "Unable to reconfigure sharing settings for network";
    lab.no_update("networks", &network, json!({"shared": false}), 409, "InvalidSharedSetting", words).await?;
    let again = lab.policy_as(owner, shared("network", &network, &guest.project)).await?;
    lab.update("networks", &network, json!({"shared": false})).await?;
    lab.same("still seen", &lab.seen_as(guest, "networks", &network, "shared").await?, json!(true));
    lab.taken_as(guest, "ports", &port).await?;
    lab.taken_as(owner, "rbac-policies", &again).await
}

async fn are_given_to_others(lab: &Lab) -> Outcome {
    let Cast { owner, guest, stranger } = cast(lab).await?;
    let network = lab.made_as(&owner, "networks", json!({"name": lab.name()})).await?;
    let policy = lab.policy_as(&owner, shared("network", &network, &guest.project)).await?;
    let path = format!("rbac-policies/{}", id(&policy));
    for target in [&guest.project, &stranger.project] {
        let change = json!({"rbac_policy": {"target_tenant": target}});
        let changed = lab.allowed_to(&owner, Method::PUT, &path, change, 200).await?;
        lab.same("changed", &changed, with(policy.clone(), json!({"target_tenant": target})));
    }
    lab.same("the guest's", &lab.seen_as(&guest, "networks", &network, "id").await?, Value::Null);
    lab.same("the stranger's", &lab.seen_as(&stranger, "networks", &network, "shared").await?, json!(true));
    for (name, value) in [
        ("action", json!("access_as_external")),
        ("object_id", network["id"].clone()),
        ("tenant_id", json!(owner.project)),
    ] {
        let words = format!("Cannot update read-only attribute {name}");
        lab.no_update("rbac-policies", &policy, json!({ name: value }), 400, "HTTPBadRequest", &words).await?;
    }
    let words = "'x' is not a valid target project ID; expected a UUID or '*'.";
    lab.no_update("rbac-policies", &policy, json!({"target_tenant": "x"}), 400, "InvalidInput", words).await
}

async fn go_with_what_they_share(lab: &Lab) -> Outcome {
    let Cast { owner, guest, .. } = cast(lab).await?;
    for (kind, collection, new) in [
        ("network", "networks", json!({"name": lab.name()})),
        ("security_group", "security-groups", json!({"name": lab.name()})),
        ("address_group", "address-groups", json!({})),
        ("subnetpool", "subnetpools", json!({"name": lab.name(), "prefixes": ["10.0.0.0/16"]})),
    ] {
        let thing = lab.made_as(&owner, collection, new).await?;
        lab.policy_as(&owner, shared(kind, &thing, &guest.project)).await?;
        lab.taken_as(&owner, collection, &thing).await?;
        let left = lab.list(&format!("rbac-policies?object_id={}", id(&thing))).await?;
        lab.same(kind, &json!(left), json!([]));
    }
    Ok(())
}

async fn are_found(lab: &Lab) -> Outcome {
    let Cast { owner, guest, stranger } = cast(lab).await?;
    let network = lab.made_as(&owner, "networks", json!({"name": lab.name()})).await?;
    let group = lab.made_as(&owner, "security-groups", json!({"name": lab.name()})).await?;
    let one = lab.policy_as(&owner, shared("network", &network, &guest.project)).await?;
    let two = lab.policy_as(&owner, shared("network", &network, &stranger.project)).await?;
    let three = lab.policy_as(&owner, shared("security_group", &group, &guest.project)).await?;
    for (filter, wanted) in [
        (format!("object_id={}", id(&network)), vec![&one, &two]),
        ("object_type=security_group".to_owned(), vec![&three]),
        (format!("target_tenant={}", guest.project), vec![&one, &three]),
        (format!("target_tenant={}&object_type=network", guest.project), vec![&one]),
        ("action=access_as_external".to_owned(), vec![]),
        (format!("id={}&id={}", id(&one), id(&three)), vec![&one, &three]),
    ] {
        let found = lab.list(&format!("rbac-policies?project_id={}&{filter}&fields=id", owner.project)).await?;
        let (mut found, mut wanted) = (each(&found, "id"), wanted.into_iter().map(id).collect::<Vec<_>>());
        found.sort_unstable();
        wanted.sort_unstable();
        lab.check(found == wanted, || format!("{filter}: {found:?}"));
    }
    for filter in ["nonsense", "target_project"] {
        let words = format!("['{filter}'] is invalid attribute for filtering");
        lab.refused(Method::GET, &format!("rbac-policies?{filter}=x"), None, 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn are_counted(lab: &Lab) -> Outcome {
    let Cast { owner, guest, stranger } = cast(lab).await?;
    let quota = format!("quotas/{}", owner.project);
    lab.put(&quota, json!({"quota": {"rbac_policy": 1}})).await?;
    lab.undo_later(Method::DELETE, quota, None);
    let network = lab.made_as(&owner, "networks", json!({"name": lab.name()})).await?;
    lab.policy_as(&owner, shared("network", &network, &guest.project)).await?;
    lab.no_policy_as(&owner, shared("network", &network, &stranger.project), 409, "OverQuota").await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let whole = json!({"object_type": "network", "object_id": network["id"], "target_tenant": MISSING, "action": "access_as_shared"});
    for (more, error_type, words) in [
        (json!({"object_type": "subnet"}), "InvalidInput", "'subnet' is not a valid RBAC object type."),
        (json!({"object_id": "x"}), "HTTPBadRequest", "Invalid input for object_id. Reason: 'x' is not a valid UUID."),
        (json!({"object_id": MISSING}), "InvalidInput", "Invalid input for operation:"),
        (
            json!({"target_tenant": "x"}),
            "InvalidInput",
            "'x' is not a valid target project ID; expected a UUID or '*'.",
        ),
        (json!({"target_tenant": 5}), "InvalidInput", "'5' is not a valid target project ID; expected a UUID or '*'."),
        (json!({"action": 5}), "HTTPBadRequest", "Invalid input for action. Reason: '5' is not a valid string."),
        (
            json!({"action": "x"}),
            "InvalidActionForType",
            "Invalid action 'x' for object type 'network'. Valid actions: ('access_as_shared', 'access_as_external')",
        ),
        (json!({"nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
        (json!({"target_project": MISSING}), "HTTPBadRequest", "Unrecognized attribute(s) 'target_project'"),
    ] {
        lab.no_create("rbac-policies", with(whole.clone(), more), 400, error_type, words).await?;
    }
    for name in ["object_id", "target_tenant", "action"] {
        let mut less = whole.clone();
        less.as_object_mut().map(|policy| policy.remove(name));
        let words = format!("Failed to parse request. Required attribute '{name}' not specified");
        lab.no_create("rbac-policies", less, 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    for missing in [MISSING, "x"] {
        let (path, words) = (format!("rbac-policies/{missing}"), format!("with ID {missing} not found"));
        let change = json!({"rbac_policy": {"target_tenant": MISSING}});
        lab.refused(Method::GET, &path, None, 404, "RbacPolicyNotFound", &words).await?;
        lab.refused(Method::PUT, &path, Some(change), 404, "RbacPolicyNotFound", &words).await?;
        lab.refused(Method::DELETE, &path, None, 404, "RbacPolicyNotFound", &words).await?;
    }
    Ok(())
}
