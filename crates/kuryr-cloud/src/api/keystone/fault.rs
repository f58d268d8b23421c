//! Keystone's refusals: `{"error": {"code", "message", "title"}}`.

use crate::api::{BodyError, answer};
use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use std::time::Duration;

/// A refusal in Keystone's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 400: the body lacks something or has it in the wrong form.
    BadRequest(String),
    /// 401: no token, a wrong one, or wrong credentials; which of them is not told.
    Unauthorized,
    /// 401, and why: it tells nothing that the asker does not know.
    NotThisWay(&'static str),
    /// 403, with the name of the policy's rule.
    Forbidden(&'static str),
    /// 403, with the reason.
    Refused(String),
    /// 404.
    NotFound(String),
    /// 409.
    Conflict(String),
    /// 413.
    TooLarge,
    /// 429: after too many wrong passwords, with the time to wait.
    TooMany(Duration),
    /// 500: a defect.
    Internal,
    /// 503: the store failed, with what to do.
    Unavailable(String),
}

impl Fault {
    /// `Expecting to find X in Y.`, Keystone's form for what a body lacks.
    pub fn expecting(what: &str, place: &str) -> Self {
        Self::BadRequest(format!(
            "Expecting to find {what} in {place}. The server could not comply with the request since it is either \
             malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    /// 404: the path leads nowhere.
    pub fn unknown_path() -> Self {
        Self::NotFound("The resource could not be found.".to_owned())
    }

    /// 404 for a kind of thing and the id it was asked for by.
    pub fn missing(kind: &str, id: &str) -> Self {
        let id: String = id.chars().take(255).collect();
        Self::NotFound(format!("Could not find {kind}: {id}."))
    }

    /// 409: something of this kind has that already.
    pub fn conflict(kind: &str, reason: &str) -> Self {
        Self::Conflict(format!("Conflict occurred attempting to store {kind} - {reason}."))
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            other => Self::BadRequest(other.to_string()),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut later = None;
        let (status, title, message) = match self {
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "Bad Request", message),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "The request you have made requires authentication.".to_owned(),
            ),
            Self::NotThisWay(reason) => (StatusCode::UNAUTHORIZED, "Unauthorized", reason.to_owned()),
            Self::Refused(reason) => (StatusCode::FORBIDDEN, "Forbidden", reason),
            Self::Conflict(reason) => (StatusCode::CONFLICT, "Conflict", reason),
            Self::Forbidden(rule) => (
                StatusCode::FORBIDDEN,
                "Forbidden",
                format!("You are not authorized to perform the requested action: {rule}."),
            ),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "Not Found", message),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large", BodyError::TooLarge.to_string())
            }
            Self::TooMany(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                later = HeaderValue::from_str(&seconds.to_string()).ok();
                let message = format!("There were too many wrong passwords. Try again in {seconds} s.");
                (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", message)
            }
            Self::Unavailable(message) => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", message),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error",
                "An unexpected error prevented the server from fulfilling your request.".to_owned(),
            ),
        };
        let mut response =
            answer::json(status, &json!({"error": {"code": status.as_u16(), "message": message, "title": title}}));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Keystone uri=\"/identity\""));
        }
        if let Some(later) = later {
            response.headers_mut().insert(RETRY_AFTER, later);
        }
        response
    }
}
