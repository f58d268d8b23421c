//! The SQLite store: what it was given it gives back, and nothing that was acknowledged is lost.

mod power_cut;
mod upgrade;

use super::{Error, SqliteStore, Store};
use crate::engine::{
    Engine, Options, State, Txn, network, port, subnet,
    tests::{
        HOST, admin,
        invariants::{KINDS, anything},
        on, range, txn,
    },
};
use kuryr_neutron::{HostId, NewNetwork, PortId};
use proptest::{prelude::*, sample::Index};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// Set in the child of the durability test: the database it writes to.
const CHILD: &str = "KURYR_TEST_WRITE_UNTIL_KILLED";

fn options() -> Options {
    Options::new(HostId(HOST.to_owned()))
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path).unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_new_database_has_only_what_groups_are_born_with_and_is_private() {
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    let mut store = open(&path);
    assert_eq!(store.load().unwrap(), crate::engine::State::fresh().to_rows());
    store.put_setting("k", b"secret").unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut store = open(&path);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(store.settings().unwrap(), [("k".to_owned(), b"secret".to_vec())]);
    assert_eq!(store.setting("none").unwrap(), None);
}

#[test]
fn one_process_has_the_database() {
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    let _first = open(&path);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop the other kuryr"), "{error}");
}

#[test]
fn damage_and_newer_versions_are_named() {
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    fs::write(&path, "this is no database, whatever its name says ".repeat(100)).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");

    fs::remove_file(&path).unwrap();
    drop(open(&path));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, Error::Newer { found: 99, known: 9, .. }), "{error:?}");
    assert!(error.to_string().contains("install the newer kuryr"), "{error}");

    let error = SqliteStore::open(Path::new("/proc/no/such/kuryr.db")).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    drop(open(&path));
    let sql = "INSERT INTO routers (id, body) VALUES ('r-1', '{}')";
    rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let error = open(&path).load().unwrap_err().to_string();
    assert!(error.contains("row r-1 of table routers"), "{error}");
}

#[test]
fn the_database_itself_refuses_an_address_twice() {
    let mut txn = txn();
    let id = network::create(&mut txn, &admin(), NewNetwork::default()).unwrap().id;
    subnet::create(&mut txn, &admin(), range(id, "10.0.0.0/24")).unwrap();
    let first = port::create(&mut txn, &admin(), on(id)).unwrap();
    let folder = folder();
    let mut store = open(&folder.path().join("kuryr.db"));
    store.commit(&txn.changes()).unwrap();
    let mut twin = first.clone();
    twin.id = PortId::random();
    twin.mac_address = kuryr_neutron::MacAddr([2, 0, 0, 0, 0, 1]);
    let change = |port: &kuryr_neutron::Port| crate::engine::Change::Port(port.id, Some(port.clone().into()));
    store.commit(&[change(&twin)]).unwrap_err();
    twin.fixed_ips.clear();
    store.commit(&[change(&twin)]).unwrap();
    twin.mac_address = first.mac_address;
    store.commit(&[change(&twin)]).unwrap_err();
    assert_eq!(store.load().unwrap().ports.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_was_committed_is_there_again(steps in prop::collection::vec((0..KINDS, any::<[Index; 3]>()), 1..100)) {
        let folder = folder();
        let path = folder.path().join("kuryr.db");
        let mut store = open(&path);
        let mut txn = txn();
        for (i, (what, which)) in steps.into_iter().enumerate() {
            let before = txn.savepoint();
            if anything(&mut txn, what, which).is_err() {
                txn.rollback(before);
            }
            if i % 7 == 0 {
                store.commit(&txn.changes()).unwrap();
                txn.committed();
            }
        }
        store.commit(&txn.changes()).unwrap();
        drop(store);
        let again = State::from_rows(open(&path).load().unwrap());
        prop_assert_eq!(again.to_rows(), txn.to_rows());
        again.assert_sound();
    }
}

#[tokio::test]
async fn a_closed_engine_can_be_opened_again() {
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    let engine = Engine::open(Box::new(open(&path)), options()).unwrap();
    let made = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await.unwrap().value;
    let rows = engine.read(State::to_rows);
    drop(engine);
    let engine = Engine::open(Box::new(open(&path)), options()).unwrap();
    assert_eq!(engine.read(State::to_rows), rows);
    assert_eq!(engine.read(|s| s.networks[&made.id].zone), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_writes_go_on_has_what_was_answered_and_no_half_of_a_write() {
    let folder = folder();
    let engine = Engine::open(Box::new(open(&folder.path().join("kuryr.db"))), options()).unwrap();
    let made = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await.unwrap();
    let id = made.value.id;
    engine.write(move |txn| subnet::create(txn, &admin(), range(id, "10.0.0.0/16"))).await.unwrap();
    let (answered, writing) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let writer = {
        let (engine, answered, writing) = (engine.clone(), Arc::clone(&answered), writing.clone());
        tokio::spawn(async move {
            while !writing.is_cancelled() {
                let pair = move |txn: &mut Txn| (0..2).try_for_each(|_| port::create(txn, &admin(), on(id)).map(drop));
                engine.write(pair).await.unwrap();
                answered.fetch_add(2, Ordering::SeqCst);
            }
        })
    };
    let copy = folder.path().join("copy.db");
    for _ in 0..5 {
        let before = answered.load(Ordering::SeqCst);
        std::io::copy(&mut engine.copy().await.unwrap(), &mut fs::File::create(&copy).unwrap()).unwrap();
        let state = State::from_rows(open(&copy).load().unwrap());
        assert!(state.ports.len() >= before && state.ports.len().is_multiple_of(2), "{before}: {}", state.ports.len());
        state.assert_sound();
    }
    writing.cancel();
    writer.await.unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["copy.db", "kuryr.db", "kuryr.db-wal"], "a copy leaves nothing");
}

/// The child: makes ports for ever and prints each one that was acknowledged.
fn write_until_killed(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let engine = Engine::open(Box::new(open(path)), options()).unwrap();
        let id = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await.unwrap().value.id;
        engine.write(move |txn| subnet::create(txn, &admin(), range(id, "10.0.0.0/8"))).await.unwrap();
        let writers = (0..8).map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                loop {
                    let port = engine.write(move |txn| port::create(txn, &admin(), on(id))).await.unwrap().value;
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {}", port.id).unwrap();
                    out.flush().unwrap();
                }
            })
        });
        futures_util::future::join_all(writers.collect::<Vec<_>>()).await;
    });
}

#[test]
fn kill_nine_loses_nothing_that_was_acknowledged() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&path));
    }
    let folder = folder();
    let path = folder.path().join("kuryr.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::kill_nine_loses_nothing_that_was_acknowledged", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged = BTreeSet::new();
    // A cut last line is not an acknowledgement.
    let port = |line: String| line.strip_prefix("acknowledged ").and_then(|id| id.parse::<PortId>().ok());
    while acknowledged.len() < 300 {
        acknowledged.extend(port(lines.next().expect("the child ended by itself")));
    }
    child.kill().unwrap();
    acknowledged.extend(lines.filter_map(port));
    child.wait().unwrap();

    let state = State::from_rows(open(&path).load().unwrap());
    let lost: Vec<_> = acknowledged.iter().filter(|id| !state.ports.contains_key(id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), acknowledged.len());
    state.assert_sound();
}
