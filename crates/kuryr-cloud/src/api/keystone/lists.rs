//! Reads of what there is: projects, users, domains, services, endpoints, regions, roles.

use crate::api::{
    Api, answer,
    keystone::{
        Fault, Path, asker,
        describe::{filter, many, one},
        directory::READER,
        document,
    },
    openapi::Operation,
    routes::Routes,
};
use axum::{
    extract::{Query, State},
    response::Response,
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

impl Kind {
    /// Whoever has a token may see it.
    fn is_for_all(self) -> bool {
        self.member == "region"
    }
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

pub(crate) fn routes() -> Routes {
    let of_user = Operation::keystone("List the projects in which a user has a role")
        .answers(200, many("project", "projects"))
        .refuses(&[403]);
    let routes = Routes::default().get("/identity/v3/users/{id}/projects", projects_of_user, of_user);
    KINDS.into_iter().fold(routes, |routes, kind| {
        let filters = ["id", "name", "domain_id", "type", "service_id", "interface", "region_id", "enabled"];
        let filters = filters.map(|name| filter(name, "Compared where the documents have it."));
        let (list_all, show_one) = (format!("List {}", kind.collection), format!("Show a {}", kind.member));
        let listed = Operation::keystone(list_all).with(filters).answers(200, many(kind.member, kind.collection));
        let shown = Operation::keystone(show_one).answers(200, one(kind.member)).refuses(&[403, 404]);
        let path = format!("/identity/v3/{}", kind.collection);
        let listed = if kind.is_for_all() { listed } else { listed.refuses(&[403]) };
        routes.get(&path, move |state, query, headers| list(kind, state, query, headers), listed).get(
            &format!("{path}/{{id}}"),
            move |state, id, headers| show(kind, state, id, headers),
            shown,
        )
    })
}

fn all(api: &Api, kind: Kind) -> Vec<Value> {
    let (site, directory) = (&api.site, api.identity.directory());
    match kind.member {
        "project" => directory.projects.iter().map(|p| document::project(site, p)).collect(),
        "user" => directory.users.iter().map(|u| document::user(site, u)).collect(),
        "domain" => directory.domains.iter().map(|d| document::domain(site, d)).collect(),
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
    let domain = principal.claims.domain_id.as_ref().filter(|_| matches!(kind.member, "user" | "project"));
    if !(principal.is_admin() || kind.is_for_all() || (domain.is_some() && principal.has(READER))) {
        return Err(Fault::Forbidden(kind.list_rule));
    }
    let mut found = filtered(all(&api, kind), &query);
    if let Some(domain) = domain {
        // A token for a domain is about what is in it.
        found.retain(|item| item.get("domain_id").and_then(Value::as_str) == Some(domain));
    }
    Ok(answer::json(StatusCode::OK, &collection(&api, kind.collection, kind.collection, found)))
}

async fn show(
    kind: Kind,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let asking = asker(&api.identity, &headers)?;
    let own = match kind.member {
        "user" => asking.claims.user_id == id,
        "project" => api.identity.directory().projects_of(&asking.claims.user_id).any(|project| project.id == id),
        "domain" => api.identity.directory().user(&asking.claims.user_id).is_some_and(|user| user.domain_id == id),
        _ => kind.is_for_all(),
    };
    if !asking.is_admin() && !own {
        return Err(Fault::Forbidden(kind.get_rule));
    }
    let found = all(&api, kind).into_iter().find(|item| item.get("id").and_then(Value::as_str) == Some(&id));
    let found = found.ok_or_else(|| Fault::missing(kind.member, &id))?;
    Ok(answer::json(StatusCode::OK, &Map::from_iter([(kind.member.to_owned(), found)])))
}

async fn projects_of_user(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let asking = asker(&api.identity, &headers)?;
    if !asking.is_admin() && asking.claims.user_id != id {
        return Err(Fault::Forbidden("identity:list_user_projects"));
    }
    let projects = api.identity.directory().projects_of(&id).map(|p| document::project(&api.site, p)).collect();
    Ok(answer::json(StatusCode::OK, &collection(&api, "projects", &format!("users/{id}/projects"), projects)))
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

pub(super) fn collection(api: &Api, key: &str, path: &str, items: Vec<Value>) -> Map<String, Value> {
    let links = json!({"self": api.site.url(&format!("/identity/v3/{path}")), "next": null, "previous": null});
    Map::from_iter([(key.to_owned(), items.into()), ("links".to_owned(), links)])
}
