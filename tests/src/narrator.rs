//! Tells what happens: chapters, the commands a person would type, steps with their time, and what was seen.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// The voice of the demo and of the benchmarks.
pub struct Narrator {
    terminal: bool,
    started: Instant,
    /// Files whose last lines explain a failure.
    logs: RefCell<Vec<std::path::PathBuf>>,
}

impl Narrator {
    /// Spinners on a terminal, plain lines elsewhere.
    pub fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), started: Instant::now(), logs: RefCell::default() }
    }

    /// A failure will show the end of this file.
    pub fn explain_with(&self, log: &std::path::Path) {
        self.logs.borrow_mut().push(log.to_owned());
    }

    /// Begin a chapter.
    pub fn chapter(&self, text: &str) {
        anstream::println!("\n{text}");
    }

    /// A command that is run in the following step, as a person would type it.
    pub fn command(&self, text: &str) {
        anstream::println!("    $ {text}");
    }

    /// Something that was seen.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            anstream::println!("      {line}");
        }
    }

    /// One step; its failure carries its name.
    pub fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let bar = if self.terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if self.terminal {
            let style = ProgressStyle::with_template("    {spinner} {msg}  {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_message(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let result = work();
        bar.finish_and_clear();
        let took = format!("{:.2} s", started.elapsed().as_secs_f64());
        match result {
            Ok(value) => {
                anstream::println!("    ✓ {name}  ({took})");
                Ok(value)
            }
            Err(error) => {
                anstream::println!("    ✗ {name}  ({took})");
                Err(error).with_context(|| format!("the step \"{name}\" failed"))
            }
        }
    }

    /// The end.
    pub fn end(&self, text: &str) {
        anstream::println!("\n{text}  ({:.1} s)", self.started.elapsed().as_secs_f64());
    }

    /// Why it ended early, with the last lines of the logs.
    pub fn failure(&self, error: &anyhow::Error) {
        anstream::eprintln!("\nIt failed: {error:#}");
        for log in self.logs.borrow().iter() {
            let Ok(text) = std::fs::read_to_string(log) else { continue };
            anstream::eprintln!("\nLast lines of {}:", log.display());
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(15)..] {
                anstream::eprintln!("    | {line}");
            }
        }
    }
}
