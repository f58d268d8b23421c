//! Who asks, and what a path and its headers say, read once for all handlers.

use crate::{
    api::{
        Api,
        keystone::{self, directory::MEMBER},
        neutron::Refusal,
    },
    engine::Context,
};
use axum::extract::{FromRequestParts, Path};
use http::{HeaderMap, header::IF_MATCH, request::Parts};
use kuryr_http::RequestId;
use kuryr_neutron::{Fault, FaultKind, ProjectId};
use std::sync::Arc;

/// Who asks, by the token of the request. Without a token that counts a handler is not entered.
pub struct Asker(pub Context);

impl FromRequestParts<Arc<Api>> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let principal = keystone::asker(&api.identity, &parts.headers).map_err(|_| Refusal::Unauthorized)?;
        let (is_admin, read_only) = (principal.is_admin(), !principal.has(MEMBER));
        let Some(project_id) = principal.claims.project_id else {
            let message = "The token is for no project; Neutron needs one that is (scope the login to a project)";
            return Err(Fault::new(FaultKind::Forbidden, "PolicyNotAuthorized", message).into());
        };
        Ok(Self(Context {
            project_id: ProjectId(project_id),
            user_id: principal.claims.user_id,
            is_admin,
            read_only,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        }))
    }
}

/// The variable parts of a path. Ones that are not UTF-8 lead nowhere.
pub struct PathParts<T>(pub T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<Arc<Api>> for PathParts<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let found = Path::<T>::from_request_parts(parts, api).await;
        found.map(|Path(parts)| Self(parts)).map_err(|_| Refusal::unknown_path())
    }
}

/// `If-Match: revision_number=N`: the call counts only while the resource still has this revision.
pub fn expected_revision(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    // Other conditions are none of Neutron's, and say nothing to it.
    let Some(number) = text.trim().strip_prefix("revision_number=") else { return Ok(None) };
    number.parse().map(Some).map_err(|_| {
        let shown: String = text.chars().take(100).collect();
        let message =
            format!("Invalid value for If-Match header: '{shown}' is not of the form revision_number=<number>");
        Fault::bad_request("BadRequest", message)
    })
}
