//! Keystone v3: domains, projects, users, roles, application credentials, tokens and the catalog.

mod application_credentials;
pub mod credentials;
mod describe;
pub mod directory;
mod document;
mod fault;
mod fields;
mod identity;
mod lists;
mod login;
mod password;
mod people;
mod places;
mod request;
mod roles;
mod throttle;
mod token;
mod tokens;

use crate::api::{
    Api, answer,
    openapi::{Operation, object},
    routes::Routes,
};
use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, request::Parts};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;

pub use fault::Fault;
pub use identity::{Identity, IdentityError, Opened, Principal};
pub use login::Issued;
pub use password::PasswordError;
pub use request::AuthRequest;
pub use throttle::Origin;
pub use token::Claims;

/// Header of the token that proves who asks.
pub const AUTH_TOKEN: &str = "x-auth-token";
/// Header of the token that is asked about.
pub const SUBJECT_TOKEN: &str = "x-subject-token";

pub(crate) fn routes() -> Routes {
    let list = || {
        Operation::keystone("Versions of the Identity API").public().answers(300, |_| {
            let versions = json!({"type": "array", "items": describe::version()});
            object([("versions", object([("values", versions)]))])
        })
    };
    let one = || {
        Operation::keystone("Version 3 of the Identity API")
            .public()
            .answers(200, |_| object([("version", describe::version())]))
    };
    Routes::default()
        .get("/identity", versions, list())
        .get("/identity/", versions, list())
        .get("/identity/v3", version, one())
        .get("/identity/v3/", version, one())
        .merge(tokens::routes())
        .merge(lists::routes())
        .merge(people::routes())
        .merge(places::routes())
        .merge(roles::routes())
        .merge(application_credentials::routes())
}

async fn versions(State(api): State<Arc<Api>>) -> Response {
    let body = json!({"versions": {"values": [document::version(&api.site)]}});
    answer::json(StatusCode::MULTIPLE_CHOICES, &body)
}

async fn version(State(api): State<Arc<Api>>) -> Response {
    answer::json(StatusCode::OK, &json!({"version": document::version(&api.site)}))
}

/// The variable parts of a path. Ones that are not UTF-8 lead nowhere.
struct Path<T>(T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<Arc<Api>> for Path<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Fault> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, api).await;
        found.map(|path| Self(path.0)).map_err(|_| Fault::unknown_path())
    }
}

/// Who asks, by the token in the headers.
pub fn asker(identity: &Identity, headers: &HeaderMap) -> Result<Principal, Fault> {
    let token = headers.get(AUTH_TOKEN).and_then(|value| value.to_str().ok()).ok_or(Fault::Unauthorized)?;
    identity.principal(token)
}

/// Who asks, if they are an administrator.
fn administrator(api: &Api, headers: &HeaderMap, rule: &'static str) -> Result<Principal, Fault> {
    let principal = asker(&api.identity, headers)?;
    if principal.is_admin() { Ok(principal) } else { Err(Fault::Forbidden(rule)) }
}

/// The hash of a password or secret.
async fn hashed(api: &Api, secret: SecretString) -> Result<directory::PasswordHash, Fault> {
    api.identity.hash(secret).await.map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Fault::Internal
    })
}
