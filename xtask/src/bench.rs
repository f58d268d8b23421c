//! `cargo xtask bench`: builds with optimisation, then hands over to the benchmark program.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;

use crate::machine::{self, Purpose};
use crate::openstack::{Missing, OpenStack};
use crate::screen::Screen;
use crate::workspace::Workspace;

/// What is measured.
#[derive(Subcommand)]
pub enum Subject {
    /// Docker networks: connect, disconnect, throughput, the embedded API, memory, start
    Docker {
        /// Write the figures into docs/benchmarks.md
        #[arg(long)]
        write: bool,
    },
    /// The Docker plugin on a real OpenStack, against the Python original on the same one
    Openstack {
        /// Write the figures into docs/benchmarks.md
        #[arg(long)]
        write: bool,
    },
}

/// The rig of this benchmark.
const RIG: &str = "bench";
/// What the rig has otherwise than clouds, for its tests, and what a benchmark would measure with it: its services ask
/// Keystone about the same token every 5 s.
const AS_SHIPPED: &[(&str, &str)] = &[("KURYR_RIG_TOKEN_CACHE", "300")];

/// Build and measure.
pub fn run(screen: &Screen, workspace: &Workspace, subject: Subject) -> Result<()> {
    machine::prepare(screen, Purpose::Bench)?;
    let binaries = workspace.release(screen)?;
    let program = binaries.join("bench");
    match subject {
        Subject::Docker { write } => measure(workspace, Command::new(program), write),
        Subject::Openstack { write } => {
            let original = machine::original(screen, workspace)?;
            let rig = match OpenStack::start_named(screen, workspace, RIG, AS_SHIPPED)? {
                Ok(rig) => rig,
                Err(Missing(reason)) => bail!("{reason}"),
            };
            let mut bench = rig.command(&program);
            bench.arg("openstack").arg(original);
            measure(workspace, bench, write)
        }
    }
}

fn measure(workspace: &Workspace, mut bench: Command, write: bool) -> Result<()> {
    bench.env("KURYR_BIN", workspace.target.join("release/kuryr"));
    if write {
        bench.arg("--write").arg(workspace.root.join("docs/benchmarks.md"));
    }
    let status = bench.status().context("cannot run the benchmark program")?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}
