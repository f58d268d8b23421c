//! The one writer.

use crate::{
    engine::{Options, State, Txn, faults},
    store::{self, Store},
};
use kuryr_neutron::Fault;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

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
#[derive(Debug, Clone)]
pub struct Engine {
    options: Arc<Options>,
    state: Arc<RwLock<State>>,
    changes: watch::Receiver<u64>,
}

impl Engine {
    /// Loads what the store has. An empty store gives an empty state; nothing is seeded.
    pub fn open(_store: Box<dyn Store>, options: Options) -> Result<Self, Error> {
        let (_, changes) = watch::channel(0);
        Ok(Self { options: Arc::new(options), state: Arc::default(), changes })
    }

    /// Settings of the engine.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Looks at the committed state. Keep it short: a write waits for it.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a closure in its turn, alone. Its changes are durable, and seen by readers, before this answers;
    /// if it fails, or panics, nothing of it remains.
    pub async fn write<T, F>(&self, _change: F) -> Result<Committed<T>, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut Txn) -> Result<T, Fault> + Send + 'static,
    {
        Err(faults::not_built())
    }

    /// Reads a setting of the store.
    pub async fn setting(&self, _key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(None)
    }

    /// Writes a setting of the store, durably.
    pub async fn put_setting(&self, _key: &str, _value: &[u8]) -> Result<(), store::Error> {
        Ok(())
    }

    /// The committed revision, and news of the next.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}
