//! `/v3/users/{user}/application_credentials`: made, listed, deleted.

use crate::api::{
    Api, answer,
    keystone::{
        Fault, Path, Principal, asker,
        describe::{self, body, filter, many, new_application_credential},
        directory::NewApplicationCredential,
        document,
        fields::{Fields, NAME, invalid, wrong_type},
        hashed,
        lists::collection,
        password,
    },
    openapi::Operation,
    routes::Routes,
};
use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn routes() -> Routes {
    let path = "/identity/v3/users/{user}/application_credentials";
    let one = "/identity/v3/users/{user}/application_credentials/{id}";
    Routes::default()
        .get(
            path,
            list,
            Operation::keystone("List a user's application credentials")
                .with([filter("name", "Of this name.")])
                .answers(200, many("application_credential", "application_credentials"))
                .refuses(&[403]),
        )
        .post(
            path,
            create,
            Operation::keystone("Create an application credential for the project of one's token")
                .takes(body("application_credential", true))
                .answers(201, new_application_credential)
                .makes("/application_credential/id")
                .refuses(&[403, 404, 409]),
        )
        .get(
            one,
            show,
            Operation::keystone("Show an application credential")
                .answers(200, describe::one("application_credential"))
                .refuses(&[403, 404]),
        )
        .delete(
            one,
            remove,
            Operation::keystone("Delete an application credential").answers_nothing(204).refuses(&[403, 404]),
        )
}

/// Everybody's own are theirs; administrators may look at others' and delete them, and never make them.
fn owner_or_administrator(api: &Api, headers: &HeaderMap, user: &str, rule: &'static str) -> Result<Principal, Fault> {
    let asking = asker(&api.identity, headers)?;
    if asking.claims.user_id == user || (asking.is_admin() && rule != CREATE) {
        return Ok(asking);
    }
    Err(Fault::Forbidden(rule))
}

const CREATE: &str = "identity:create_application_credential";

/// What an application credential gives may not be used to make or delete others, unless it was made for that.
fn may_manage(api: &Api, asking: &Principal) -> Result<(), Fault> {
    let Some(id) = &asking.claims.application_credential_id else { return Ok(()) };
    match api.identity.directory().application_credential(id) {
        Some(credential) if credential.unrestricted == Some(true) => Ok(()),
        _ => Err(Fault::Refused(
            "You are not authorized to perform the requested action: Using method 'application_credential' is not allowed \
             for managing additional application credentials.."
                .to_owned(),
        )),
    }
}

async fn create(
    State(api): State<Arc<Api>>,
    Path(user_id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    let asking = owner_or_administrator(&api, &headers, &user_id, CREATE)?;
    may_manage(&api, &asking)?;
    let fields = Fields::read(request.into_body(), "application_credential").await?;
    let name = fields.name(NAME)?;
    let project_id = asking.claims.project_id.clone().ok_or_else(|| {
        let message = "Invalid application credential: it is for the project of the token by which it is made, and this \
                       token is for none";
        Fault::BadRequest(message.to_owned())
    })?;
    if fields.value("access_rules").is_some_and(|rules| rules.as_array().is_none_or(|rules| !rules.is_empty())) {
        let message =
            "access_rules are not offered by this cloud: an application credential is restricted by its roles.";
        return Err(Fault::BadRequest(message.to_owned()));
    }
    let (roles, expires_at) = (roles(&fields)?, expires_at(&fields)?);
    let (description, unrestricted) = (fields.text("description")?, fields.boolean("unrestricted")?);
    let secret = match fields.text("secret")? {
        Some(secret) => SecretString::from(secret),
        None => password::random().map_err(|_| Fault::Internal)?,
    };
    let hash = hashed(&api, secret.clone()).await?;
    let new = NewApplicationCredential {
        name,
        description,
        user_id,
        project_id,
        roles,
        expires_at,
        unrestricted,
        secret: hash,
    };
    let held: Vec<String> = asking.roles.iter().map(|role| role.id.clone()).collect();
    let made = api.identity.change(|directory| directory.create_application_credential(new, &held)).await?;
    let mut document = document::application_credential(&api.site, &api.identity.directory(), &made);
    if let Some(document) = document.as_object_mut() {
        // The only time that it is told.
        document.insert("secret".to_owned(), secret.expose_secret().into());
    }
    Ok(answer::json(StatusCode::CREATED, &json!({"application_credential": document})))
}

/// Ids or names.
fn roles(fields: &Fields) -> Result<Vec<String>, Fault> {
    let Some(value) = fields.value("roles") else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| wrong_type("roles", value, "array"))?;
    list.iter()
        .map(|role| {
            let found = role.get("id").or_else(|| role.get("name")).and_then(Value::as_str);
            found.map(str::to_owned).ok_or_else(|| {
                let shown = role.to_string();
                invalid("roles", &shown, "each must be an object with the text 'id' or 'name'")
            })
        })
        .collect()
}

/// Seconds since 1970. Keystone's form has no zone and means UTC.
fn expires_at(fields: &Fields) -> Result<Option<i64>, Fault> {
    let Some(text) = fields.text("expires_at")? else { return Ok(None) };
    let malformed = "The server could not comply with the request since it is either malformed or otherwise incorrect. The \
                     client is assumed to be in error.";
    let with_zone = text.parse::<Timestamp>().ok();
    let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let end = with_zone.or_else(in_utc);
    let end = end.ok_or_else(|| Fault::BadRequest(format!("Timestamp not in expected format. {malformed}")))?;
    if end <= Timestamp::now() {
        return Err(Fault::BadRequest(format!("The 'expires_at' must not be before now. {malformed}")));
    }
    Ok(Some(end.as_second()))
}

async fn list(
    State(api): State<Arc<Api>>,
    Path(user): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    owner_or_administrator(&api, &headers, &user, "identity:list_application_credentials")?;
    let directory = api.identity.directory();
    let found = directory
        .application_credentials_of(&user)
        .filter(|credential| query.get("name").is_none_or(|name| *name == credential.name))
        .map(|credential| document::application_credential(&api.site, &directory, credential))
        .collect();
    let path = format!("users/{user}/application_credentials");
    Ok(answer::json(StatusCode::OK, &collection(&api, "application_credentials", &path, found)))
}

async fn show(
    State(api): State<Arc<Api>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    owner_or_administrator(&api, &headers, &user, "identity:get_application_credential")?;
    let directory = api.identity.directory();
    let found = directory.application_credentials_of(&user).find(|credential| credential.id == id);
    let found = found.ok_or_else(|| Fault::missing("Application Credential", &id))?;
    let document = document::application_credential(&api.site, &directory, found);
    Ok(answer::json(StatusCode::OK, &json!({"application_credential": document})))
}

async fn remove(
    State(api): State<Arc<Api>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let asking = owner_or_administrator(&api, &headers, &user, "identity:delete_application_credential")?;
    may_manage(&api, &asking)?;
    api.identity.change(|directory| directory.delete_application_credential(&user, &id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
