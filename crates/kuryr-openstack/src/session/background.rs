//! Calls that nobody waits for: they say so, and what makes them can let the others go first.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Urgency of calls that nobody waits for, to the servers and proxies on their way (RFC 9218 §4.1: "background").
pub(super) const PRIORITY: (&str, &str) = ("priority", "u=7");

tokio::task_local! {
    static BACKGROUND: ();
}

/// Runs something whose result nobody waits for: its calls say so to the cloud, and are no [`Traffic`].
pub async fn in_background<F: Future>(work: F) -> F::Output {
    BACKGROUND.scope((), work).await
}

/// True inside of [`in_background`].
pub(super) fn is_background() -> bool {
    BACKGROUND.try_with(|()| ()).is_ok()
}

/// The calls that somebody waits for. Clones share all.
#[derive(Debug, Clone)]
pub struct Traffic {
    under_way: watch::Sender<usize>,
    ended: Arc<Mutex<Option<Instant>>>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { under_way: watch::Sender::new(0), ended: Arc::default() }
    }
}

impl Traffic {
    /// A call is under way until the guard is dropped.
    pub fn begin(&self) -> UnderWay {
        self.under_way.send_modify(|count| *count += 1);
        UnderWay { traffic: self.clone() }
    }

    /// Waits until no call is under way and none has been for `pause`.
    pub async fn quiet(&self, pause: Duration) {
        let mut under_way = self.under_way.subscribe();
        loop {
            // The sender is ours: it cannot go before us.
            let _ = under_way.wait_for(|count| *count == 0).await;
            let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(rest) = ended.and_then(|ended| (ended + pause).checked_duration_since(Instant::now())) else {
                return;
            };
            if rest.is_zero() {
                return;
            }
            tokio::time::sleep(rest).await;
        }
    }
}

/// A call that somebody waits for.
#[derive(Debug)]
pub struct UnderWay {
    traffic: Traffic,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.traffic.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.traffic.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_a_pause_after_the_last_call() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        traffic.quiet(PAUSE).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "nothing has been under way yet");
        let (first, second) = (traffic.begin(), traffic.begin());
        let waiting = tokio::spawn({
            let traffic = traffic.clone();
            async move { traffic.quiet(PAUSE).await }
        });
        tokio::time::sleep(PAUSE * 2).await;
        drop(first);
        tokio::time::sleep(PAUSE * 2).await;
        drop(second);
        tokio::time::sleep(PAUSE / 2).await;
        // A call in the pause begins it anew.
        drop(traffic.begin());
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), PAUSE * 11 / 2);
    }

    #[tokio::test]
    async fn only_what_runs_in_the_background_is_there() {
        assert!(!is_background());
        in_background(async { assert!(is_background()) }).await;
    }
}
