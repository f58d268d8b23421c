//! Users of Keystone, and when their tokens end.

use http::Method;
use serde_json::json;

use crate::cases::people::{PASSWORD, password_login};
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["users":
    are_made_found_changed_and_deleted,
    have_names_of_their_own,
    that_make_no_sense_are_refused,
    change_their_password_and_lose_their_tokens,
    lose_their_tokens_when_the_administrator_sets_a_password,
    that_are_disabled_are_out,
    see_themselves_and_nobody_else,
];

async fn are_made_found_changed_and_deleted(lab: &Lab) -> Outcome {
    let name = lab.name();
    let made = lab.enrol("users", json!({"name": name, "description": "d", "email": "e@x", "password": "p"})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": name, "domain_id": "default", "enabled": true, "description": "d", "email": "e@x",
        "password_expires_at": null, "options": {}, "links": {"self": ANYTHING}, "password": ABSENT,
        "default_project_id": ABSENT,
    });
    lab.same("made", &made, wanted.clone());
    let path = format!("users/{}", id(&made));
    lab.same("shown", &lab.told(&path).await?["user"], wanted);
    let listed = |query: String| async move {
        let body = lab.told(&format!("users?{query}")).await?;
        anyhow::Ok(body["users"].as_array().cloned().unwrap_or_default())
    };
    lab.same("by name", &json!(listed(format!("name={name}")).await?), json!([{"id": made["id"]}]));
    let disabled = listed(format!("name={name}&enabled=false")).await?;
    lab.same("disabled", &json!(disabled), json!([]));
    let change = json!({"user": {"description": "other", "default_project_id": lab.project()}});
    let answer = lab.identity(Method::PATCH, &path, Some(change)).await?;
    lab.same("change", &json!(answer.status), json!(200));
    let wanted = json!({"name": name, "description": "other", "default_project_id": lab.project(), "email": "e@x"});
    lab.same("changed", &answer.body["user"], wanted);
    lab.answers(Method::DELETE, &path, None, 204, "").await?;
    let gone = format!("Could not find user: {}.", id(&made));
    lab.answers(Method::GET, &path, None, 404, &gone).await?;
    lab.answers(Method::DELETE, &path, None, 404, &gone).await?;
    lab.answers(Method::PATCH, &path, Some(json!({"user": {"description": "x"}})), 404, &gone).await
}

async fn have_names_of_their_own(lab: &Lab) -> Outcome {
    let (one, other) = (lab.name(), lab.name());
    lab.enrol("users", json!({"name": one})).await?;
    let second = lab.enrol("users", json!({"name": other})).await?;
    let words = format!("Conflict occurred attempting to store user - Duplicate entry found with name {one}");
    lab.answers(Method::POST, "users", Some(json!({"user": {"name": one}})), 409, &words).await?;
    let path = format!("users/{}", id(&second));
    lab.answers(Method::PATCH, &path, Some(json!({"user": {"name": one}})), 409, &words).await?;
    lab.answers(Method::PATCH, &path, Some(json!({"user": {"name": other}})), 200, "").await
}

async fn that_make_no_sense_are_refused(lab: &Lab) -> Outcome {
    for (body, status, words) in [
        (json!({}), 400, "'user' is a required property"),
        (json!({"user": {}}), 400, "'name' is a required property"),
        (
            json!({"user": {"name": 7}}),
            400,
            "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'",
        ),
        (json!({"user": {"name": "x".repeat(256)}}), 400, "is too long"),
        (json!({"user": {"name": lab.name(), "password": 7}}), 400, "Invalid input for field/attribute password."),
        (
            json!({"user": {"name": lab.name(), "enabled": 7}}),
            400,
            "Invalid input for field/attribute enabled. Value: 7.",
        ),
        (json!({"user": {"name": lab.name(), "domain_id": "nowhere"}}), 404, "Could not find domain: nowhere."),
    ] {
        lab.answers(Method::POST, "users", Some(body), status, words).await?;
    }
    Ok(())
}

