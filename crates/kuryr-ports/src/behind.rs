//! Writes behind: what nobody has to wait for, a moment after the answer.
//!
//! A write that a crash took along must be one that can be told from what is in Neutron, and made up for.

use kuryr_openstack::{Traffic, in_background, time_left};
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
/// Calls that somebody waits for come first: none for this long, before one that nobody waits for is made.
const QUIET: Duration = Duration::from_millis(100);
/// What is written behind waits no longer than this for a quiet moment.
const GIVE_WAY: Duration = Duration::from_secs(10);
/// At most this many at once.
const AT_ONCE: usize = 2;
/// How often a write is tried; the pause doubles from [`DELAY`] on.
const ATTEMPTS: u32 = 6;

/// The writes on their way, by the id of what they change. Clones share all.
#[derive(Debug, Clone)]
pub struct Behind {
    pending: Arc<Mutex<HashMap<String, Pending>>>,
    turns: Arc<Semaphore>,
    traffic: Traffic,
}

#[derive(Debug)]
struct Pending {
    task: JoinHandle<()>,
    hurry: Arc<Notify>,
    give_up: Arc<Notify>,
}

impl Default for Behind {
    fn default() -> Self {
        Self::new(Traffic::default())
    }
}

impl Behind {
    /// Writes that let this traffic go first.
    pub fn new(traffic: Traffic) -> Self {
        Self { pending: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)), traffic }
    }

    /// Writes a moment later; an older write to the same thing is given up. `what` is for the log.
    pub fn schedule<E, F>(&self, id: impl Display, what: &'static str, write: impl Fn() -> F + Send + Sync + 'static)
    where
        E: Display + Send,
        F: Future<Output = Result<(), E>> + Send,
    {
        let (key, turns, traffic) = (id.to_string(), Arc::clone(&self.turns), self.traffic.clone());
        let (hurry, give_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (id, hurried, given_up) = (key.clone(), Arc::clone(&hurry), Arc::clone(&give_up));
        let task = tokio::spawn(async move {
            let mut pause = DELAY;
            for attempt in 1..=ATTEMPTS {
                let due = async {
                    tokio::time::sleep(pause).await;
                    drop(tokio::time::timeout(GIVE_WAY, traffic.quiet(QUIET)).await);
                };
                let waited_for = tokio::select! {
                    () = due => false,
                    () = hurried.notified() => true,
                    () = given_up.notified() => return,
                };
                let turn = tokio::select! { turn = turns.acquire() => turn, () = given_up.notified() => return };
                let Ok(_turn) = turn else { return };
                let written = if waited_for { write().await } else { in_background(write()).await };
                match written {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%id, %what, attempt, %error, "not written behind"),
                }
                pause *= 2;
            }
            tracing::error!(%id, %what, "given up; the next start of this process tries again");
        });
        let mut pending = self.pending();
        pending.retain(|_, pending| !pending.task.is_finished());
        if let Some(older) = pending.insert(key, Pending { task, hurry, give_up }) {
            older.task.abort();
        }
    }

    /// What was to be written no longer matters. A write that has begun is waited for: the cloud would meet it in the
    /// middle of what is done next to the same thing, and the two would hold each other up.
    pub async fn cancel(&self, id: impl Display) {
        let pending = self.pending().remove(&id.to_string());
        if let Some(pending) = pending {
            pending.give_up.notify_one();
            let left = time_left().unwrap_or(Duration::MAX);
            drop(tokio::time::timeout(left, pending.task).await);
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
            tasks.iter().for_each(|pending| pending.hurry.notify_one());
            for pending in tasks {
                drop(pending.task.await);
            }
        }
    }

    /// Whether something is on its way to this.
    pub fn is_pending(&self, id: impl Display) -> bool {
        self.pending().get(&id.to_string()).is_some_and(|pending| !pending.task.is_finished())
    }

    /// How many writes are on their way.
    pub fn len(&self) -> usize {
        self.pending().values().filter(|pending| !pending.task.is_finished()).count()
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        behind.cancel("a").await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!((count.load(Ordering::SeqCst), other.load(Ordering::SeqCst)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_has_begun_is_waited_for() {
        let behind = Behind::default();
        let (count, _) = counter();
        let counted = Arc::clone(&count);
        behind.schedule("a", "tags", move || {
            let counted = Arc::clone(&counted);
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                counted.fetch_add(1, Ordering::SeqCst);
                Err("not again")
            }
        });
        tokio::time::sleep(DELAY + QUIET).await;
        behind.cancel("a").await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_waits_for_comes_first_but_not_for_ever() {
        let traffic = Traffic::default();
        let (behind, (count, write), under_way) = (Behind::new(traffic.clone()), counter(), traffic.begin());
        behind.schedule("a", "tags", write);
        tokio::time::sleep(DELAY + GIVE_WAY / 2).await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
        drop(under_way);
        tokio::time::sleep(QUIET * 2).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let _under_way = traffic.begin();
        tokio::time::sleep(DELAY * 2 + GIVE_WAY + QUIET).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
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
