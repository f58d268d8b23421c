//! The power is cut at every point of a workload: what was answered is there, of the rest a write is whole or not at all.
//!
//! A child writes to a real database under strace. What it did to its files is done again on a disk of which everything
//! may be lost, reordered or torn that was not synced, and the database is opened as it would be found.

mod disk;
mod trace;

use super::options;
use crate::{
    engine::{
        Engine, State, Txn, network, port, subnet,
        tests::{admin, on, range},
    },
    store::{SqliteStore, Store},
};
use disk::{Disk, Failed, Files};
use kuryr_neutron::{Fault, NewNetwork, NewPort};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use trace::Event;

/// Set in the child: the database it writes to.
const CHILD: &str = "KURYR_TEST_WRITE_UNDER_STRACE";
/// The child closes the database before this write, and opens it again.
const REOPENED: usize = 13;
/// How many writes there are.
const WRITES: usize = 20;
/// The log is copied into the database when it has so many pages: often.
const CHECKPOINT: u32 = 40;

/// How often the child tries what has to be done before it can go on.
const PATIENCE: usize = 20;
/// How many threads try points.
const THREADS: usize = 4;

/// How many ports a write makes.
fn makes(write: usize) -> usize {
    if write == 5 { 30 } else { 2 }
}

/// Whose ports a write removes.
fn removes(write: usize) -> Option<usize> {
    (write % 4 == 3).then(|| write - 2)
}

/// Ports by name after these writes.
fn after(writes: &[usize]) -> BTreeMap<String, usize> {
    let mut there = BTreeMap::new();
    for write in writes {
        there.insert(format!("w{write}"), makes(*write));
        if let Some(removed) = removes(*write) {
            there.remove(&format!("w{removed}"));
        }
    }
    there
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}").unwrap();
    out.flush().unwrap();
}

/// However often the disk fails meanwhile.
fn opened_by_child(path: &Path) -> Engine {
    let store = (0..PATIENCE).find_map(|_| SqliteStore::open(path).ok()).expect("it is opened at last");
    store.checkpoint_every(CHECKPOINT);
    Engine::open(Box::new(store), options()).unwrap()
}

/// Writes until it is answered.
async fn surely<T: Send + 'static>(
    engine: &Engine,
    change: impl Fn(&mut Txn) -> Result<T, Fault> + Clone + Send + 'static,
) -> T {
    for _ in 0..PATIENCE {
        if let Ok(done) = engine.write(change.clone()).await {
            return done.value;
        }
    }
    panic!("the disk fails all the time")
}

/// The child.
fn write_under_strace(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut engine = opened_by_child(path);
        let id = surely(&engine, |txn| network::create(txn, &admin(), NewNetwork::default())).await.id;
        surely(&engine, move |txn| subnet::create(txn, &admin(), range(id, "10.0.0.0/16"))).await;
        for write in 0..WRITES {
            if write == REOPENED {
                drop(engine);
                engine = opened_by_child(path);
            }
            say(&format!("begun {write}"));
            let written = engine.write(move |txn| {
                for _ in 0..makes(write) {
                    port::create(txn, &admin(), NewPort { name: format!("w{write}"), ..on(id) })?;
                }
                let old = removes(write).map(|old| format!("w{old}"));
                let gone = txn.ports.values().filter(|port| Some(&port.name) == old.as_ref()).map(|port| port.id);
                let gone: Vec<_> = gone.collect();
                gone.into_iter().try_for_each(|port| port::delete(txn, &admin(), port))
            });
            match written.await {
                Ok(_) => say(&format!("acknowledged {write}")),
                Err(Fault { message, .. }) => say(&format!("refused {write}: {message}")),
            }
        }
    });
}

/// What the child did with these faults of the disk; nothing where there is no strace.
fn events(test: &str, faults: &[&str]) -> Option<Vec<Event>> {
    if let Some(path) = std::env::var_os(CHILD) {
        write_under_strace(Path::new(&path));
        return None;
    }
    if Command::new("strace").arg("-V").output().is_err() {
        // Not by a macro: the line shall reach the terminal although tests' output is captured.
        writeln!(std::io::stdout(), "\nskipped: {test}: no strace on this machine (apt install strace)").unwrap();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("store::tests::power_cut::{test}"), "--nocapture"]);
    child.env(CHILD, folder.path().join("kuryr.db"));
    Some(trace::run(&mut child, &folder.path().canonicalize().unwrap(), faults))
}

/// What may be there at a point: after the writes that were answered, and perhaps one more.
#[derive(Debug, Clone, Default)]
struct Promise {
    answered: Vec<usize>,
    /// Begun since the last answer that was a yes.
    possible: Vec<usize>,
}

impl Promise {
    fn hear(&mut self, words: &str) {
        let Some((word, rest)) = words.split_once(' ') else { return };
        let number = || rest.split([':', '\n']).next().unwrap().parse().unwrap();
        match word {
            "begun" => self.possible.push(number()),
            "acknowledged" => {
                self.answered.push(number());
                self.possible.clear();
            }
            _ => {}
        }
    }

    fn kept_by(&self, there: &BTreeMap<String, usize>) -> bool {
        let one_more = |write: &usize| after(&[&self.answered[..], &[*write]].concat()) == *there;
        after(&self.answered) == *there || self.possible.iter().any(one_more)
    }
}

