//! Tokens, their catalog, and what is refused without.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Call, json_body};
use crate::lab::{Lab, Outcome};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["tokens":
    a_password_gives_a_scoped_token,
    a_token_gives_another,
    a_token_without_scope_has_no_catalog,
    nocatalog_leaves_the_catalog_out,
    the_catalog_leads_to_neutron,
    wrong_passwords_and_users_read_the_same,
    a_foreign_project_is_refused,
    bodies_without_sense_are_refused,
    a_token_can_be_looked_at,
    a_revoked_token_is_refused,
    neutron_wants_a_token,
    versions_want_no_token,
];

async fn identity(lab: &Lab, method: Method, path: &str, token: &str, subject: &str) -> anyhow::Result<Answer> {
    let url = format!("{}/{path}", lab.client.identity);
    let headers = vec![("x-subject-token", subject.to_owned())];
    lab.client.send(Call { method, url, token: Some(token.to_owned()), headers, body: None }).await
}

/// The login, with another scope.
fn scoped(lab: &Lab, scope: Option<Value>) -> Value {
    let mut login = lab.client.login.clone();
    match scope {
        Some(scope) => login["auth"]["scope"] = scope,
        None => drop(login["auth"].as_object_mut().and_then(|auth| auth.remove("scope"))),
    }
    login
}

async fn a_password_gives_a_scoped_token(lab: &Lab) -> Outcome {
    let answer = lab.client.log_in(&lab.client.login).await?;
    lab.same("status", &json!(answer.status), json!(201));
    lab.check(!answer.header("x-subject-token").is_empty(), || "no X-Subject-Token".to_owned());
    lab.check(answer.header("vary").to_ascii_lowercase().contains("x-auth-token"), || "no Vary".to_owned());
    let wanted = json!({
        "methods": ["password"],
        "user": {"id": ANYTHING, "name": lab.client.user, "domain": {"id": ANYTHING, "name": ANYTHING}},
        "project": {"id": ANYTHING, "name": ANYTHING, "domain": {"id": ANYTHING, "name": ANYTHING}},
        "roles": ANYTHING, "catalog": ANYTHING, "audit_ids": [ANYTHING],
        "expires_at": ANYTHING, "issued_at": ANYTHING, "is_domain": false,
    });
    lab.same("token", &answer.body["token"], wanted);
    let role = &answer.body["token"]["roles"][0];
    lab.same("role", role, json!({"id": ANYTHING, "name": ANYTHING}));
    for key in ["expires_at", "issued_at"] {
        let time = answer.body["token"][key].as_str().unwrap_or_default();
        lab.check(time.len() == 27 && time.ends_with('Z'), || format!("{key} is '{time}', wanted microseconds and Z"));
    }
    Ok(())
}

async fn a_token_gives_another(lab: &Lab) -> Outcome {
    let scope = json!({"project": {"id": lab.project()}});
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": lab.client.token}}, "scope": scope}});
    let answer = lab.client.log_in(&body).await?;
    lab.same("status", &json!(answer.status), json!(201));
    let token = &answer.body["token"];
    lab.same("end", &token["expires_at"], lab.client.about["expires_at"].clone());
    lab.same("project", &token["project"]["id"], json!(lab.project()));
    let methods = token["methods"].as_array().cloned().unwrap_or_default();
    lab.check(methods.contains(&json!("token")), || format!("methods are {methods:?}"));
    Ok(())
}

async fn a_token_without_scope_has_no_catalog(lab: &Lab) -> Outcome {
    let answer = lab.client.log_in(&scoped(lab, Some(json!("unscoped")))).await?;
    if answer.status != 201 {
        return lab.skip("this cloud gives no token without scope");
    }
    let wanted = json!({"project": ABSENT, "catalog": ABSENT, "roles": ABSENT, "user": ANYTHING});
    lab.same("token", &answer.body["token"], wanted);
    Ok(())
}

async fn nocatalog_leaves_the_catalog_out(lab: &Lab) -> Outcome {
    let url = format!("{}/auth/tokens?nocatalog", lab.client.identity);
    let body = Some(json_body(&lab.client.login));
    let answer = lab.client.send(Call { method: Method::POST, url, token: None, headers: Vec::new(), body }).await?;
    lab.same("status", &json!(answer.status), json!(201));
    lab.same("token", &answer.body["token"], json!({"catalog": ABSENT, "project": ANYTHING}));
    Ok(())
}

async fn the_catalog_leads_to_neutron(lab: &Lab) -> Outcome {
    let catalog = lab.client.about["catalog"].as_array().cloned().unwrap_or_default();
    for kind in ["identity", "network"] {
        let Some(service) = catalog.iter().find(|service| service["type"] == kind) else {
            lab.check(false, || format!("no {kind} in the catalog"));
            continue;
        };
        lab.same(kind, service, json!({"id": ANYTHING, "name": ANYTHING, "endpoints": ANYTHING}));
        let endpoints = service["endpoints"].as_array().cloned().unwrap_or_default();
        let public = endpoints.iter().find(|endpoint| endpoint["interface"] == "public");
        let wanted = json!({"id": ANYTHING, "url": ANYTHING, "region": ANYTHING, "region_id": ANYTHING});
        lab.same(kind, public.unwrap_or(&Value::Null), wanted);
    }
    Ok(())
}

