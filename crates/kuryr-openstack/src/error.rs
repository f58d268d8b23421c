//! What can go wrong between us and a cloud, told so that an operator knows what to do.

use crate::transport::TransportError;
use http::Method;
use kuryr_config::Interface;
use std::{fmt, time::Duration};

/// A failed call to the cloud.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cloud answered, and refused.
    #[error("{0}")]
    Fault(Box<CloudFault>),
    /// Keystone gave no token.
    #[error("no token from Keystone at {url}: {reason}")]
    Auth {
        /// Where the token was asked for.
        url: String,
        /// What Keystone said, and what to check.
        reason: String,
        /// HTTP status of Keystone's refusal; `None`: it did not refuse, it could not be asked.
        status: Option<u16>,
    },
    /// No complete answer came.
    #[error("{call} failed: {source}")]
    Transport {
        /// The call.
        call: Box<Call>,
        /// How it failed.
        source: TransportError,
    },
    /// No answer within the deadline.
    #[error(
        "{call} gave no answer within {after:?}; the cloud may still have done it (raise timeout if the cloud is slow)"
    )]
    Timeout {
        /// The call.
        call: Box<Call>,
        /// The deadline of the whole call, with its repetitions.
        after: Duration,
    },
    /// The calls before it, its own operation's or others', took all the time there was: this one was not made.
    #[error(
        "{call} was not made: the calls before it took all of {limit:?} (raise [docker] request_timeout if the cloud is \
         slow)"
    )]
    OutOfTime {
        /// The call.
        call: Box<Call>,
        /// The time for all of them.
        limit: Duration,
    },
    /// The cloud said yes in words that make no sense.
    #[error("{call} answered {status} with a body that makes no sense: {reason}")]
    Decode {
        /// The call.
        call: Box<Call>,
        /// Its HTTP status.
        status: u16,
        /// What was wrong with the body.
        reason: String,
    },
    /// The catalog has no such endpoint.
    #[error(
        "the catalog has no {interface} endpoint of type '{service}' in {region}; it has: {known} \
         (check region_name and endpoint_type, or set endpoint_override)"
    )]
    NoEndpoint {
        /// Service type, such as `network`.
        service: &'static str,
        /// The interface that was asked for.
        interface: Interface,
        /// The region that was asked for.
        region: String,
        /// What the catalog has of this type.
        known: String,
    },
    /// A setting or an argument cannot be used.
    #[error("{field}: '{value}' is not usable: {expected}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What it was; never a secret.
        value: String,
        /// What would have been right.
        expected: String,
    },
}

/// A refusal of the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFault {
    /// HTTP status.
    pub status: u16,
    /// The service's name for it, such as `IpAddressAlreadyAllocated`; empty when it gave none.
    pub error_type: String,
    /// The service's words, at most 4 KiB.
    pub message: String,
    /// Further words; usually empty.
    pub detail: String,
    /// True when the body was a `NeutronError`.
    pub is_neutron: bool,
    /// The service's own id of the request, by which its log can be searched.
    pub request_id: Option<String>,
    /// The id that we sent along; logs have it even when the answer came from something in between.
    pub sent_id: String,
    /// Method of the call.
    pub method: Method,
    /// URL of the call, without user, password and query.
    pub url: String,
}

/// A call that was made, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// URL without user, password and query.
    pub url: String,
    /// The id that we sent along, by which logs of the cloud can be searched.
    pub request_id: String,
    /// The cloud's own id of the request, when an answer told it.
    pub answered_as: Option<String>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.url, ids(self.answered_as.as_deref(), &self.request_id))
    }
}

impl fmt::Display for CloudFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} answered {}", self.method, self.url, self.status)?;
        if !self.error_type.is_empty() {
            write!(f, " {}", self.error_type)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, " {}", self.ids())?;
        match (self.policy_advice(), hint(self.status)) {
            (Some(advice), _) => write!(f, "; {advice}")?,
            (None, Some(hint)) => write!(f, "; {hint}")?,
            (None, None) => {}
        }
        Ok(())
    }
}

