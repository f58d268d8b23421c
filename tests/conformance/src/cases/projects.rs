//! Projects of Keystone.

use http::Method;
use serde_json::json;

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["projects":
    are_made_found_changed_and_deleted,
    have_names_of_their_own,
    that_make_no_sense_are_refused,
    that_are_disabled_are_for_nobody,
    that_are_deleted_end_their_tokens,
];

async fn are_made_found_changed_and_deleted(lab: &Lab) -> Outcome {
    let name = lab.name();
    let made = lab.enrol("projects", json!({"name": name, "description": "d"})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": name, "description": "d", "enabled": true, "domain_id": "default",
        "parent_id": "default", "is_domain": false, "tags": [], "options": {}, "links": {"self": ANYTHING},
    });
    lab.same("made", &made, wanted.clone());
    let path = format!("projects/{}", id(&made));
    lab.same("shown", &lab.told(&path).await?["project"], wanted);
    for query in [format!("name={name}"), format!("name={name}&domain_id=default"), format!("name={name}&enabled=true")]
    {
        let body = lab.told(&format!("projects?{query}")).await?;
        lab.same(&query, &body["projects"], json!([{"id": made["id"]}]));
    }
    let body = lab.told(&format!("projects?name={name}&domain_id=nowhere")).await?;
    lab.same("elsewhere", &body["projects"], json!([]));
    let answer = lab.identity(Method::PATCH, &path, Some(json!({"project": {"description": "other"}}))).await?;
    lab.same("changed", &json!([answer.status, answer.body["project"]["description"]]), json!([200, "other"]));
    let elsewhere = Some(json!({"project": {"domain_id": "nowhere"}}));
    lab.answers(Method::PATCH, &path, elsewhere, 400, "Cannot change Domain ID").await?;
    lab.answers(Method::DELETE, &path, None, 204, "").await?;
    let gone = format!("Could not find project: {}.", id(&made));
    for method in [Method::GET, Method::DELETE] {
        lab.answers(method, &path, None, 404, &gone).await?;
    }
    Ok(())
}

async fn have_names_of_their_own(lab: &Lab) -> Outcome {
    let name = lab.name();
    lab.enrol("projects", json!({"name": name})).await?;
    let words = format!("two projects with either the same name or same id in the same domain: name is {name}");
    lab.answers(Method::POST, "projects", Some(json!({"project": {"name": name}})), 409, &words).await
}

async fn that_make_no_sense_are_refused(lab: &Lab) -> Outcome {
    for (project, words) in [
        (json!({}), "'name' is a required property"),
        (json!({"name": ""}), "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        (json!({"name": "x".repeat(65)}), "is too long"),
        (
            json!({"name": lab.name(), "enabled": "perhaps"}),
            "Invalid input for field/attribute enabled. Value: perhaps.",
        ),
        (json!({"name": lab.name(), "domain_id": "nowhere"}), "Could not find domain: nowhere."),
    ] {
        lab.answers(Method::POST, "projects", Some(json!({ "project": project })), 400, words).await?;
    }
    Ok(())
}

async fn that_are_disabled_are_for_nobody(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let path = format!("projects/{}", person.project);
    let enabled = |value: bool| Some(json!({"project": {"enabled": value}}));
    lab.answers(Method::PATCH, &path, enabled(false), 200, "").await?;
    lab.token_is(&person.client.token, 404, "for the disabled").await?;
    lab.login_is(&person.client.login, 401, "to the disabled").await?;
    lab.answers(Method::PATCH, &path, enabled(true), 200, "").await?;
    lab.token_is(&person.client.token, 200, "once enabled again").await?;
    lab.login_is(&person.client.login, 201, "once enabled again").await?;
    Ok(())
}

async fn that_are_deleted_end_their_tokens(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    lab.answers(Method::DELETE, &format!("projects/{}", person.project), None, 204, "").await?;
    lab.token_is(&person.client.token, 404, "for what is gone").await?;
    lab.login_is(&person.client.login, 401, "to what is gone").await?;
    let body = lab.told(&format!("role_assignments?user.id={}", person.id)).await?;
    lab.same("roles", &body["role_assignments"], json!([]));
    Ok(())
}
