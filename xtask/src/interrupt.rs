//! Ctrl-C and its like: what runs is ended, nothing new begins, and what was started is taken down on the way out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell says of a command that was interrupted.
pub const EXIT_CODE: u8 = 130;
/// How long a command may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Groups of the commands that run now.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
static WATCHING: Once = Once::new();

/// From now on a signal ends the commands that run instead of this process. A second one ends this process too.
pub fn watch() -> Result<()> {
    let mut outcome = Ok(());
    WATCHING.call_once(|| {
        outcome = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals").map(|mut signals| {
            thread::spawn(move || signals.forever().for_each(|_| interrupt()));
        });
    });
    outcome
}

/// Whether a signal has come.
pub fn happened() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error once a signal has come.
pub fn check() -> Result<()> {
    if happened() {
        bail!("interrupted");
    }
    Ok(())
}

fn interrupt() {
    if INTERRUPTED.swap(true, Ordering::SeqCst) {
        signal_all(Signal::KILL);
        std::process::exit(EXIT_CODE.into());
    }
    anstream::eprintln!("\ninterrupted: what was started is taken down now; once more, and it is left");
    signal_all(Signal::TERM);
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        signal_all(Signal::KILL);
    });
}

fn signal_all(signal: Signal) {
    for group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(group) = Pid::from_raw(*group) {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// A command that leads a group of its own; while this lives, a signal to us ends the whole group.
pub struct Running(i32);

impl Running {
    /// The group of this child.
    pub fn register(pid: u32) -> Self {
        let group = i32::try_from(pid).unwrap_or(0);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        if happened() {
            // The signal came before it was known.
            signal_all(Signal::TERM);
        }
        Self(group)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
