//! `/v3/projects` and `/v3/domains`: made, changed, deleted.

use crate::api::{
    Api, answer,
    keystone::{
        Fault, Path, administrator,
        describe::{body, change, one},
        directory::{DOMAIN_ID, Directory, NewPlace, PlaceUpdate},
        document,
        fields::{Fields, SHORT_NAME, stays_in},
    },
    routes::Routes,
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .post(
            "/identity/v3/projects",
            create_project,
            change("Create a project").takes(body("project", true)).answers(201, one("project")).makes("/project/id"),
        )
        .patch(
            "/identity/v3/projects/{id}",
            update_project,
            change("Change a project").takes(body("project", false)).answers(200, one("project")),
        )
        .delete("/identity/v3/projects/{id}", remove_project, change("Delete a project").answers_nothing(204))
        .post(
            "/identity/v3/domains",
            create_domain,
            change("Create a domain").takes(body("domain", true)).answers(201, one("domain")).makes("/domain/id"),
        )
        .patch(
            "/identity/v3/domains/{id}",
            update_domain,
            change("Change a domain").takes(body("domain", false)).answers(200, one("domain")),
        )
        .delete("/identity/v3/domains/{id}", remove_domain, change("Delete a domain").answers_nothing(204))
}

fn new(fields: &Fields) -> Result<NewPlace, Fault> {
    Ok(NewPlace {
        name: fields.name(SHORT_NAME)?,
        description: fields.text("description")?.unwrap_or_default(),
        enabled: fields.boolean("enabled")?.unwrap_or(true),
    })
}

fn update(fields: &Fields) -> Result<PlaceUpdate, Fault> {
    Ok(PlaceUpdate {
        name: fields.new_name(SHORT_NAME)?,
        description: fields.nullable("description")?.map(Option::unwrap_or_default),
        enabled: fields.boolean("enabled")?,
    })
}

async fn create_project(State(api): State<Arc<Api>>, headers: HeaderMap, request: Request) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:create_project")?;
    let fields = Fields::read(request.into_body(), "project").await?;
    let place = new(&fields)?;
    let domain = fields.text("domain_id")?.unwrap_or_else(|| DOMAIN_ID.to_owned());
    let parent = fields.text("parent_id")?.unwrap_or_else(|| domain.clone());
    if parent != domain || fields.boolean("is_domain")? == Some(true) {
        let message = "parent_id can only be the project's domain, and is_domain only false: this cloud has no projects \
                       within projects, and domains are made by /v3/domains.";
        return Err(Fault::BadRequest(message.to_owned()));
    }
    let project = api.identity.change(|directory| directory.create_project(&domain, place)).await?;
    Ok(answer::json(StatusCode::CREATED, &json!({"project": document::project(&api.site, &project)})))
}

async fn update_project(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:update_project")?;
    let fields = Fields::read(request.into_body(), "project").await?;
    let (place, domain) = (update(&fields)?, fields.text("domain_id")?);
    let change = |directory: &mut Directory| {
        let project = directory.update_project(&id, place)?;
        stays_in(&project.domain_id, domain)?;
        Ok(project)
    };
    let project = api.identity.change(change).await?;
    Ok(answer::json(StatusCode::OK, &json!({"project": document::project(&api.site, &project)})))
}

async fn remove_project(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:delete_project")?;
    api.identity.change(|directory| directory.delete_project(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn create_domain(State(api): State<Arc<Api>>, headers: HeaderMap, request: Request) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:create_domain")?;
    let place = new(&Fields::read(request.into_body(), "domain").await?)?;
    let domain = api.identity.change(|directory| directory.create_domain(place)).await?;
    Ok(answer::json(StatusCode::CREATED, &json!({"domain": document::domain(&api.site, &domain)})))
}

async fn update_domain(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:update_domain")?;
    let place = update(&Fields::read(request.into_body(), "domain").await?)?;
    let domain = api.identity.change(|directory| directory.update_domain(&id, place)).await?;
    Ok(answer::json(StatusCode::OK, &json!({"domain": document::domain(&api.site, &domain)})))
}

async fn remove_domain(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:delete_domain")?;
    api.identity.change(|directory| directory.delete_domain(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
