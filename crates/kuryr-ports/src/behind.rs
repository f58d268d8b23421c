//! Writes behind: what nobody has to wait for, a moment after the answer.
//!
//! A write that a crash took along must be one that can be told from what is in Neutron, and made up for.

use kuryr_openstack::time_left;
use std::{
    collections::HashMap,
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

/// Longer than the start of a container, so that a burst of them is over before its rest is written.
const DELAY: Duration = Duration::from_secs(1);
/// At most this many at once: starts come first.
const AT_ONCE: usize = 2;
/// How often a write is tried; the pause doubles from [`DELAY`] on.
const ATTEMPTS: u32 = 6;

/// The writes on their way, by the id of what they change. Clones share all.
#[derive(Debug, Clone)]
pub struct Behind {
    pending: Arc<Mutex<HashMap<String, Pending>>>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pending {
    task: JoinHandle<()>,
    hurry: Arc<Notify>,
}

impl Default for Behind {
    fn default() -> Self {
        Self { pending: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Behind {
    /// Writes a moment later; an older write to the same thing is given up. `what` is for the log.
    pub fn schedule<E, F>(&self, id: impl Display, what: &'static str, write: impl Fn() -> F + Send + Sync + 'static)
    where
        E: Display + Send,
        F: Future<Output = Result<(), E>> + Send,
    {
        let (key, hurry, turns) = (id.to_string(), Arc::new(Notify::new()), Arc::clone(&self.turns));
        let (id, hurried) = (key.clone(), Arc::clone(&hurry));
        let task = tokio::spawn(async move {
            let mut pause = DELAY;
            for attempt in 1..=ATTEMPTS {
                tokio::select! { () = tokio::time::sleep(pause) => {}, () = hurried.notified() => {} }
                let Ok(_turn) = turns.acquire().await else { return };
                match write().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%id, %what, attempt, %error, "not written behind"),
                }
                pause *= 2;
            }
            tracing::error!(%id, %what, "given up; the next start of this process tries again");
        });
        let mut pending = self.pending();
        pending.retain(|_, pending| !pending.task.is_finished());
        if let Some(older) = pending.insert(key, Pending { task, hurry }) {
            older.task.abort();
        }
    }

    /// What was to be written no longer matters.
    pub fn cancel(&self, id: impl Display) {
        if let Some(pending) = self.pending().remove(&id.to_string()) {
            pending.task.abort();
        }
    }

    /// Waits until nothing is on its way to this any more, as long as the request has time.
    pub async fn flush(&self, id: impl Display) {
        let pending = self.pending().remove(&id.to_string());
        if let Some(pending) = pending {
            pending.hurry.notify_one();
            // It says itself what went wrong.
            let left = time_left().unwrap_or(Duration::MAX);
            drop(tokio::time::timeout(left, pending.task).await);
        }
    }

    /// Waits until everything is written, or given up; it begins at once.
    pub async fn settle(&self) {
        loop {
            let (ids, tasks): (Vec<String>, Vec<Pending>) = self.pending().drain().unzip();
            if ids.is_empty() {
                return;
            }
            for pending in tasks {
                pending.hurry.notify_one();
                drop(pending.task.await);
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn counter() -> (Arc<AtomicUsize>, impl Fn() -> std::future::Ready<Result<(), &'static str>>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        (count, move || {
            let before = counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(if before == 0 { Err("once") } else { Ok(()) })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_write_is_repeated() {
        let (behind, (count, write)) = (Behind::default(), counter());
        behind.schedule("a", "tags", write);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_or_replaced_write_never_happens() {
        let (behind, (count, write), (other, replaced)) = (Behind::default(), counter(), counter());
        behind.schedule("a", "tags", replaced);
        behind.schedule("a", "tags", write);
        behind.cancel("a");
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!((count.load(Ordering::SeqCst), other.load(Ordering::SeqCst)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_return_before_it_is_written() {
        let (behind, (count, write)) = (Behind::default(), counter());
        behind.schedule("a", "tags", write);
        behind.flush("a").await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
        behind.flush("a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_settled_is_written() {
        let (behind, (count, write), (other, also)) = (Behind::default(), counter(), counter());
        behind.schedule("a", "tags", write);
        behind.schedule("b", "tags", also);
        behind.settle().await;
        assert_eq!((count.load(Ordering::SeqCst), other.load(Ordering::SeqCst)), (2, 2));
    }
}
