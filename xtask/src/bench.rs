//! `cargo xtask bench`: builds with optimisation, then hands over to the benchmark program.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use crate::command::Run;
use crate::machine::{self, Purpose};
use crate::screen::Screen;
use crate::workspace::{Workspace, cargo};

/// What is measured.
#[derive(Subcommand)]
pub enum Subject {
    /// Docker networks: connect, disconnect, throughput, the embedded API, memory, start
    Docker {
        /// Write the figures into docs/benchmarks.md
        #[arg(long)]
        write: bool,
    },
}

/// Build and measure.
pub fn run(screen: &Screen, workspace: &Workspace, subject: Subject) -> Result<()> {
    let Subject::Docker { write } = subject;
    machine::prepare(screen, Purpose::Bench)?;
    let log = workspace.scratch()?.join("bench-build.log");
    screen.step("build with optimisation", |progress| {
        Run::new(cargo())
            .args(["build", "--release", "-p", "kuryr", "-p", "kuryr-tests", "--bins"])
            .dir(&workspace.root)
            .log(log)
            .run(progress)
    })?;
    let binaries = workspace.target.join("release");
    let mut bench = Command::new(binaries.join("bench"));
    bench.env("KURYR_BIN", binaries.join("kuryr"));
    if write {
        bench.arg("--write").arg(workspace.root.join("docs/benchmarks.md"));
    }
    let status = bench.status().context("cannot run the benchmark program")?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}
