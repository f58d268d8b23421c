//! The engine: readers of the committed state, and the one thread that writes.

use crate::{
    engine::{Options, State, Txn},
    store::{self, Store},
};
use kuryr_neutron::{Fault, FaultKind};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    thread::{self, JoinHandle},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Most writes that share one commit: bounds how long the first of them waits.
const BATCH: usize = 512;
/// Most writes that wait for their turn; more wait outside.
const QUEUE: usize = 4096;

/// An engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The writer's thread could not be started.
    #[error("cannot start the thread that writes: {0}; check the limit of tasks (systemd TasksMax, ulimit -u)")]
    Thread(#[source] std::io::Error),
}

/// What a write gave, durable by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure returned.
    pub value: T,
    /// The state's revision that has it.
    pub revision: u64,
}

/// The embedded Neutron's state and its one writer; clones are the same engine.
/// When the last clone goes, the writer ends and the store is closed.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
}

/// An engine that is not kept from ending.
#[derive(Debug, Clone)]
pub struct WeakEngine {
    shared: Arc<Shared>,
    writer: Weak<Writer>,
}

impl WeakEngine {
    /// The engine, unless it has ended.
    pub fn upgrade(&self) -> Option<Engine> {
        Some(Engine { shared: Arc::clone(&self.shared), writer: self.writer.upgrade()? })
    }
}

#[derive(Debug)]
struct Shared {
    options: Arc<Options>,
    state: RwLock<State>,
    changes: watch::Sender<u64>,
}

/// The writer's queue and thread.
#[derive(Debug)]
struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Job {
    Write(Write),
    Store(StoreWork),
}

/// Runs a closure; what it gives is called after the commit with the revision, or with what went wrong.
type Write = Box<dyn FnOnce(&mut Txn) -> Option<Answer> + Send>;
type StoreWork = Box<dyn FnOnce(&mut dyn Store) + Send>;
type Answer = Box<dyn FnOnce(Result<u64, Fault>) + Send>;

impl Engine {
    /// Loads what the store has. An empty store gives an empty state; nothing is seeded.
    pub fn open(mut store: Box<dyn Store>, options: Options) -> Result<Self, Error> {
        let state = State::from_rows(store.load()?);
        let options = Arc::new(options);
        let txn = Txn::new(state.clone(), Arc::clone(&options));
        let (changes, _) = watch::channel(state.revision);
        let shared = Arc::new(Shared { options, state: RwLock::new(state), changes });
        let (queue, jobs) = mpsc::channel(QUEUE);
        let run = {
            let shared = Arc::clone(&shared);
            move || work(&shared, txn, store, jobs)
        };
        let thread = thread::Builder::new().name("cloud-writer".to_owned()).spawn(run).map_err(Error::Thread)?;
        let writer = Arc::new(Writer { queue: Some(queue), thread: Mutex::new(Some(thread)) });
        Ok(Self { shared, writer })
    }

