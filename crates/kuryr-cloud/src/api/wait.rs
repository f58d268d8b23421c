//! Waiting for the data plane: an answer that says "bound" must mean that the policy is in force.

use crate::api::Api;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// How long an answer waits for the data plane.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the data plane has not applied a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data plane has not applied revision {revision}: {reason}")]
pub struct NotApplied {
    /// The revision waited for.
    pub revision: u64,
    /// What it says.
    pub reason: String,
}

/// Tells when the kernel has what the state says; the data plane implements it.
pub trait AppliedWaiter: Send + Sync {
    /// Ends when this revision, or a later one, is in the kernel, or cannot be.
    fn applied(&self, revision: u64) -> BoxFuture<'_, Result<(), NotApplied>>;
}

impl Api {
    /// Waits until a revision is in the kernel; at once without a data plane.
    pub(crate) async fn wait(&self, revision: u64) -> Result<(), NotApplied> {
        let Some(waiter) = &self.applied else { return Ok(()) };
        let outcome = tokio::time::timeout(PATIENCE, waiter.applied(revision)).await.unwrap_or_else(|_| {
            Err(NotApplied { revision, reason: format!("nothing heard for {} seconds", PATIENCE.as_secs()) })
        });
        if let Err(error) = &outcome {
            tracing::error!(%error, "committed, but not in force");
        }
        outcome
    }
}
