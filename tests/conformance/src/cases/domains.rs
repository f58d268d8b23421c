//! Domains of Keystone.

use http::Method;
use serde_json::json;

use crate::cases::people::{PASSWORD, password_login};
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["domains":
    are_made_found_changed_and_deleted,
    have_names_of_their_own,
    are_spaces_of_names,
    give_tokens_of_their_own,
    go_with_all_that_is_in_them,
];

async fn are_made_found_changed_and_deleted(lab: &Lab) -> Outcome {
    let name = lab.name();
    let made = lab.enrol("domains", json!({"name": name, "description": "d"})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": name, "description": "d", "enabled": true, "tags": [], "options": {},
        "links": {"self": ANYTHING},
    });
    lab.same("made", &made, wanted.clone());
    let path = format!("domains/{}", id(&made));
    lab.same("shown", &lab.told(&path).await?["domain"], wanted);
    lab.same("listed", &lab.told(&format!("domains?name={name}")).await?["domains"], json!([{"id": made["id"]}]));
    let enabled = "Cannot delete a domain that is enabled, please disable it first.";
    lab.answers(Method::DELETE, &path, None, 403, enabled).await?;
    lab.answers(Method::DELETE, "domains/default", None, 403, enabled).await?;
    let off = json!({"domain": {"enabled": false, "description": "other"}});
    let answer = lab.identity(Method::PATCH, &path, Some(off)).await?;
    lab.same("changed", &answer.body["domain"], json!({"enabled": false, "description": "other", "name": name}));
    lab.answers(Method::DELETE, &path, None, 204, "").await?;
    lab.answers(Method::GET, &path, None, 404, &format!("Could not find domain: {}.", id(&made))).await
}

async fn have_names_of_their_own(lab: &Lab) -> Outcome {
    let words = "it is not permitted to have two projects acting as domains with the same name: Default.";
    lab.answers(Method::POST, "domains", Some(json!({"domain": {"name": "Default"}})), 409, words).await?;
    let words = "'name' is a required property";
    lab.answers(Method::POST, "domains", Some(json!({"domain": {}})), 400, words).await
}

/// A domain that is not left behind enabled.
async fn domain(lab: &Lab) -> anyhow::Result<serde_json::Value> {
    let made = lab.enrol("domains", json!({"name": lab.name()})).await?;
    let url = format!("{}/domains/{}", lab.client.identity, id(&made));
    lab.undo_at(Method::PATCH, url, Some(json!({"domain": {"enabled": false}})));
    Ok(made)
}

async fn are_spaces_of_names(lab: &Lab) -> Outcome {
    let (domain, name) = (domain(lab).await?, lab.name());
    let here = lab.enrol("users", json!({"name": name, "password": "here"})).await?;
    let there = lab.enrol("users", json!({"name": name, "password": "there", "domain_id": domain["id"]})).await?;
    lab.enrol("projects", json!({"name": name})).await?;
    lab.enrol("projects", json!({"name": name, "domain_id": domain["id"]})).await?;
    for (of, password, user) in [(json!("default"), "here", here), (domain["id"].clone(), "there", there)] {
        let who = json!({"name": name, "domain": {"id": of}, "password": password});
        let login = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": who}}}});
        let answer = lab.login_is(&login, 201, "by name and domain").await?;
        lab.same("user", &answer.body["token"]["user"], json!({"id": user["id"], "domain": {"id": of}}));
        let body = lab.told(&format!("users?name={name}&domain_id={}", of.as_str().unwrap_or_default())).await?;
        lab.same("found", &body["users"], json!([{"id": user["id"]}]));
    }
    let who = json!({"name": name, "domain": {"name": domain["name"]}, "password": "here"});
    let login = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": who}}}});
    lab.login_is(&login, 401, "with the other's password").await?;
    Ok(())
}

async fn give_tokens_of_their_own(lab: &Lab) -> Outcome {
    let domain = domain(lab).await?;
    let user = lab.enrol("users", json!({"name": lab.name(), "password": PASSWORD, "domain_id": domain["id"]})).await?;
    let project = lab.enrol("projects", json!({"name": lab.name(), "domain_id": domain["id"]})).await?;
    let role = lab.role("member").await?;
    let mut login = password_login(id(&user), PASSWORD);
    login["auth"]["scope"] = json!({"domain": {"id": domain["id"]}});
    lab.login_is(&login, 401, "without a role there").await?;
    let grant = format!("domains/{}/users/{}/roles/{}", id(&domain), id(&user), id(&role));
    lab.answers(Method::PUT, &grant, None, 204, "").await?;
    let listed = lab.told(&format!("role_assignments?user.id={}", id(&user))).await?;
    let wanted = json!({"scope": {"domain": {"id": domain["id"]}}, "role": {"id": role["id"]}});
    lab.same("assignment", &listed["role_assignments"], json!([wanted]));
    let answer = lab.login_is(&login, 201, "with a role there").await?;
    let wanted = json!({
        "domain": {"id": domain["id"], "name": domain["name"]}, "project": ABSENT, "is_domain": ABSENT,
        "roles": [{"id": ANYTHING}, {"id": ANYTHING}], "catalog": ANYTHING,
    });
    lab.same("token", &answer.body["token"], wanted);
    let token = answer.header("x-subject-token").to_owned();
    let ask = |path: &'static str| lab.identity_as(Some(&token), Method::GET, path, None);
    lab.same("own", &ask("auth/domains").await?.body["domains"], json!([{"id": domain["id"]}]));
    lab.same("no projects", &ask("auth/projects").await?.body["projects"], json!([]));
    lab.same("its projects", &ask("projects").await?.body["projects"], json!([{"id": project["id"]}]));
    login["auth"]["scope"] = json!({"domain": {"name": domain["name"]}});
    lab.login_is(&login, 201, "by the domain's name").await?;
    lab.answers(Method::DELETE, &grant, None, 204, "").await?;
    lab.token_is(&token, 404, "without the role").await
}

async fn go_with_all_that_is_in_them(lab: &Lab) -> Outcome {
    let domain = domain(lab).await?;
    let user = lab.enrol("users", json!({"name": lab.name(), "password": PASSWORD, "domain_id": domain["id"]})).await?;
    let project = lab.enrol("projects", json!({"name": lab.name(), "domain_id": domain["id"]})).await?;
    let login = password_login(id(&user), PASSWORD);
    let token = lab.login_is(&login, 201, "before").await?.header("x-subject-token").to_owned();
    let path = format!("domains/{}", id(&domain));
    lab.answers(Method::PATCH, &path, Some(json!({"domain": {"enabled": false}})), 200, "").await?;
    lab.token_is(&token, 404, "of a disabled domain").await?;
    lab.login_is(&login, 401, "of a disabled domain").await?;
    lab.answers(Method::DELETE, &path, None, 204, "").await?;
    for (kind, one) in [("user", user), ("project", project)] {
        let words = format!("Could not find {kind}: {}.", id(&one));
        lab.answers(Method::GET, &format!("{kind}s/{}", id(&one)), None, 404, &words).await?;
    }
    Ok(())
}
