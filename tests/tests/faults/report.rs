//! What was tried, and what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::case::Wrong;
use crate::operation::Operation;

/// Written by all machines at once.
#[derive(Default)]
pub struct Report(Mutex<Told>);

/// The report so far.
#[derive(Debug, Default)]
pub struct Told {
    pub faults: usize,
    pub kills: usize,
    /// Calls that did not come again.
    pub missed: Vec<String>,
    pub left: Vec<String>,
}

impl Report {
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One case is over. Inside: whether the call came.
    pub fn tried(&self, operation: Operation, wrong: &Wrong, tried: &anyhow::Result<bool>, took: Duration) {
        let title = format!("{operation}: {wrong}");
        let came = match tried {
            Ok(true) => "well",
            Ok(false) => "did not come",
            Err(_) => "LEFT OVER",
        };
        println!("{:5.1} s  {title}: {came}", took.as_secs_f64());
        let mut told = self.told();
        match tried {
            Ok(true) if wrong.is_kill() => told.kills += 1,
            Ok(true) => told.faults += 1,
            Ok(false) => told.missed.push(title),
            Err(_) => {}
        }
    }

    /// Something is left over; `log` is what Kuryr said last.
    pub fn left(&self, title: &str, error: &anyhow::Error, log: &str) {
        println!("LEFT OVER: {title}: {error:#}\n{log}\n");
        self.told().left.push(format!("{title}: {error:#}"));
    }
}