/// The cloud's id of a request and the one that we sent, as far as they differ.
fn ids(cloud: Option<&str>, sent: &str) -> String {
    match cloud {
        Some(cloud) if cloud != sent => format!("{cloud}, sent as {sent}"),
        _ => sent.to_owned(),
    }
}

fn hint(status: u16) -> Option<&'static str> {
    match status {
        300..=399 => Some("redirects are not followed: set the URL that the service redirects to"),
        401 => Some("a token just issued was refused: check that the service trusts this Keystone"),
        403 => Some("the user lacks a role for this: check its roles in the project and the service's policy"),
        429 => Some("too many requests: the cloud limits its callers"),
        502..=504 => Some("the service behind the load balancer is down or too slow"),
        _ => None,
    }
}

impl CloudFault {
    /// Neutron's id of the request and ours, in brackets.
    pub(crate) fn ids(&self) -> String {
        format!("[{}]", ids(self.request_id.as_deref(), &self.sent_id))
    }

    /// The text that Neutron's own Python client gives for this fault: message, detail on a new line, and the
    /// request id. Without a `NeutronError`: status, dash, body. Then the id that we sent, where it is another.
    pub fn neutron_error_text(&self) -> String {
        let mut text = if self.is_neutron { self.message.clone() } else { format!("{}-{}", self.status, self.message) };
        if !self.detail.is_empty() {
            text.push('\n');
            text.push_str(&self.detail);
        }
        if let Some(id) = &self.request_id {
            text.push_str(&format!("\nNeutron server returns request_ids: ['{id}']"));
        }
        if self.request_id.as_ref() != Some(&self.sent_id) {
            text.push_str(&format!("\nThe request was sent as {}", self.sent_id));
        }
        text
    }
}

impl Error {
    /// The refusal, when the cloud refused.
    pub fn fault(&self) -> Option<&CloudFault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// HTTP status of the cloud's refusal.
    pub fn status(&self) -> Option<u16> {
        self.fault().map(|f| f.status)
    }

    /// The service's name for the refusal, such as `OverQuota`; empty when there is none.
    pub fn error_type(&self) -> &str {
        self.fault().map_or("", |f| &f.error_type)
    }

    /// True when Keystone was asked for a token and refused: its answer will be the same until something changes.
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Self::Auth { status: Some(400..=499), .. })
    }

    /// True when the cloud answered 404.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// True when the cloud answered 409.
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// True when the cloud answered 412: the resource has changed since it was read.
    pub fn is_precondition_failed(&self) -> bool {
        self.status() == Some(412)
    }

    /// True when nobody answered who could have: the cloud is away, or what stands before it says so.
    pub fn tells_of_absence(&self) -> bool {
        match self {
            Self::Fault(fault) => matches!(fault.status, 502..=504),
            Self::Auth { status, .. } => status.is_none_or(|status| (502..=504).contains(&status)),
            Self::Transport { source, .. } => {
                matches!(source, TransportError::Connect { .. } | TransportError::Interrupted { .. })
            }
            Self::Timeout { .. } => true,
            Self::Decode { .. } | Self::OutOfTime { .. } | Self::NoEndpoint { .. } | Self::Invalid { .. } => false,
        }
    }

    /// True when there was no connection.
    pub(crate) fn is_without_connection(&self) -> bool {
        matches!(self, Self::Transport { source: TransportError::Connect { .. }, .. })
    }

    /// True when a write may have happened although it failed here: the answer was lost, late or unreadable.
    /// Look before doing it again.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Fault(fault) => matches!(fault.status, 500 | 502 | 504),
            Self::Timeout { .. } | Self::Decode { .. } => true,
            Self::Transport { source, .. } => !source.nothing_was_sent(),
            Self::Auth { .. } | Self::OutOfTime { .. } | Self::NoEndpoint { .. } | Self::Invalid { .. } => false,
        }
    }

    /// See [`CloudFault::neutron_error_text`]; `None` when the cloud did not answer with a refusal.
    pub fn neutron_error_text(&self) -> Option<String> {
        self.fault().map(CloudFault::neutron_error_text)
    }
}
