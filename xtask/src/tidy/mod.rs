//! Rules of the house that no compiler checks: arrows between rooms, shape of files, words that must not appear.

mod code;
mod rooms;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::screen::{Progress, Screen};
use crate::workspace::Workspace;

/// One broken rule.
pub struct Finding {
    /// File, from the root.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// What a look at the tree brought.
#[derive(Default)]
pub struct Report {
    /// These fail.
    pub errors: Vec<Finding>,
    /// These are only shown.
    pub warnings: Vec<Finding>,
}

impl Report {
    fn error(&mut self, file: &Path, line: usize, message: impl Into<String>) {
        self.errors.push(Finding { file: file.to_owned(), line, message: message.into() });
    }

    fn warn(&mut self, file: &Path, line: usize, message: impl Into<String>) {
        self.warnings.push(Finding { file: file.to_owned(), line, message: message.into() });
    }
}

/// Check everything; findings go to the screen.
pub fn check(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let mut report = Report::default();
    rooms::check(workspace, &mut report)?;
    sources::check(workspace, &mut report)?;
    for warning in &report.warnings {
        progress.line(&format!("    {warning} (warning)"));
    }
    for error in &report.errors {
        progress.line(&format!("    {error}"));
    }
    if !report.errors.is_empty() {
        bail!("{} rules broken, listed above as file:line: message", report.errors.len());
    }
    Ok(())
}

/// `cargo xtask tidy`.
pub fn run(screen: &Screen, workspace: &Workspace) -> Result<()> {
    screen.step("tidy", |progress| check(workspace, progress))
}