/// Cuts the power at every point, in all ways, and opens what is found; how many disks that were.
fn cut_everywhere(events: &[Event], failed: Failed) -> usize {
    std::thread::scope(|scope| {
        let share = |mine: usize| scope.spawn(move || cut_where(events, failed, |point| point % THREADS == mine));
        let threads: Vec<_> = (0..THREADS).map(share).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn cut_where(events: &[Event], failed: Failed, chosen: impl Fn(usize) -> bool) -> usize {
    let (mut disk, mut promise, mut disks) = (Disk::new(failed), Promise::default(), 0);
    for (i, event) in events.iter().enumerate() {
        disk.take(event);
        if let Event::Said(words) = event {
            promise.hear(words);
        }
        if !chosen(i) {
            continue;
        }
        // Without what is pending it is another disk only where something was synced or promised.
        let files = match event {
            Event::Said(_) | Event::Synced(_) | Event::SyncFailed(_) => disk.without_pending(),
            _ => disk.with_some_pending(i),
        };
        let kept = opened(&files, &promise);
        assert!(kept.is_ok(), "cut at {i}: {}, after {promise:?}", kept.unwrap_err());
        disks += 1;
    }
    disks
}

/// In memory, if there is such a place: these files need to survive nothing.
fn scratch() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// Opens the database as it is found, and looks whether the promise was kept.
fn opened(files: &Files, promise: &Promise) -> Result<(), String> {
    let folder = scratch();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().join("kuryr.db");
    let mut store = SqliteStore::open(&path).map_err(|error| error.to_string())?;
    let rows = store.load().map_err(|error| error.to_string())?;
    drop(store);
    let mut there = BTreeMap::<String, usize>::new();
    rows.ports.iter().for_each(|port| *there.entry(port.name.clone()).or_default() += 1);
    if !promise.kept_by(&there) {
        return Err(format!("there is {there:?}"));
    }
    State::from_rows(rows).assert_sound();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    if verdict == "ok" { Ok(()) } else { Err(verdict) }
}

/// What the child answered, by word.
fn said<'a>(events: &'a [Event], word: &str) -> Vec<&'a str> {
    let words = events.iter().filter_map(|event| if let Event::Said(words) = event { Some(&**words) } else { None });
    words.filter(|words| words.starts_with(word)).collect()
}

#[test]
fn a_power_cut_at_any_point_loses_nothing_that_was_answered() {
    let Some(events) = events("a_power_cut_at_any_point_loses_nothing_that_was_answered", &[]) else { return };
    assert_eq!(said(&events, "acknowledged").len(), WRITES);
    // All kinds of moments are among them: the log was copied into the database while writes went on, and removed.
    let place = |event: &Event| events.iter().position(|other| other == event).unwrap();
    let copied = events.iter().position(|event| matches!(event, Event::Wrote { name, .. } if name == "kuryr.db"));
    let copied_again =
        events.iter().rposition(|event| matches!(event, Event::Wrote { name, .. } if name == "kuryr.db"));
    let last = place(&Event::Said(format!("begun {}\n", WRITES - 3)));
    assert!(copied < copied_again && copied_again > Some(last));
    assert!(place(&Event::Removed("kuryr.db-wal".to_owned())) < last);
    let disks = cut_everywhere(&events, Failed::Lost);
    assert!(disks > 500, "{disks} disks");
}

/// The child's writes with a disk that fails now and then: some are refused, and never is one lost that was not.
fn with_failures(test: &str, failures: &str, words: &str, outcomes: &[Failed]) {
    let Some(events) = events(test, &["-e", failures]) else { return };
    let (yes, no) = (said(&events, "acknowledged"), said(&events, "refused"));
    assert!(yes.len() + no.len() == WRITES && yes.len() >= WRITES / 2 && !no.is_empty(), "{yes:?}, {no:?}");
    assert!(no.iter().all(|refusal| refusal.contains(words)), "{no:?}");
    for failed in outcomes {
        let disks = cut_everywhere(&events, *failed);
        assert!(disks > 500, "{disks} disks");
    }
}

#[test]
fn a_sync_that_fails_is_no_answer_and_what_the_cache_says_afterwards_is_not_believed() {
    with_failures(
        "a_sync_that_fails_is_no_answer_and_what_the_cache_says_afterwards_is_not_believed",
        "inject=fsync,fdatasync:error=EIO:when=5+7",
        "the disk",
        &[Failed::Lost, Failed::Kept],
    );
}

#[test]
fn a_write_that_the_disk_refuses_is_no_answer() {
    with_failures(
        "a_write_that_the_disk_refuses_is_no_answer",
        "inject=pwrite64:error=EIO:when=61+211",
        "the disk",
        &[Failed::Lost],
    );
}

#[test]
fn a_disk_that_was_full_for_a_moment_is_tried_once_more() {
    let failures = ["-e", "inject=pwrite64:error=ENOSPC:when=61+211"];
    let Some(events) = events("a_disk_that_was_full_for_a_moment_is_tried_once_more", &failures) else { return };
    assert_eq!(said(&events, "acknowledged").len(), WRITES, "{:?}", said(&events, "refused"));
    let disks = cut_everywhere(&events, Failed::Lost);
    assert!(disks > 500, "{disks} disks");
}