async fn change_their_password_and_lose_their_tokens(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let path = format!("users/{}/password", person.id);
    let change = |old: &str| Some(json!({"user": {"original_password": old, "password": "another"}}));
    let answer = lab.identity_as(None, Method::POST, &path, change("wrong")).await?;
    lab.same("with a wrong one", &json!(answer.status), json!(401));
    for lacking in ["password", "original_password"] {
        let body = json!({"user": {lacking: PASSWORD}});
        let answer = lab.identity_as(None, Method::POST, &path, Some(body)).await?;
        lab.same(lacking, &json!(answer.status), json!(400));
    }
    lab.token_is(&person.client.token, 200, "before").await?;
    let answer = lab.identity_as(None, Method::POST, &path, change(PASSWORD)).await?;
    lab.same("with the right one", &json!(answer.status), json!(204));
    lab.token_is(&person.client.token, 404, "afterwards").await?;
    lab.login_is(&password_login(&person.id, PASSWORD), 401, "with the old password").await?;
    lab.login_is(&password_login(&person.id, "another"), 201, "with the new password").await?;
    Ok(())
}

async fn lose_their_tokens_when_the_administrator_sets_a_password(lab: &Lab) -> Outcome {
    let person = lab.person("reader").await?;
    let change = json!({"user": {"password": "another"}});
    let answer = lab.identity(Method::PATCH, &format!("users/{}", person.id), Some(change)).await?;
    lab.same("status", &json!(answer.status), json!(200));
    lab.same("answer", &answer.body["user"], json!({"id": person.id, "password": ABSENT}));
    lab.token_is(&person.client.token, 404, "afterwards").await?;
    lab.login_is(&password_login(&person.id, "another"), 201, "with the new password").await?;
    Ok(())
}

async fn that_are_disabled_are_out(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let path = format!("users/{}", person.id);
    let enabled = |value: bool| Some(json!({"user": {"enabled": value}}));
    lab.answers(Method::PATCH, &path, enabled(false), 200, "").await?;
    lab.token_is(&person.client.token, 404, "of the disabled").await?;
    lab.login_is(&password_login(&person.id, PASSWORD), 401, "of the disabled").await?;
    lab.answers(Method::PATCH, &path, enabled(true), 200, "").await?;
    lab.token_is(&person.client.token, 404, "from before").await?;
    lab.login_is(&password_login(&person.id, PASSWORD), 201, "once enabled again").await?;
    Ok(())
}

async fn see_themselves_and_nobody_else(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let own = [format!("users/{}", person.id), format!("projects/{}", person.project)];
    let more = [format!("users/{}/projects", person.id), "domains/default".to_owned(), "auth/projects".to_owned()];
    for path in own.iter().chain(&more).map(String::as_str).chain(["regions", "auth/domains"]) {
        let answer = lab.identity_as(Some(&person.client.token), Method::GET, path, None).await?;
        lab.same(path, &json!(answer.status), json!(200));
    }
    for (path, rule) in [
        ("users", "identity:list_users"),
        ("users/nobody", "identity:get_user"),
        ("projects", "identity:list_projects"),
        ("domains", "identity:list_domains"),
        ("roles", "identity:list_roles"),
        ("services", "identity:list_services"),
        ("role_assignments", "identity:list_role_assignments"),
    ] {
        let answer = lab.identity_as(Some(&person.client.token), Method::GET, path, None).await?;
        lab.same(path, &json!(answer.status), json!(403));
        let words = format!("You are not authorized to perform the requested action: {rule}.");
        lab.same(path, &answer.body["error"]["message"], json!(words));
    }
    for (method, path, body) in [
        (Method::POST, "users".to_owned(), json!({"user": {"name": lab.name()}})),
        (Method::POST, "projects".to_owned(), json!({"project": {"name": lab.name()}})),
        (Method::PATCH, own[0].clone(), json!({"user": {"enabled": false}})),
        (Method::DELETE, own[1].clone(), json!({})),
        (Method::PUT, person.grant(), json!({})),
    ] {
        let answer = lab.identity_as(Some(&person.client.token), method.clone(), &path, Some(body)).await?;
        lab.same(&format!("{method} {path}"), &json!(answer.status), json!(403));
    }
    Ok(())
}
