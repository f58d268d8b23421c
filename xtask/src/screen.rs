//! What the person sees: each step by name, progress while it runs, its time when it is done, the reason when it fails.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// On plain output a sign of life is printed this often.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where steps are told.
pub struct Screen {
    terminal: bool,
    started: Instant,
}

impl Screen {
    /// A screen on the standard output; spinners only on a terminal.
    pub fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), started: Instant::now() }
    }

    /// One line that belongs to no step.
    pub fn say(&self, text: impl AsRef<str>) {
        anstream::println!("{}", text.as_ref());
    }

    /// Time since the command began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Run one named step; its failure carries the step's name.
    pub fn step<T>(&self, name: &str, work: impl FnOnce(&Progress) -> Result<T>) -> Result<T> {
        let progress = Progress::start(name, self.terminal);
        let result = work(&progress);
        let took = seconds(progress.started.elapsed());
        progress.bar.finish_and_clear();
        match result {
            Ok(value) => {
                self.say(format!("  ✓ {name}  {took}"));
                Ok(value)
            }
            Err(error) => {
                self.say(format!("  ✗ {name}  {took}"));
                Err(error).with_context(|| format!("step \"{name}\" failed"))
            }
        }
    }
}

/// A running step.
pub struct Progress {
    bar: ProgressBar,
    name: String,
    terminal: bool,
    started: Instant,
    told: Cell<Instant>,
}

impl Progress {
    fn start(name: &str, terminal: bool) -> Self {
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if terminal {
            bar.set_style(
                ProgressStyle::with_template("  {spinner} {prefix}  {elapsed}  {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
        } else {
            anstream::println!("  … {name}");
        }
        Self { bar, name: name.to_owned(), terminal, started: Instant::now(), told: Cell::new(Instant::now()) }
    }

    /// What the step is doing now; on plain output only now and then.
    pub fn note(&self, text: &str) {
        if self.terminal {
            self.bar.set_message(text.trim().to_owned());
        } else if self.told.get().elapsed() >= HEARTBEAT {
            self.told.set(Instant::now());
            anstream::println!("    {} {}: {}", self.name, seconds(self.started.elapsed()), text.trim());
        }
    }

    /// A line that stays on the screen.
    pub fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            self.told.set(Instant::now());
            anstream::println!("{text}");
        }
    }
}

/// A duration as people read it.
pub fn seconds(time: Duration) -> String {
    let total = time.as_secs_f64();
    if total >= 60.0 {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    } else {
        format!("{total:.1} s")
    }
}
