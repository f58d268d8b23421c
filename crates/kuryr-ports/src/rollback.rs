//! What to undo when a request fails half way: the last thing done is undone first.

use kuryr_openstack::within;
use std::{fmt::Display, future::Future, pin::Pin, time::Duration};

/// Time for all of an undoing, which begins when the request's own may be over.
const LIMIT: Duration = Duration::from_secs(10);

type Undo = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The steps done so far and how to undo each.
#[derive(Default)]
pub struct Rollback {
    steps: Vec<(String, Undo)>,
}

impl Rollback {
    /// Nothing done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A step was done; `undo` runs if a later one fails. `what` is for the log, such as `delete network x`.
    pub fn push<E: Display>(
        &mut self,
        what: impl Into<String>,
        undo: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.steps.push((what.into(), Box::pin(async move { undo.await.map_err(|e| e.to_string()) })));
    }

    /// Undoes everything, the last step first. What cannot be undone is logged, for an operator to finish.
    pub async fn run(self) {
        within(LIMIT, self.run_steps()).await;
    }

    async fn run_steps(self) {
        for (what, undo) in self.steps.into_iter().rev() {
            match undo.await {
                Ok(()) => tracing::info!(step = %what, "undone after a failure"),
                Err(error) => {
                    tracing::error!(step = %what, %error, "could not be undone after a failure; do it by hand")
                }
            }
        }
    }

    /// Runs everything when `result` is an error, and hands the result on.
    pub async fn unless_ok<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.run().await;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn recorder() -> (Rollback, Arc<Mutex<Vec<u8>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut rollback = Rollback::new();
        for step in 1..=3 {
            let seen = Arc::clone(&seen);
            rollback.push(format!("step {step}"), async move {
                seen.lock().unwrap().push(step);
                if step == 2 { Err("no") } else { Ok(()) }
            });
        }
        (rollback, seen)
    }

    #[tokio::test]
    async fn the_last_step_is_undone_first_and_a_failure_stops_nothing() {
        let (rollback, seen) = recorder();
        assert_eq!(rollback.unless_ok(Err::<(), _>("broken")).await, Err("broken"));
        assert_eq!(*seen.lock().unwrap(), [3, 2, 1]);
    }

    #[tokio::test]
    async fn success_undoes_nothing() {
        let (rollback, seen) = recorder();
        assert_eq!(rollback.unless_ok(Ok::<_, ()>(7)).await, Ok(7));
        assert!(seen.lock().unwrap().is_empty());
    }
}
