//! Carries one request to a cloud and brings its answer back whole.
//!
//! A transport follows no redirects, repeats nothing, and bounds the size of an answer. Deadlines, repetition
//! and authentication belong to the [session](crate::session).

mod client;
mod http;
mod in_process;
mod tls;
mod unix;

pub use self::http::{Http, HttpOptions};
pub use in_process::InProcess;
pub use unix::Unix;

use ::http::{Request, Response};
use bytes::Bytes;

/// Largest answer that is read, in bytes, unless the transport is told otherwise: some 40 000 ports.
pub const RESPONSE_LIMIT: usize = 64 * 1024 * 1024;

/// A way to a cloud.
#[async_trait::async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request with an absolute URL and waits for the whole answer, whatever its status.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;
}

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection: nothing was sent.
    #[error("no connection: {reason} (is the service running, and is the URL right?)")]
    Connect {
        /// What the system said.
        reason: String,
    },
    /// TLS could not be agreed on: nothing was sent.
    #[error("TLS failed: {reason} (check cafile, certfile and keyfile, and the host name in the URL)")]
    Tls {
        /// What TLS said.
        reason: String,
    },
    /// The connection broke; the request may have been carried out.
    #[error("the connection broke before the answer was complete: {reason}")]
    Interrupted {
        /// What the system said.
        reason: String,
    },
    /// The answer is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request itself is impossible.
    #[error("the request cannot be sent: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
}

impl TransportError {
    /// True when it is certain that the cloud has not seen the request.
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Tls { .. } | Self::Request { .. })
    }
}
