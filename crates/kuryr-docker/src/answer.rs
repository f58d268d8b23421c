//! Answers in Docker's plugin protocol: compact JSON, or an `Err` with a status.

use crate::request::RequestError;
use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLUGIN_JSON: HeaderValue = HeaderValue::from_static("application/vnd.docker.plugins.v1+json; charset=utf-8");

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself is wrong: 400.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Kuryr will not or cannot do it: 500.
    #[error("{0}")]
    Refused(String),
    /// Not found, told with status 200 as every Kuryr does.
    #[error("{0}")]
    Told(String),
    /// The port, the cloud or the kernel.
    #[error(transparent)]
    Ports(#[from] kuryr_ports::Error),
    /// Docker's own API, which only comparing needs.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    /// The host's ports.
    #[error(transparent)]
    Publish(#[from] kuryr_publish::Error),
}

impl From<kuryr_openstack::Error> for Error {
    fn from(error: kuryr_openstack::Error) -> Self {
        Self::Ports(error.into())
    }
}

impl Error {
    /// A refusal in words.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// True when the cloud is away: what removes is made up for by the comparison, once the cloud is back.
    pub(crate) fn tells_of_absence(&self) -> bool {
        matches!(self, Self::Ports(kuryr_ports::Error::Cloud(error)) if error.tells_of_absence())
    }

    /// The HTTP status. Neutron's own is passed through if it is an error; Docker is not sent elsewhere.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Told(_) => StatusCode::OK,
            Self::Ports(kuryr_ports::Error::Cloud(error)) => {
                let status = error.status().and_then(|status| StatusCode::from_u16(status).ok());
                let failure = |s: &StatusCode| s.is_client_error() || s.is_server_error();
                status.filter(failure).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Ports(kuryr_ports::Error::InUse { .. } | kuryr_ports::Error::Conflict(_)) => StatusCode::CONFLICT,
            Self::Publish(kuryr_publish::Error::InUse { .. }) => StatusCode::CONFLICT,
            Self::Refused(_) | Self::Ports(_) | Self::Publish(_) | Self::Engine(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text of `Err`: Neutron's message and request id, or our own words. Never empty.
    pub fn text(&self) -> String {
        let text = match self {
            Self::Ports(kuryr_ports::Error::Cloud(error)) => {
                let mut text = error.neutron_error_text().unwrap_or_else(|| error.to_string());
                if let Some(advice) = error.fault().and_then(kuryr_openstack::CloudFault::policy_advice) {
                    text.push('\n');
                    text.push_str(&advice);
                }
                text
            }
            other => other.to_string(),
        };
        if text.is_empty() { self.status().to_string() } else { text }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let kind = if matches!(self, Self::Told(_)) { JSON } else { PLUGIN_JSON };
        envelope(self.status(), kind, &json!({ "Err": self.text() }))
    }
}

/// A successful answer.
pub fn success(answer: &Value) -> Response {
    envelope(StatusCode::OK, JSON, answer)
}

/// An error of HTTP itself.
pub fn http_error(status: StatusCode, text: &str) -> Response {
    envelope(status, PLUGIN_JSON, &json!({ "Err": text }))
}

fn envelope(status: StatusCode, kind: HeaderValue, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, kind)], format!("{body}\n")).into_response()
}