    /// The same engine, which ends all the same when the last clone goes.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine { shared: Arc::clone(&self.shared), writer: Arc::downgrade(&self.writer) }
    }

    /// Settings of the engine.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Looks at the committed state. Keep it short: a write waits for it.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a closure in its turn, alone. Its changes are durable, and seen by readers, before this answers;
    /// if it fails, or panics, nothing of it remains.
    pub async fn write<T, F>(&self, change: F) -> Result<Committed<T>, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut Txn) -> Result<T, Fault> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel::<Result<Committed<T>, Fault>>();
        let write: Write = Box::new(move |txn| {
            let result = catch_unwind(AssertUnwindSafe(|| change(txn))).unwrap_or_else(|panic| Err(panicked(&*panic)));
            match result {
                Ok(value) => Some(Box::new(move |commit| {
                    // Nobody waits any more: what was asked is done all the same.
                    let _ = sender.send(commit.map(|revision| Committed { value, revision }));
                })),
                Err(fault) => {
                    let _ = sender.send(Err(fault));
                    None
                }
            }
        });
        self.submit(Job::Write(write)).await.map_err(|Stopped| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Reads a setting of the store.
    pub async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        let key = key.to_owned();
        self.with_store(move |store| store.setting(&key)).await
    }

    /// Writes a setting of the store, durably.
    pub async fn put_setting(&self, key: &str, value: &[u8]) -> Result<(), store::Error> {
        let (key, value) = (key.to_owned(), value.to_vec());
        self.with_store(move |store| store.put_setting(&key, &value)).await
    }

    /// A copy of the store's database; writes wait meanwhile, reads do not.
    pub async fn copy(&self) -> Result<File, store::Error> {
        self.with_store(|store| store.copy()).await
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, store::Error> {
        let (sender, answer) = oneshot::channel();
        let job = Job::Store(Box::new(move |store| {
            let _ = sender.send(work(store));
        }));
        self.submit(job).await.map_err(|Stopped| store::Error::Closed)?;
        answer.await.map_err(|_| store::Error::Closed)?
    }

    async fn submit(&self, job: Job) -> Result<(), Stopped> {
        let queue = self.writer.queue.as_ref().ok_or(Stopped)?;
        queue.send(job).await.map_err(|_| Stopped)
    }

    /// The committed revision, and news of the next.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

/// The writer has ended.
struct Stopped;

fn stopped() -> Fault {
    Fault::new(FaultKind::Unavailable, "ServiceUnavailable", "The cloud is stopping; try again when it runs again.")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Fault {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a write panicked; nothing of it remains");
    Fault::new(FaultKind::Internal, "InternalServerError", "The request met a defect; the log has its trace.")
}

impl Drop for Writer {
    /// Waits until what was queued is durable and the store is closed, so that it can be opened again.
    fn drop(&mut self) {
        drop(self.queue.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes had panicked");
        }
    }
}

fn work(shared: &Shared, mut txn: Txn, mut store: Box<dyn Store>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut store_job = None;
        while let Some(job) = next.take() {
            match job {
                Job::Write(write) => {
                    let savepoint = txn.savepoint();
                    let answer = write(&mut txn);
                    let room = if txn.creates_since(savepoint) { store.room() } else { Ok(()) };
                    match (answer, room) {
                        (Some(answer), Ok(())) => answers.push(answer),
                        (answer, room) => {
                            txn.rollback(savepoint);
                            if let (Some(answer), Err(error)) = (answer, room) {
                                answer(Err(not_taken(&error)));
                            }
                        }
                    }
                }
                // In its turn: after the writes before it.
                Job::Store(job) => {
                    store_job = Some(job);
                    break;
                }
            }
            if answers.len() < BATCH {
                next = jobs.try_recv().ok();
            }
        }
        let outcome = commit(shared, &mut txn, &mut *store);
        for answer in answers {
            answer(outcome.clone());
        }
        if let Some(job) = store_job {
            job(&mut *store);
        }
    }
}

fn not_taken(error: &store::Error) -> Fault {
    tracing::error!(%error, "the database did not take a change");
    let message = format!("The database did not take the change: {error}");
    Fault::new(FaultKind::Unavailable, "ServiceUnavailable", message)
}

/// Makes a batch durable, then visible.
fn commit(shared: &Shared, txn: &mut Txn, store: &mut dyn Store) -> Result<u64, Fault> {
    let changes = txn.changes();
    if changes.is_empty() {
        return Ok(txn.revision);
    }
    if let Err(error) = store.commit(&changes) {
        txn.rollback_all();
        return Err(not_taken(&error));
    }
    txn.committed();
    let revision = txn.revision;
    {
        let mut state = shared.state.write().unwrap_or_else(PoisonError::into_inner);
        changes.iter().for_each(|change| state.apply(change));
        state.revision = revision;
    }
    shared.changes.send_replace(revision);
    Ok(revision)
}