async fn unauthorized(lab: &Lab, body: &Value) -> anyhow::Result<String> {
    let answer = lab.client.log_in(body).await?;
    lab.same("answer", &answer.body, json!({"error": {"code": 401, "title": "Unauthorized", "message": ANYTHING}}));
    lab.same("status", &json!(answer.status), json!(401));
    Ok(answer.message().to_owned())
}

async fn wrong_passwords_and_users_read_the_same(lab: &Lab) -> Outcome {
    let mut wrong = lab.client.login.clone();
    wrong["auth"]["identity"]["password"]["user"]["password"] = json!("not this one");
    let password = unauthorized(lab, &wrong).await?;
    wrong["auth"]["identity"]["password"]["user"]["name"] = json!(lab.name());
    let user = unauthorized(lab, &wrong).await?;
    lab.check(password == user, || format!("'{password}' is not '{user}'"));
    Ok(())
}

async fn a_foreign_project_is_refused(lab: &Lab) -> Outcome {
    let domain = json!({"id": "default"});
    unauthorized(lab, &scoped(lab, Some(json!({"project": {"name": lab.name(), "domain": domain}})))).await?;
    unauthorized(lab, &scoped(lab, Some(json!({"project": {"id": "0123456789abcdef0123456789abcdef"}})))).await?;
    Ok(())
}

async fn bodies_without_sense_are_refused(lab: &Lab) -> Outcome {
    let user = |user: Value| json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    for (body, status) in [
        (json!({}), 400),
        (json!({"auth": {}}), 400),
        (json!({"auth": {"identity": {"methods": ["password"]}}}), 400),
        (json!({"auth": {"identity": {"methods": ["nonsense"], "nonsense": {}}}}), 401),
        (user(json!({"name": "admin", "password": "x"})), 400),
        (user(json!({"name": "admin", "password": 7, "domain": {"id": "default"}})), 400),
    ] {
        let answer = lab.client.log_in(&body).await?;
        lab.check(answer.status == status, || {
            format!("{body}: wanted {status}, was {} {}", answer.status, answer.body)
        });
        lab.same("answer", &answer.body, json!({"error": {"code": status, "title": ANYTHING, "message": ANYTHING}}));
    }
    Ok(())
}

async fn a_token_can_be_looked_at(lab: &Lab) -> Outcome {
    let token = lab.client.token.clone();
    let answer = identity(lab, Method::GET, "auth/tokens", &token, &token).await?;
    lab.same("status", &json!(answer.status), json!(200));
    lab.same("user", &answer.body["token"]["user"]["name"], json!(lab.client.user));
    let answer = identity(lab, Method::HEAD, "auth/tokens", &token, &token).await?;
    lab.same("HEAD", &json!(answer.status), json!(200));
    let answer = identity(lab, Method::GET, "auth/tokens", &token, "nonsense").await?;
    lab.same("of nonsense", &json!(answer.status), json!(404));
    let url = format!("{}/auth/tokens", lab.client.identity);
    let none = Call { method: Method::GET, url, token: Some(token.clone()), headers: Vec::new(), body: None };
    lab.same("of none", &json!(lab.client.send(none).await?.status), json!(404));
    let answer = identity(lab, Method::GET, "auth/tokens", "nonsense", &token).await?;
    lab.same("with nonsense", &json!(answer.status), json!(401));
    for path in ["auth/catalog", "auth/projects"] {
        let answer = identity(lab, Method::GET, path, &token, &token).await?;
        lab.same(path, &json!(answer.status), json!(200));
    }
    Ok(())
}

async fn a_revoked_token_is_refused(lab: &Lab) -> Outcome {
    let answer = lab.client.log_in(&lab.client.login).await?;
    let token = answer.header("x-subject-token").to_owned();
    let answer = identity(lab, Method::DELETE, "auth/tokens", &token, &token).await?;
    lab.same("revocation", &json!(answer.status), json!(204));
    let answer = identity(lab, Method::GET, "auth/tokens", &token, &token).await?;
    // It may not ask: 401. A Keystone that still remembers it as good says in the first moment that it is not there.
    lab.check(matches!(answer.status, 401 | 404), || format!("afterwards: {}", answer.status));
    Ok(())
}

async fn neutron_wants_a_token(lab: &Lab) -> Outcome {
    for token in [None, Some("nonsense".to_owned())] {
        let url = format!("{}/networks", lab.client.network);
        let answer = lab.client.send(Call { method: Method::GET, url, token, headers: Vec::new(), body: None }).await?;
        lab.same("status", &json!(answer.status), json!(401));
        let challenge = answer.header("www-authenticate").to_owned();
        lab.check(challenge.starts_with("Keystone uri="), || format!("WWW-Authenticate is '{challenge}'"));
        lab.same("body", &answer.body, json!({"error": {"code": 401, "title": "Unauthorized"}}));
    }
    Ok(())
}

async fn versions_want_no_token(lab: &Lab) -> Outcome {
    let url = lab.client.network.trim_end_matches("v2.0").to_owned();
    let call = Call { method: Method::GET, url, token: None, headers: Vec::new(), body: None };
    lab.same("status", &json!(lab.client.send(call).await?.status), json!(200));
    Ok(())
}
