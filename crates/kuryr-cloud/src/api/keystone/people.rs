//! `/v3/users`: made, changed, deleted, and their passwords.

use crate::api::{
    Api, answer,
    keystone::{
        Fault, Origin, Path, administrator,
        describe::{body, change, one, passwords},
        directory::{DOMAIN_ID, Directory, NewUser, PasswordHash, UserUpdate},
        document,
        fields::{Fields, NAME, stays_in},
        request::Reference,
    },
    openapi::Operation,
    routes::Routes,
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .post(
            "/identity/v3/users",
            create,
            change("Create a user").takes(body("user", true)).answers(201, one("user")).makes("/user/id"),
        )
        .patch(
            "/identity/v3/users/{id}",
            update,
            change("Change a user").takes(body("user", false)).answers(200, one("user")),
        )
        .delete("/identity/v3/users/{id}", remove, change("Delete a user").answers_nothing(204))
        .post(
            "/identity/v3/users/{id}/password",
            change_password,
            Operation::keystone("Change one's own password")
                .public()
                .takes(passwords)
                .answers_nothing(204)
                .refuses(&[401, 409, 429]),
        )
}

async fn create(State(api): State<Arc<Api>>, headers: HeaderMap, request: Request) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:create_user")?;
    let fields = Fields::read(request.into_body(), "user").await?;
    let new = NewUser {
        name: fields.name(NAME)?,
        domain_id: fields.text("domain_id")?.unwrap_or_else(|| DOMAIN_ID.to_owned()),
        enabled: fields.boolean("enabled")?.unwrap_or(true),
        default_project_id: fields.text("default_project_id")?,
        description: fields.text("description")?,
        email: fields.text("email")?,
        password: hashed(&api, fields.text("password")?).await?,
    };
    let user = api.identity.change(|directory| directory.create_user(new)).await?;
    Ok(answer::json(StatusCode::CREATED, &json!({"user": document::user(&api.site, &user)})))
}

async fn update(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:update_user")?;
    let fields = Fields::read(request.into_body(), "user").await?;
    let domain = fields.text("domain_id")?;
    let password = match fields.nullable("password")? {
        None => None,
        Some(password) => Some(hashed(&api, password).await?),
    };
    let change = UserUpdate {
        name: fields.new_name(NAME)?,
        enabled: fields.boolean("enabled")?,
        default_project_id: fields.nullable("default_project_id")?,
        description: fields.nullable("description")?,
        email: fields.nullable("email")?,
        password,
    };
    let change = |directory: &mut Directory| {
        let user = directory.update_user(&id, change)?;
        stays_in(&user.domain_id, domain)?;
        Ok(user)
    };
    let user = api.identity.change(change).await?;
    Ok(answer::json(StatusCode::OK, &json!({"user": document::user(&api.site, &user)})))
}

async fn remove(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Fault> {
    administrator(&api, &headers, "identity:delete_user")?;
    api.identity.change(|directory| directory.delete_user(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Needs no token: who knows the old password is the user.
async fn change_password(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let origin = Origin::of(request.extensions());
    let fields = Fields::read(request.into_body(), "user").await?;
    let original = SecretString::from(fields.required("original_password")?);
    let password = fields.required("password")?;
    let user = api.identity.by_password(&Reference::Id(id), original, origin).await?;
    let change = UserUpdate { password: Some(hashed(&api, Some(password)).await?), ..UserUpdate::default() };
    api.identity.change(|directory| directory.update_user(&user.id, change)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn hashed(api: &Api, password: Option<String>) -> Result<Option<PasswordHash>, Fault> {
    match password {
        None => Ok(None),
        Some(password) => super::hashed(api, SecretString::from(password)).await.map(Some),
    }
}
