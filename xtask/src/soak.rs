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

/// The load of the tests, on a build that is there. Its Kuryr takes what no engine has for its own, so it has a cloud for
/// itself, and anything may be tested beside it.
pub struct Tested<'a> {
    workspace: &'a Workspace,
    rig: Option<OpenStack<'a>>,
}

impl<'a> Tested<'a> {
    /// On the embedded cloud, and on a real one if there is one. It may begin.
    pub fn prepare(screen: &'a Screen, workspace: &'a Workspace, on_openstack: bool) -> Result<Self> {
        let rig = if on_openstack { OpenStack::start_named(screen, workspace, RIG, &[])?.ok() } else { None };
        Ok(Self { workspace, rig })
    }

    /// What it is, in words.
    pub fn title(&self) -> String {
        format!("{TESTED} minutes of random load, seed {TESTED_SEED}, on {}", self.cloud().told())
    }

    /// Put the load on. The answer is what it says of itself.
    pub fn run(&self) -> Result<String> {
        let (cloud, scratch) = (self.cloud(), self.workspace.scratch()?);
        let mut run = Run::new(self.workspace.target.join("debug/soak"))
            .args(["--minutes", TESTED, "--seed", TESTED_SEED, "--cloud", cloud.word()])
            .args([Path::new("--logs"), &scratch])
            .env("KURYR_BIN", self.workspace.target.join("debug/kuryr"))
            .log(scratch.join("soak.log"));
        if let Some(rig) = &self.rig {
            run = run.env(openstack::NAMED_BY, rig.name());
        }
        let mut told = Vec::new();
        let result = run.each_line(|line| {
            if line.ends_with(", well") {
                told.push(line.to_owned());
            }
        });
        let clouds = if self.rig.is_some() { 2 } else { 1 };
        let all_told = || {
            ensure!(told.len() == clouds, "the load said nothing of {clouds} clouds: {told:?}");
            Ok(told.join("; "))
        };
        result.and_then(|()| all_told()).with_context(|| {
            let cloud = cloud.word();
            format!("the same load again: cargo xtask soak --minutes {TESTED} --seed {TESTED_SEED} --cloud {cloud}")
        })
    }

    fn cloud(&self) -> Cloud {
        if self.rig.is_some() { Cloud::Both } else { Cloud::Embedded }
    }
}
