//! Keystone v3: domains, projects, users, roles, application credentials, tokens and the catalog.

mod application_credentials;
pub mod credentials;
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

use crate::api::{Api, answer};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;

pub use fault::Fault;
pub use identity::{Identity, IdentityError, Opened, Principal};
pub use login::Issued;
pub use password::PasswordError;
pub use request::AuthRequest;
pub use token::Claims;

/// Header of the token that proves who asks.
pub const AUTH_TOKEN: &str = "x-auth-token";
/// Header of the token that is asked about.
pub const SUBJECT_TOKEN: &str = "x-subject-token";

pub(crate) fn routes() -> Router<Arc<Api>> {
    let both = |router: Router<Arc<Api>>, path: &str, method: MethodRouter<Arc<Api>>| {
        router.route(path, method.clone()).route(&format!("{path}/"), method)
    };
    let router = both(Router::new(), "/identity", get(versions));
    let router = both(router, "/identity/v3", get(version));
    router
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
