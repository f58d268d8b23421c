//! `/v3/roles`, who has them (`/v3/{projects,domains}/…/users/…/roles`), and the list of all that.

use crate::api::{
    Api, answer,
    keystone::{
        Fault, Path, administrator,
        describe::{assignment, body, change, filter, inference, many, one},
        directory::{Assignment, Directory, Role, Target},
        document,
        fields::{Fields, NAME},
        lists::collection,
    },
    openapi::Operation,
    routes::Routes,
};
use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn routes() -> Routes {
    let filters = [
        filter("user.id", "Of this user."),
        filter("role.id", "Of this role."),
        filter("scope.project.id", "In this project."),
        filter("scope.domain.id", "In this domain."),
        filter("include_names", "With names, whatever the value."),
        filter("effective", "With implied roles too, whatever the value."),
    ];
    let routes = Routes::default()
        .post(
            "/identity/v3/roles",
            create,
            change("Create a role").takes(body("role", true)).answers(201, one("role")).makes("/role/id"),
        )
        .patch(
            "/identity/v3/roles/{id}",
            update,
            change("Change a role").takes(body("role", false)).answers(200, one("role")),
        )
        .delete("/identity/v3/roles/{id}", remove, change("Delete a role").answers_nothing(204))
        .get(
            "/identity/v3/roles/{id}/implies",
            implied,
            Operation::keystone("List the roles that a role brings with it")
                .answers(200, inference)
                .refuses(&[403, 404]),
        )
        .get(
            "/identity/v3/role_assignments",
            assignments,
            Operation::keystone("List who has which role where")
                .with(filters)
                .answers(200, assignment)
                .refuses(&[400, 403]),
        );
    grants(grants(routes, "projects", Target::Project), "domains", Target::Domain)
}

async fn create(State(api): State<Arc<Api>>, headers: HeaderMap, request: Request) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:create_role")?;
    let fields = Fields::read(request.into_body(), "role").await?;
    if fields.text("domain_id")?.is_some() {
        let message = "domain_id can only be null: this cloud has no roles of single domains.";
        return Err(Fault::BadRequest(message.to_owned()));
    }
    let (name, description) = (fields.name(NAME)?, fields.text("description")?);
    let role = api.identity.change(|directory| directory.create_role(name, description)).await?;
    Ok(answer::json(StatusCode::CREATED, &json!({"role": document::role(&api.site, &role)})))
}

async fn update(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:update_role")?;
    let fields = Fields::read(request.into_body(), "role").await?;
    let (name, description) = (fields.new_name(NAME)?, fields.nullable("description")?);
    let role = api.identity.change(|directory| directory.update_role(&id, name, description)).await?;
    Ok(answer::json(StatusCode::OK, &json!({"role": document::role(&api.site, &role)})))
}

