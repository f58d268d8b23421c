//! `cargo xtask soak`: for a given time a random load on both clouds, and then it must be as if nothing had been.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::command::Run;
use crate::machine::{self, Purpose};
use crate::openstack::{self, Missing, OpenStack};
use crate::screen::Screen;
use crate::workspace::Workspace;

/// The rig of this load.
const RIG: &str = "soak";
/// Minutes of load within the tests, on all clouds at the same time.
const TESTED: &str = "10";
/// The load of the tests is always the same.
const TESTED_SEED: &str = "2016";

/// What is asked for.
#[derive(Args)]
pub struct Load {
    /// How long the load is on, before everything is taken down and checked
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The same number gives the same load; a run says which one it had
    #[arg(long)]
    seed: Option<u64>,
    /// Which cloud has it
    #[arg(long, value_enum, default_value_t = Cloud::Both)]
    cloud: Cloud,
    /// Write the counts into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

/// Which clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cloud {
    /// The one that is built into Kuryr
    Embedded,
    /// A real one, started here
    Openstack,
    /// Both, side by side
    Both,
}

impl Cloud {
    fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Openstack => "openstack",
            Self::Both => "both",
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Embedded => "the embedded cloud",
            Self::Openstack => "OpenStack",
            Self::Both => "both clouds at the same time",
        }
    }
}

/// Build, and put the load on.
pub fn run(screen: &Screen, workspace: &Workspace, load: &Load) -> Result<()> {
    machine::prepare(screen, Purpose::Soak)?;
    let binaries = workspace.release(screen)?;
    let rig = match load.cloud {
        Cloud::Embedded => None,
        Cloud::Openstack | Cloud::Both => match OpenStack::start_named(screen, workspace, RIG, &[])? {
            Ok(rig) => Some(rig),
            Err(Missing(reason)) => bail!("{reason}; --cloud embedded needs none"),
        },
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let mut soak = Command::new(binaries.join("soak"));
    soak.env("KURYR_BIN", binaries.join("kuryr")).args(["--cloud", load.cloud.word()]);
    soak.args(["--minutes", &load.minutes.to_string(), "--seed", &load.seed.unwrap_or(now).to_string()]);
    soak.arg("--logs").arg(workspace.scratch()?);
    if let Some(rig) = &rig {
        soak.env(openstack::NAMED_BY, rig.name());
    }
    if load.write {
        soak.arg("--write").arg(workspace.root.join("docs/benchmarks.md"));
    }
    let status = soak.status().context("cannot run the soak program")?;
    ensure!(status.success(), "the load ended with {status}");
    Ok(())
}

/// The load of the tests, on a build that is there. The answer is what it says of itself.
pub fn test(screen: &Screen, workspace: &Workspace, rig: Option<&OpenStack<'_>>) -> Result<String> {
    let (cloud, clouds) = if rig.is_some() { (Cloud::Both, 2) } else { (Cloud::Embedded, 1) };
    let scratch = workspace.scratch()?;
    let title = format!("{TESTED} minutes of random load, seed {TESTED_SEED}, on {}", cloud.told());
    let again = || {
        let cloud = cloud.word();
        format!("the same load again: cargo xtask soak --minutes {TESTED} --seed {TESTED_SEED} --cloud {cloud}")
    };
    let told = screen.step(&title, |progress| {
        let mut run = Run::new(program(workspace))
            .args(["--minutes", TESTED, "--seed", TESTED_SEED, "--cloud", cloud.word()])
            .args([Path::new("--logs"), &scratch])
            .env("KURYR_BIN", workspace.target.join("debug/kuryr"))
            .log(scratch.join("soak.log"));
        if let Some(rig) = rig {
            run = run.env(openstack::NAMED_BY, rig.name());
        }
        let mut told = Vec::new();
        run.each_line(|line| {
            progress.note(line);
            if line.ends_with(", well") {
                told.push(line.to_owned());
            }
        })?;
        ensure!(told.len() == clouds, "the load said nothing of {clouds} clouds: {told:?}");
        Ok(told.join("; "))
    });
    told.with_context(again)
}

fn program(workspace: &Workspace) -> std::path::PathBuf {
    workspace.target.join("debug/soak")
}
