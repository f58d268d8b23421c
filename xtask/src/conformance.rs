//! `cargo xtask conformance`: one suite, a real Neutron and the embedded cloud, and every difference of their answers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::interrupt;
use crate::machine::{self, Purpose};
use crate::openstack::{Missing, OpenStack};
use crate::screen::Screen;
use crate::workspace::{Workspace, cargo};

/// Ask both.
pub fn run(screen: &Screen, workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    machine::prepare(screen, Purpose::Conformance)?;
    let log = workspace.scratch()?.join("conformance-build.log");
    screen.step("cargo build", |progress| {
        // Of the whole workspace, as all that is built here, or cargo would choose features anew and build anew.
        let words = ["build", "--workspace", "--bins", "--test", "embedded"];
        Run::new(cargo()).args(words).dir(&workspace.root).log(log).run(progress)
    })?;
    let transcripts = workspace.scratch()?.join("conformance");
    if transcripts.exists() {
        fs::remove_dir_all(&transcripts).with_context(|| format!("cannot remove {}", transcripts.display()))?;
    }
    let (neutrons, embeddeds) = (transcripts.join("neutron"), transcripts.join("embedded"));
    let embedded = embedded(screen, workspace, filter, &embeddeds);
    interrupt::check()?;
    if let Err(error) = &embedded {
        screen.say(format!("{error:#}"));
    }
    let neutron = match OpenStack::start(screen, workspace)? {
        Ok(rig) => self::neutron(screen, workspace, &rig, filter, Some(&neutrons)).map(drop),
        Err(Missing(reason)) => bail!("no OpenStack here: {reason}"),
    };
    if let Err(error) = &neutron {
        screen.say(format!("{error:#}"));
    }
    compare(screen, workspace, &neutrons, &embeddeds)?;
    neutron.and(embedded)
}

/// Ask a real Neutron; its last line.
pub fn neutron(
    screen: &Screen,
    workspace: &Workspace,
    rig: &OpenStack<'_>,
    filter: Option<&str>,
    transcripts: Option<&Path>,
) -> Result<String> {
    let log = workspace.scratch()?.join("conformance.log");
    screen.step("conformance of Neutron", |progress| {
        let mut run = rig.run(program(workspace))?.args(["--cloud", "rig-admin", "--other", "rig-demo"]).log(log);
        if let Some(filter) = filter {
            run = run.args(["--filter", filter]);
        }
        if let Some(folder) = transcripts {
            run = run.args([Path::new("--transcripts"), folder]);
        }
        let mut summary = String::new();
        let result = run.each_line(|line| {
            match line.get(..4) {
                Some("FAIL" | "  - ") => progress.line(&format!("    {line}")),
                _ => progress.note(line),
            }
            line.clone_into(&mut summary);
        });
        if result.is_ok() && !summary.contains(" passed") {
            bail!("the suite said nothing: {summary}");
        }
        result.map(|()| summary)
    })
}

/// Ask the embedded cloud: a whole Kuryr with its data plane, on a private machine.
fn embedded(screen: &Screen, workspace: &Workspace, filter: Option<&str>, transcripts: &Path) -> Result<()> {
    let log = workspace.scratch()?.join("conformance-embedded.log");
    screen.step("conformance of the embedded cloud", |progress| {
        let mut run = Run::new(cargo())
            .args(["test", "--workspace", "--test", "embedded", "--", "--nocapture"])
            .env("KURYR_BIN", workspace.target.join("debug/kuryr"))
            .env("KURYR_CONFORMANCE_TRANSCRIPTS", transcripts)
            .dir(&workspace.root)
            .log(log);
        if let Some(filter) = filter {
            run = run.env("KURYR_CONFORMANCE_FILTER", filter);
        }
        run.run(progress)
    })
}

/// Show what differs in what they said.
fn compare(screen: &Screen, workspace: &Workspace, neutron: &Path, embedded: &Path) -> Result<()> {
    let words = [Path::new("--compare"), neutron, embedded];
    let told = screen.step("comparison", |progress| {
        let mut told = Vec::new();
        Run::new(program(workspace)).args(words).each_line(|line| {
            progress.note(line);
            told.push(line.to_owned());
        })?;
        Ok(told)
    })?;
    told.iter().for_each(|line| screen.say(line));
    Ok(())
}

fn program(workspace: &Workspace) -> PathBuf {
    workspace.target.join("debug/kuryr-conformance")
}