async fn remove(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:delete_role")?;
    api.identity.change(|directory| directory.delete_role(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn implied(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:list_implied_roles")?;
    let directory = api.identity.directory();
    let prior = directory.role(&id).ok_or_else(|| Fault::missing("role", &id))?;
    let told = |role: &Role| {
        let links = json!({"self": api.site.url(&format!("/identity/v3/roles/{}", role.id))});
        json!({"id": role.id, "name": role.name, "links": links})
    };
    let implies: Vec<Value> = directory.implied_by(prior).into_iter().map(told).collect();
    let links = json!({"self": api.site.url(&format!("/identity/v3/roles/{id}/implies"))});
    let inference = json!({"prior_role": told(prior), "implies": implies});
    Ok(answer::json(StatusCode::OK, &json!({"role_inference": inference, "links": links})))
}

type Place = fn(String) -> Target;
type Names = Path<(String, String, String)>;

/// The roles of users in projects or domains: `GET` and `HEAD` ask, `PUT` gives, `DELETE` takes.
fn grants(routes: Routes, places: &str, target: Place) -> Routes {
    let all = format!("/identity/v3/{places}/{{place}}/users/{{user}}/roles");
    let one = format!("{all}/{{role}}");
    let operation = |summary: &'static str| Operation::keystone(summary).refuses(&[403, 404]);
    routes
        .get(
            &all,
            move |state, names, headers| granted(target, state, names, headers),
            operation("List the roles that a user was given in one place").answers(200, many("role", "roles")),
        )
        .get(
            &one,
            move |state, names, headers| has_grant(target, state, names, headers),
            operation("Has a user this role there?").answers_nothing(204).with_head(),
        )
        .put(
            &one,
            move |state, names, headers| grant(target, state, names, headers),
            operation("Give a user a role").answers_nothing(204).refuses(&[409]),
        )
        .delete(
            &one,
            move |state, names, headers| revoke(target, state, names, headers),
            operation("Take a user's role").answers_nothing(204).refuses(&[409]),
        )
}

/// The roles a user was given in one place, without those they imply.
async fn granted(
    target: Place,
    State(api): State<Arc<Api>>,
    Path((place, user)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:list_grants")?;
    let (directory, target) = (api.identity.directory(), target(place));
    directory.check_holder(&user, &target)?;
    let roles = directory.granted(&user, &target).map(|role| document::role(&api.site, role)).collect();
    let path = format!("{}/users/{user}/roles", path(&target));
    Ok(answer::json(StatusCode::OK, &collection(&api, "roles", &path, roles)))
}

fn named(target: Place, Path((place, user_id, role_id)): Names) -> Assignment {
    Assignment { user_id, target: target(place), role_id }
}

async fn has_grant(
    target: Place,
    State(api): State<Arc<Api>>,
    names: Names,
    headers: HeaderMap,
) -> Result<StatusCode, Fault> {
    administrator(&api, &headers, "identity:check_grant")?;
    api.identity.directory().has_grant(&named(target, names))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn grant(
    target: Place,
    State(api): State<Arc<Api>>,
    names: Names,
    headers: HeaderMap,
) -> Result<StatusCode, Fault> {
    administrator(&api, &headers, "identity:create_grant")?;
    api.identity.change(|directory| directory.grant(named(target, names))).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(
    target: Place,
    State(api): State<Arc<Api>>,
    names: Names,
    headers: HeaderMap,
) -> Result<StatusCode, Fault> {
    administrator(&api, &headers, "identity:revoke_grant")?;
    api.identity.change(|directory| directory.revoke_grant(&named(target, names))).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn path(target: &Target) -> String {
    match target {
        Target::Project(id) => format!("projects/{id}"),
        Target::Domain(id) => format!("domains/{id}"),
    }
}

async fn assignments(
    State(api): State<Arc<Api>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:list_role_assignments")?;
    let (project, domain) = (query.get("scope.project.id"), query.get("scope.domain.id"));
    if project.is_some() && domain.is_some() {
        return Err(Fault::BadRequest("Specify a domain or project, not both".to_owned()));
    }
    let wants = |key: &str, id: &str| query.get(key).is_none_or(|wanted| wanted == id);
    let there = |target: &Target| match target {
        Target::Project(id) => domain.is_none() && project.is_none_or(|wanted| wanted == id),
        Target::Domain(id) => project.is_none() && domain.is_none_or(|wanted| wanted == id),
    };
    let directory = api.identity.directory();
    let (names, effective) = (query.contains_key("include_names"), query.contains_key("effective"));
    let of_user = directory.assignments.iter().filter(|a| wants("user.id", &a.user_id) && there(&a.target));
    let found = of_user
        .flat_map(|given| {
            let role = directory.role(&given.role_id).into_iter().collect();
            let roles: Vec<&Role> = if effective { directory.with_implied(role) } else { role };
            roles.into_iter().map(move |role| (given, role))
        })
        .filter(|(_, role)| wants("role.id", &role.id))
        .map(|(given, role)| told(&api, &directory, given, role, names))
        .collect();
    Ok(answer::json(StatusCode::OK, &collection(&api, "role_assignments", "role_assignments", found)))
}

fn told(api: &Api, directory: &Directory, given: &Assignment, role: &Role, names: bool) -> Value {
    let in_domain = |id: &str, thing: Option<(&str, &str)>| match thing {
        Some((name, domain)) if names => {
            let home = directory.domain(domain).map(|domain| domain.name.as_str());
            json!({"id": id, "name": name, "domain": {"id": domain, "name": home}})
        }
        _ => json!({"id": id}),
    };
    let named = |id: &str, name: Option<&str>| match name {
        Some(name) if names => json!({"id": id, "name": name}),
        _ => json!({"id": id}),
    };
    let user = directory.user(&given.user_id).map(|user| (user.name.as_str(), user.domain_id.as_str()));
    let scope = match &given.target {
        Target::Project(id) => {
            let project = directory.project(id).map(|project| (project.name.as_str(), project.domain_id.as_str()));
            json!({"project": in_domain(id, project)})
        }
        Target::Domain(id) => json!({"domain": named(id, directory.domain(id).map(|domain| domain.name.as_str()))}),
    };
    let link = format!("/identity/v3/{}/users/{}/roles/{}", path(&given.target), given.user_id, given.role_id);
    json!({
        "user": in_domain(&given.user_id, user),
        "role": named(&role.id, Some(&role.name)),
        "scope": scope,
        "links": {"assignment": api.site.url(&link)},
    })
}
