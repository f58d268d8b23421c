//! The writer with a store: order, durability before the answer, errors and panics that leave nothing.

use crate::{
    engine::{
        Change, Engine, Options,
        tests::{HOST, admin, on, range},
    },
    engine::{network, port, subnet},
    store::{Error, MemoryStore, Rows, Store},
};
use kuryr_neutron::{Fault, FaultKind, HostId, NetworkId, NewNetwork};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Counts commits, refuses them when told to.
#[derive(Default)]
struct Watched {
    inner: MemoryStore,
    commits: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Store for Watched {
    fn load(&mut self) -> Result<Rows, Error> {
        self.inner.load()
    }
    fn commit(&mut self, changes: &[Change]) -> Result<(), Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(changes)
    }
    fn setting(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.inner.setting(key)
    }
    fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.inner.put_setting(key, value)
    }
    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.inner.settings()
    }
}

fn open(store: impl Store + 'static) -> Engine {
    Engine::open(Box::new(store), Options::new(HostId(HOST.to_owned()))).unwrap()
}

async fn network_in(engine: &Engine) -> NetworkId {
    let made = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await.unwrap();
    let id = made.value.id;
    engine.write(move |txn| subnet::create(txn, &admin(), range(id, "10.0.0.0/16"))).await.unwrap();
    id
}

#[tokio::test]
async fn an_answered_write_is_visible_and_announced() {
    let engine = open(MemoryStore::default());
    let mut changes = engine.changes();
    assert_eq!(*changes.borrow_and_update(), 0);
    let made = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await.unwrap();
    assert_eq!(made.revision, 1);
    assert!(engine.read(|state| state.networks.contains_key(&made.value.id) && state.revision == 1));
    changes.changed().await.unwrap();
    assert_eq!(*changes.borrow(), 1);
    let nothing = engine.write(|_| Ok(())).await.unwrap();
    assert_eq!(nothing.revision, 1, "nothing changed");
}

#[tokio::test]
async fn an_error_or_a_panic_leaves_nothing_and_the_writer_goes_on() {
    let engine = open(MemoryStore::default());
    let id = network_in(&engine).await;
    let failed = engine
        .write(move |txn| -> Result<(), Fault> {
            port::create(txn, &admin(), on(id))?;
            Err(Fault::invalid("x", "y"))
        })
        .await;
    assert_eq!(failed.unwrap_err().kind, FaultKind::BadRequest);
    let panicked = engine
        .write(move |txn| -> Result<(), Fault> {
            port::create(txn, &admin(), on(id))?;
            panic!("on purpose")
        })
        .await;
    assert_eq!(panicked.unwrap_err().kind, FaultKind::Internal);
    let port = engine.write(move |txn| port::create(txn, &admin(), on(id))).await.unwrap().value;
    engine.read(|state| {
        assert_eq!(state.ports.keys().collect::<Vec<_>>(), [&port.id]);
        state.assert_sound();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_share_commits_and_never_an_address() {
    let store = Watched::default();
    let commits = Arc::clone(&store.commits);
    let engine = open(store);
    let id = network_in(&engine).await;
    let before = commits.load(Ordering::SeqCst);
    let gate = {
        let engine = engine.clone();
        // Holds the writer until all others are queued.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        (tokio::spawn(async move { engine.write(move |_| Ok(wait.recv().is_ok())).await }), go)
    };
    let writes: Vec<_> = (0..200)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.write(move |txn| port::create(txn, &admin(), on(id))).await })
        })
        .collect();
    gate.1.send(()).unwrap();
    assert!(gate.0.await.unwrap().unwrap().value);
    let mut revisions = Vec::new();
    for write in writes {
        revisions.push(write.await.unwrap().unwrap().revision);
    }
    let shared = commits.load(Ordering::SeqCst) - before;
    assert!(shared < 200, "{shared} commits for 200 writes");
    engine.read(|state| {
        assert_eq!(state.ports.len(), 200);
        assert_eq!(revisions.into_iter().max(), Some(state.revision));
        state.assert_sound();
    });
}

#[tokio::test]
async fn what_the_store_refuses_did_not_happen() {
    let store = Watched::default();
    let broken = Arc::clone(&store.broken);
    let engine = open(store);
    let id = network_in(&engine).await;
    broken.store(true, Ordering::SeqCst);
    let refused = engine.write(move |txn| port::create(txn, &admin(), on(id))).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Unavailable);
    assert!(engine.read(|state| state.ports.is_empty()));
    broken.store(false, Ordering::SeqCst);
    engine.write(move |txn| port::create(txn, &admin(), on(id))).await.unwrap();
    engine.read(|state| {
        assert_eq!(state.ports.len(), 1);
        state.assert_sound();
    });
}

#[tokio::test]
async fn settings_are_kept_beside_the_rows() {
    let engine = open(MemoryStore::default());
    assert_eq!(engine.setting("key").await.unwrap(), None);
    engine.put_setting("key", b"one").await.unwrap();
    engine.put_setting("key", b"two").await.unwrap();
    assert_eq!(engine.setting("key").await.unwrap().as_deref(), Some(b"two".as_slice()));
}
