//! Faults: Neutron's answer when it will not do something.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of refusal, as an HTTP status would class it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// 400: the request is wrong.
    BadRequest,
    /// 401: who are you?
    Unauthorized,
    /// 403: you may not.
    Forbidden,
    /// 404: there is no such thing.
    NotFound,
    /// 409: the state does not allow it.
    Conflict,
    /// 412: it has changed since.
    PreconditionFailed,
    /// 500: a defect.
    Internal,
    /// 503: not now.
    Unavailable,
}

impl FaultKind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// A refusal in Neutron's words: `{"NeutronError": {"type", "message", "detail"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Class.
    pub kind: FaultKind,
    /// Neutron's exception name, such as `IpAddressAlreadyAllocated`.
    pub error_type: &'static str,
    /// For people: names the field, the value and the expectation.
    pub message: String,
}

impl Fault {
    /// A fault of a class, with Neutron's name for it.
    pub fn new(kind: FaultKind, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { kind, error_type, message: message.into() }
    }

    /// 400 `HTTPBadRequest` … `InvalidInput`-like.
    pub fn bad_request(error_type: &'static str, message: impl Into<String>) -> Self {
        Self::new(FaultKind::BadRequest, error_type, message)
    }

    /// `Invalid input for FIELD. Reason: …`, Neutron's form for a wrong attribute.
    pub fn invalid(field: &str, reason: impl fmt::Display) -> Self {
        Self::bad_request("HTTPBadRequest", format!("Invalid input for {field}. Reason: {reason}."))
    }

    /// 409 with Neutron's name for it.
    pub fn conflict(error_type: &'static str, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Conflict, error_type, message)
    }

    /// 404: `Network x could not be found.` with type `NetworkNotFound` and the like.
    pub fn not_found(error_type: &'static str, what: &str, id: impl fmt::Display) -> Self {
        Self::new(FaultKind::NotFound, error_type, format!("{what} {id} could not be found."))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.error_type)
    }
}

impl std::error::Error for Fault {}
