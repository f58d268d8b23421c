//! Refusals as Neutron's clients know them: `{"NeutronError": {"type", "message", "detail"}}`.

use crate::api::{BodyError, answer, keystone};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use kuryr_neutron::{Fault, FaultKind};
use serde_json::json;

/// Why a call is not answered with what it asked for.
#[derive(Debug)]
pub enum Refusal {
    /// Neutron says no.
    Fault(Fault),
    /// No token, or none that counts. Keystone's middleware answers this, in its own form.
    Unauthorized,
    /// The body is larger than the limit.
    TooLarge,
    /// The path is right, the method is not.
    WrongMethod,
}

impl Refusal {
    /// The path leads nowhere.
    pub fn unknown_path() -> Self {
        Fault::new(FaultKind::NotFound, "HTTPNotFound", "The resource could not be found.").into()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            other => Fault::bad_request("HTTPBadRequest", format!("Malformed request: {other}.")).into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error_type, message) = match self {
            Self::Unauthorized => return keystone::Fault::Unauthorized.into_response(),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge", BodyError::TooLarge.to_string())
            }
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "HTTPMethodNotAllowed",
                "The method is not allowed for this resource.".to_owned(),
            ),
            Self::Fault(fault) => (answer::status(fault.kind.status()), fault.error_type, fault.message),
        };
        answer::json(status, &json!({"NeutronError": {"type": error_type, "message": message, "detail": ""}}))
    }
}
