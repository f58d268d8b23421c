//! `cargo xtask test`: everything that must hold, from the format to containers on a real engine.

mod count;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::command::{Run, find, output};
use crate::machine::{self, Purpose};
use crate::openstack::{Missing, OpenStack};
use crate::screen::{Screen, seconds};
use crate::workspace::{Workspace, cargo};
use crate::{licences, tidy};
use count::Count;

/// One phase of the run, as the summary tells it.
struct Phase {
    name: &'static str,
    time: Duration,
    failed: bool,
}

/// The run so far.
struct Suite<'a> {
    screen: &'a Screen,
    workspace: &'a Workspace,
    phases: Vec<Phase>,
    skipped: Vec<String>,
}

/// Run all phases; those that can still say something run also after one failed.
pub fn run(screen: &Screen, workspace: &Workspace, filter: Option<&str>, openstack: bool) -> Result<()> {
    machine::prepare(screen, Purpose::Test)?;
    let client = machine::openstack_client(screen, workspace);
    let mut suite = Suite { screen, workspace, phases: Vec::new(), skipped: Vec::new() };
    if let Err(error) = &client {
        suite.skipped.push(format!("openstack command line: {error:#}"));
    }
    if filter.is_none() {
        suite.look()?;
    }
    let built = suite.phase("build", |suite| suite.cargo("build", &["build", "--workspace", "--all-targets"]))?;
    let mut count = Count::default();
    if built {
        let counted = &mut count;
        let client = client.ok();
        suite.phase("tests", |suite| suite.tests(filter, client.as_deref(), counted))?;
    }
    if built && openstack {
        suite.openstack()?;
    } else {
        suite
            .skipped
            .push("real OpenStack: not asked for; `--openstack` or `cargo xtask conformance` starts one".to_owned());
    }
    suite.summary(&count)
}

impl Suite<'_> {
    /// The phases that only look at the source.
    fn look(&mut self) -> Result<()> {
        self.phase("format", |suite| suite.cargo("format", &["fmt", "--all", "--check"]))?;
        self.phase("tidy", |suite| suite.screen.step("tidy", |progress| tidy::check(suite.workspace, progress)))?;
        self.phase("licences", |suite| {
            suite.screen.step("licences", |progress| licences::check(suite.workspace, progress))
        })?;
        self.deny()?;
        self.phase("clippy", |suite| {
            suite.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
        })?;
        Ok(())
    }

    /// What is asked of a real OpenStack.
    fn openstack(&mut self) -> Result<()> {
        let mut missing = None;
        self.phase("openstack", |suite| match OpenStack::start(suite.screen, suite.workspace)? {
            Ok(rig) => {
                let answers = rig.conformance();
                rig.tests().and(answers)
            }
            Err(Missing(reason)) => {
                missing = Some(reason);
                Ok(())
            }
        })?;
        self.skipped.extend(missing);
        Ok(())
    }

    fn deny(&mut self) -> Result<()> {
        if find("cargo-deny").is_none() && output(cargo(), &["deny", "--version"]).is_err() {
            self.skipped.push("cargo-deny: not installed (licences were checked without it)".to_owned());
            self.skipped.push("advisories: they need cargo-deny and its database".to_owned());
            return Ok(());
        }
        self.phase("cargo-deny", |suite| {
            suite.cargo("cargo-deny", &["deny", "--offline", "check", "licenses", "bans", "sources"])
        })?;
        let fetched = output(cargo(), &["deny", "fetch", "db"]);
        match fetched {
            Ok(_) => drop(self.phase("advisories", |suite| {
                suite.cargo("advisories", &["deny", "--offline", "check", "advisories"])
            })?),
            Err(_) => self.skipped.push("advisories: their database cannot be fetched here".to_owned()),
        }
        Ok(())
    }

    /// Run one phase and remember how it went; only a broken machine ends the whole run.
    fn phase(&mut self, name: &'static str, work: impl FnOnce(&Self) -> Result<()>) -> Result<bool> {
        let started = std::time::Instant::now();
        let result = work(self);
        self.phases.push(Phase { name, time: started.elapsed(), failed: result.is_err() });
        if let Err(error) = &result {
            self.screen.say(format!("{error:#}"));
        }
        Ok(result.is_ok())
    }

    fn cargo(&self, name: &str, args: &[&str]) -> Result<()> {
        let log = self.workspace.scratch()?.join(format!("{name}.log"));
        self.screen.step(&format!("cargo {}", args.join(" ")), |progress| {
            Run::new(cargo()).args(args).dir(&self.workspace.root).log(log).run(progress)
        })
    }

    fn tests(&self, filter: Option<&str>, client: Option<&std::path::Path>, count: &mut Count) -> Result<()> {
        let mut args = vec!["test", "--workspace", "--no-fail-fast"];
        args.extend(filter);
        // What tests print that hold is read for the reasons of those that did not run.
        args.extend(["--", "--show-output"]);
        let log = self.workspace.scratch()?.join("tests.log");
        let mut run = Run::new(cargo())
            .args(&args)
            .dir(&self.workspace.root)
            .log(log)
            .env("KURYR_BIN", self.workspace.target.join("debug/kuryr"));
        if let Some(client) = client {
            run = run.env("KURYR_OPENSTACK_CLIENT", client);
        }
        let result = self.screen.step(&format!("cargo {}", args.join(" ")), |progress| {
            run.each_line(|line| {
                if count.see(line) {
                    progress.line(&format!("    {line}"));
                } else {
                    progress.note(line);
                }
            })
        });
        if result.is_err() && count.failed == 0 {
            // A test program that crashed prints no result; it counts as one failure.
            count.failed = 1;
        }
        if result.is_ok() && count.passed() == 0 && filter.is_none() {
            bail!("no test ran");
        }
        result
    }

    fn summary(self, count: &Count) -> Result<()> {
        self.screen.say("");
        for phase in &self.phases {
            let mark = if phase.failed { '✗' } else { '✓' };
            self.screen.say(format!("{mark} {:<12}{:>12}", phase.name, seconds(phase.time)));
        }
        for name in &count.failures {
            self.screen.say(format!("failed:  {name}"));
        }
        for reason in self.skipped.iter().chain(&count.skips) {
            self.screen.say(format!("skipped: {reason}"));
        }
        let phases = self.phases.iter().filter(|phase| phase.failed && phase.name != "tests").count();
        self.screen.say(format!("in {}", seconds(self.screen.elapsed())));
        let failed = count.failed + phases;
        self.screen.say(format!(
            "{} passed, {failed} failed, {} skipped",
            count.passed(),
            count.skipped() + self.skipped.len()
        ));
        if failed > 0 || self.phases.iter().any(|phase| phase.failed) {
            std::process::exit(1);
        }
        Ok(())
    }
}
