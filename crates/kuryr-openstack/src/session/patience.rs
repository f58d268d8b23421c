//! One deadline for all calls that belong together, whatever each may take.

use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
struct Patience {
    limit: Duration,
    began: Instant,
    ends: Instant,
}

tokio::task_local! {
    static PATIENCE: Patience;
}

/// Runs something whose calls to the cloud end within `limit` from now, together and with their repetitions. A call that
/// would begin later is not made ([`Error::OutOfTime`](crate::Error::OutOfTime)).
///
/// What is done to make up for a failure runs in a limit of its own, inside: it replaces the outer one.
pub async fn within<F: Future>(limit: Duration, work: F) -> F::Output {
    let now = Instant::now();
    PATIENCE.scope(Patience { limit, began: began(), ends: now + limit }, work).await
}

/// What is left of the limit that this task runs in; nothing: it runs in none.
pub fn time_left() -> Option<Duration> {
    PATIENCE.try_with(|patience| patience.ends.saturating_duration_since(Instant::now())).ok()
}

/// When what this task does began: the outermost of its limits, or now.
pub(super) fn began() -> Instant {
    PATIENCE.try_with(|patience| patience.began).unwrap_or_else(|_| Instant::now())
}

/// The limit that this task runs in, once it is used up.
pub(super) fn used_up() -> Option<Duration> {
    let patience = PATIENCE.try_with(|patience| *patience).ok()?;
    (Instant::now() >= patience.ends).then_some(patience.limit)
}
