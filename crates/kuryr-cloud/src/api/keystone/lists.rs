//! Reads of what there is: projects, users, domains, services, endpoints, regions, roles. Nothing is changed here yet.

use crate::api::{
    Api, answer,
    keystone::{Fault, Principal, asker, directory::ADMIN, document},
};
use axum::{
    Router,
    extract::{Path, Query, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// What can be listed: member and collection name, and the rule that guards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    member: &'static str,
    collection: &'static str,
    list_rule: &'static str,
    get_rule: &'static str,
}

macro_rules! kind {
    ($member:literal, $collection:literal) => {
        Kind {
            member: $member,
            collection: $collection,
            list_rule: concat!("identity:list_", $collection),
            get_rule: concat!("identity:get_", $member),
        }
    };
}

const KINDS: [Kind; 7] = [
    kind!("project", "projects"),
    kind!("user", "users"),
    kind!("domain", "domains"),
    kind!("service", "services"),
    kind!("endpoint", "endpoints"),
    kind!("region", "regions"),
    kind!("role", "roles"),
];

pub(crate) fn routes() -> Router<Arc<Api>> {
    let router = Router::new()
        .route("/identity/v3/role_assignments", get(role_assignments))
        .route("/identity/v3/users/{id}/projects", get(projects_of_user));
    KINDS.into_iter().fold(router, |router, kind| {
        router
            .route(
                &format!("/identity/v3/{}", kind.collection),
                get(move |state, query, headers| list(kind, state, query, headers)),
            )
            .route(
                &format!("/identity/v3/{}/{{id}}", kind.collection),
                get(move |state, id, headers| show(kind, state, id, headers)),
            )
    })
}

fn all(api: &Api, kind: Kind) -> Vec<Value> {
    let (site, directory) = (&api.site, api.identity.directory());
    match kind.member {
        "project" => directory.projects.iter().map(|p| document::project(site, p)).collect(),
        "user" => directory.users.iter().map(|u| document::user(site, u)).collect(),
        "domain" => vec![document::domain(site)],
        "service" => document::services(site),
        "endpoint" => document::endpoints(site),
        "region" => vec![document::region(site)],
        _ => directory.roles.iter().map(|r| document::role(site, r)).collect(),
    }
}

async fn list(
    kind: Kind,
    State(api): State<Arc<Api>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let principal = asker(&api.identity, &headers)?;
    if !principal.is_admin {
        return Err(Fault::Forbidden(kind.list_rule));
    }
    Ok(answer::json(
        StatusCode::OK,
        &collection(&api, kind.collection, kind.collection, filtered(all(&api, kind), &query)),
    ))
}

async fn show(
    kind: Kind,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Principal { claims, is_admin } = asker(&api.identity, &headers)?;
    let own = match kind.member {
        "user" => claims.user_id == id,
        "project" => api.identity.directory().projects_of(&claims.user_id).any(|project| project.id == id),
        _ => false,
    };
    if !is_admin && !own {
        return Err(Fault::Forbidden(kind.get_rule));
    }
    let found = all(&api, kind).into_iter().find(|item| item.get("id").and_then(Value::as_str) == Some(&id));
    let found = found.ok_or_else(|| Fault::NotFound(format!("Could not find {}: {id}.", kind.member)))?;
    Ok(answer::json(StatusCode::OK, &Map::from_iter([(kind.member.to_owned(), found)])))
}

async fn projects_of_user(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Principal { claims, is_admin } = asker(&api.identity, &headers)?;
    if !is_admin && claims.user_id != id {
        return Err(Fault::Forbidden("identity:list_user_projects"));
    }
    let projects = api.identity.directory().projects_of(&id).map(|p| document::project(&api.site, p)).collect();
    Ok(answer::json(StatusCode::OK, &collection(&api, "projects", &format!("users/{id}/projects"), projects)))
}

async fn role_assignments(
    State(api): State<Arc<Api>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !asker(&api.identity, &headers)?.is_admin {
        return Err(Fault::Forbidden("identity:list_role_assignments"));
    }
    let directory = api.identity.directory();
    let wants = |key: &str, id: &str| query.get(key).is_none_or(|wanted| wanted == id);
    let with_names = query.contains_key("include_names");
    let named = |id: &str, name: Option<&str>, domain: bool| match (with_names, domain) {
        (false, _) => json!({"id": id}),
        (true, true) => json!({"id": id, "name": name, "domain": {"id": "default", "name": "Default"}}),
        (true, false) => json!({"id": id, "name": name}),
    };
    let assignments = directory
        .assignments
        .iter()
        .filter(|a| {
            wants("user.id", &a.user_id) && wants("scope.project.id", &a.project_id) && wants("role.id", &a.role_id)
        })
        .map(|a| {
            let user = directory.user(&a.user_id).map_or(ADMIN, |user| &user.name);
            let project = directory.project(&a.project_id).map(|project| project.name.as_str());
            let role = directory.roles.iter().find(|role| role.id == a.role_id).map(|role| role.name.as_str());
            json!({
                "user": named(&a.user_id, Some(user), true),
                "role": named(&a.role_id, role, false),
                "scope": {"project": named(&a.project_id, project, true)},
                "links": {},
            })
        })
        .collect();
    Ok(answer::json(StatusCode::OK, &collection(&api, "role_assignments", "role_assignments", assignments)))
}

/// Keystone's filters compare texts; parameters that are no attribute are ignored, as Keystone does.
fn filtered(items: Vec<Value>, query: &BTreeMap<String, String>) -> Vec<Value> {
    let fits = |item: &Value| {
        query.iter().all(|(key, wanted)| match item.get(key) {
            Some(Value::String(text)) => text == wanted,
            Some(Value::Bool(truth)) => *truth != matches!(wanted.to_ascii_lowercase().as_str(), "false" | "0"),
            _ => true,
        })
    };
    items.into_iter().filter(fits).collect()
}

fn collection(api: &Api, key: &str, path: &str, items: Vec<Value>) -> Map<String, Value> {
    let links = json!({"self": api.site.url(&format!("/identity/v3/{path}")), "next": null, "previous": null});
    Map::from_iter([(key.to_owned(), items.into()), ("links".to_owned(), links)])
}
