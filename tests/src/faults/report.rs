//! What was tried, and what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::case::{Outcome, Wrong};
use super::operation::Operation;

/// Written by all machines at once.
#[derive(Default)]
pub struct Report(Mutex<Told>);

/// The report so far.
#[derive(Debug, Default)]
pub struct Told {
    pub faults: usize,
    pub kills: usize,
    /// How long it took until everything was in step, once for each.
    pub in_step: Vec<Duration>,
    /// Cases for which there was no time.
    pub untried: usize,
    /// Calls that did not come again.
    pub missed: Vec<String>,
    pub left: Vec<String>,
}

impl Report {
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One case is over.
    pub fn tried(&self, operation: Operation, wrong: &Wrong, tried: &anyhow::Result<Outcome>, took: Duration) {
        let title = format!("{operation}: {wrong}");
        let came = match tried {
            Ok(Outcome { came: true, in_step }) => format!("well, in step after {:.1} s", in_step.as_secs_f64()),
            Ok(Outcome { came: false, .. }) => "did not come".to_owned(),
            Err(_) => "LEFT OVER".to_owned(),
        };
        println!("{:5.1} s  {title}: {came}", took.as_secs_f64());
        let mut told = self.told();
        match tried {
            Ok(Outcome { came: true, in_step }) => {
                told.in_step.push(*in_step);
                *(if wrong.is_kill() { &mut told.kills } else { &mut told.faults }) += 1;
            }
            Ok(_) => told.missed.push(title),
            Err(_) => {}
        }
    }

    /// Something is left over; `log` is what Kuryr said last.
    pub fn left(&self, title: &str, error: &anyhow::Error, log: &str) {
        println!("LEFT OVER: {title}: {error:#}\n{log}\n");
        self.told().left.push(format!("{title}: {error:#}"));
    }
}

impl Told {
    /// How long it took until everything was in step.
    pub fn in_step_after(&self) -> String {
        let mut all = self.in_step.clone();
        all.sort_unstable();
        let at = |index: usize| all.get(index).map_or(0.0, Duration::as_secs_f64);
        format!("{:.1} s (half of them) to {:.1} s", at(all.len() / 2), at(all.len().saturating_sub(1)))
    }
}
