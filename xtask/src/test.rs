//! `cargo xtask test`: everything that must hold, from the format to containers on a real engine.

mod count;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::command::{Run, find, output};
use crate::machine::{self, Purpose};
use crate::openstack::{Missing, OpenStack};
use crate::screen::{Screen, seconds};
use crate::workspace::{Workspace, cargo};
use crate::{conformance, interrupt, licences, soak, tidy};
use count::Count;

/// Test programs that only a real OpenStack can answer; everywhere else they skip themselves.
const ON_OPENSTACK: &[&str] = &["--test", "openstack", "--test", "real_keystone"];
/// The one that makes many calls go wrong. It waits most of the time, and nobody else may ask that Neutron meanwhile.
const FAULTS_ON_OPENSTACK: &[&str] = &["--test", "openstack_faults"];

/// One phase of the run, as the summary tells it.
struct Phase {
    name: &'static str,
    time: Duration,
    failed: bool,
    told: String,
}

/// The run so far.
struct Suite<'a> {
    screen: &'a Screen,
    workspace: &'a Workspace,
    with_soak: bool,
    phases: Vec<Phase>,
    count: Count,
    /// What was left out, and why.
    left_out: Vec<(String, String)>,
}

/// What a run takes in beyond the tests that need nothing but this machine.
#[derive(Clone, Copy)]
pub struct Extent {
    /// A real OpenStack.
    pub openstack: bool,
    /// Random load at the end.
    pub soak: bool,
    /// Each call to the cloud goes wrong in each way. Otherwise in one, and all ways take turns.
    pub faults_in_full: bool,
}

/// Run all phases; those that can still say something run also after one failed.
pub fn run(screen: &Screen, workspace: &Workspace, filter: Option<&str>, extent: Extent) -> Result<()> {
    machine::prepare(screen, Purpose::Test)?;
    let client = machine::openstack_client(screen, workspace);
    let (count, left_out) = (Count::default(), Vec::new());
    let mut suite = Suite { screen, workspace, with_soak: extent.soak, phases: Vec::new(), count, left_out };
    if let Err(error) = &client {
        suite.leave_out("the public openstack command", format!("{error:#}"));
    }
    if filter.is_none() {
        suite.look()?;
    }
    let built = suite.phase("build", |suite| suite.cargo("build", &["build", "--workspace", "--all-targets"]))?;
    if built {
        let rig = if extent.openstack {
            suite.rig()?
        } else {
            suite.leave_out("a real OpenStack", "--no-openstack".to_owned());
            None
        };
        suite.everywhere(filter, extent.faults_in_full, client.ok().as_deref(), rig.as_ref())?;
        suite.openstack(filter, rig.as_ref())?;
    }
    suite.summary()
}

impl<'a> Suite<'a> {
    /// The phases that only look at the source.
    fn look(&mut self) -> Result<()> {
        self.phase("format", |suite| suite.cargo("format", &["fmt", "--all", "--check"]))?;
        self.phase("tidy", |suite| {
            suite.screen.step("tidy", |progress| tidy::check(suite.workspace, progress)).map(|()| String::new())
        })?;
        self.phase("licences", |suite| {
            let step = suite.screen.step("licences", |progress| licences::check(suite.workspace, progress));
            step.map(|()| String::new())
        })?;
        self.deny()?;
        self.phase("clippy", |suite| {
            suite.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
        })?;
        Ok(())
    }

    /// A real OpenStack, where this machine can have one.
    fn rig(&mut self) -> Result<Option<OpenStack<'a>>> {
        let (screen, workspace) = (self.screen, self.workspace);
        let mut rig = None;
        self.phase("openstack", |_| {
            rig = Some(OpenStack::start(screen, workspace)?);
            Ok(String::new())
        })?;
        match rig {
            Some(Ok(rig)) => return Ok(Some(rig)),
            Some(Err(Missing(reason))) => {
                self.phases.pop();
                self.leave_out("a real OpenStack", reason);
            }
            None => {}
        }
        Ok(None)
    }

    /// All tests of the workspace. Beside them faults and kills on a real OpenStack, which has nothing to do until then.
    fn everywhere(
        &mut self,
        filter: Option<&str>,
        in_full: bool,
        client: Option<&Path>,
        rig: Option<&OpenStack<'_>>,
    ) -> Result<()> {
        let prepared = |run: Run| if in_full { run.env("KURYR_FAULTS_IN_FULL", "1") } else { run };
        let mut run = prepared(Run::new(cargo()));
        if let Some(client) = client {
            run = run.env("KURYR_OPENSTACK_CLIENT", client);
        }
        let beside = match rig {
            Some(rig) => {
                // Of the whole workspace, or cargo would choose features anew and build anew.
                let mut words = vec!["test", "--workspace"];
                words.extend(FAULTS_ON_OPENSTACK);
                words.extend(filter);
                Some(self.tests("openstack-faults", prepared(rig.run(cargo())?), &words)?)
            }
            None => None,
        };
        std::thread::scope(|scope| {
            let beside = beside.map(|run| scope.spawn(|| counted(run, |_, _| {})));
            let mut words = vec!["test", "--workspace", "--no-fail-fast"];
            words.extend(filter);
            self.phase("tests", |suite| {
                let told = suite.run_tests("tests", run, &words)?;
                if suite.count.passed() == 0 && filter.is_none() {
                    bail!("no test ran");
                }
                Ok(told)
            })?;
            if let Some(beside) = beside {
                self.phase("faults", |suite| {
                    suite.screen.step("faults and kills on OpenStack, begun with the tests", |_| {
                        let (count, result) = beside.join().map_err(|_| anyhow!("their thread panicked"))?;
                        suite.add(count, result)
                    })
                })?;
            }
            Ok(())
        })
    }

    /// What else is asked of a real OpenStack, and beside it some minutes of random load, which waits most of the time.
    fn openstack(&mut self, filter: Option<&str>, rig: Option<&OpenStack<'_>>) -> Result<()> {
        let load = self.load(filter, rig.is_some())?;
        std::thread::scope(|scope| {
            let soak = load.as_ref().map(|load| (load.title(), scope.spawn(|| load.run())));
            if let Some(rig) = rig {
                self.on_openstack(filter, rig)?;
            }
            if let Some((title, soak)) = soak {
                self.phase("soak", |suite| {
                    suite.screen.step(&format!("{title}, begun with OpenStack's tests"), |_| {
                        soak.join().map_err(|_| anyhow!("its thread panicked"))?
                    })
                })?;
            }
            Ok(())
        })
    }

    fn on_openstack(&mut self, filter: Option<&str>, rig: &OpenStack<'_>) -> Result<()> {
        if filter.is_none() {
            self.phase("conformance", |suite| conformance::neutron(suite.screen, suite.workspace, rig, None, None))?;
        }
        let mut words = vec!["test", "--workspace", "--no-fail-fast"];
        words.extend(ON_OPENSTACK);
        words.extend(filter);
        self.phase("on openstack", |suite| suite.run_tests("openstack-tests", rig.run(cargo())?, &words)).map(drop)
    }

    /// The random load, where everything is tested.
    fn load(&mut self, filter: Option<&str>, on_openstack: bool) -> Result<Option<soak::Tested<'a>>> {
        if filter.is_some() {
            return Ok(None);
        }
        if !self.with_soak {
            self.leave_out("ten minutes of random load", "--no-soak".to_owned());
            return Ok(None);
        }
        let (screen, workspace, mut load) = (self.screen, self.workspace, None);
        self.phase("soak's cloud", |_| {
            load = Some(soak::Tested::prepare(screen, workspace, on_openstack)?);
            Ok(String::new())
        })?;
        Ok(load)
    }

    fn deny(&mut self) -> Result<()> {
        if find("cargo-deny").is_none() && output(cargo(), &["deny", "--version"]).is_err() {
            self.leave_out("cargo-deny", "not installed (licences were checked without it)".to_owned());
            self.leave_out("advisories", "they need cargo-deny and its database".to_owned());
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
            Err(_) => self.leave_out("advisories", "their database cannot be fetched here".to_owned()),
        }
        Ok(())
    }

    /// Run one phase and remember how it went, with a word for the summary; only a broken machine or an interruption ends
    /// the whole run.
    fn phase(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<String>) -> Result<bool> {
        let started = std::time::Instant::now();
        let result = work(self);
        interrupt::check()?;
        let failed = result.is_err();
        let told = match result {
            Ok(told) => told,
            Err(error) => {
                self.screen.say(format!("{error:#}"));
                String::new()
            }
        };
        self.phases.push(Phase { name, time: started.elapsed(), failed, told });
        Ok(!failed)
    }

    fn leave_out(&mut self, what: &str, reason: String) {
        self.left_out.push((what.to_owned(), reason));
    }

    fn cargo(&self, name: &str, args: &[&str]) -> Result<String> {
        let log = self.workspace.scratch()?.join(format!("{name}.log"));
        self.screen.step(&format!("cargo {}", args.join(" ")), |progress| {
            Run::new(cargo()).args(args).dir(&self.workspace.root).log(log).run(progress)
        })?;
        Ok(String::new())
    }

    /// A `cargo test` of some kind, ready to run.
    fn tests(&self, name: &str, run: Run, words: &[&str]) -> Result<Run> {
        let log = self.workspace.scratch()?.join(format!("{name}.log"));
        // What tests print that hold is read for the reasons of those that did not run.
        let run = run.args(words).args(["--", "--show-output"]).dir(&self.workspace.root).log(log);
        let run = run.env("KURYR_BIN", self.workspace.target.join("debug/kuryr"));
        // An error tells what was wrong; the stack below it would bury that.
        Ok(run.env("RUST_BACKTRACE", "0"))
    }

    /// The same, run and counted.
    fn run_tests(&mut self, name: &str, run: Run, words: &[&str]) -> Result<String> {
        let run = self.tests(name, run, words)?;
        let mut count = Count::default();
        let result = self.screen.step(&format!("cargo {}", words.join(" ")), |progress| {
            let (counts, result) = counted(run, |line, stays| match stays {
                true => progress.line(&format!("    {line}")),
                false => progress.note(line),
            });
            count = counts;
            result
        });
        self.add(count, result)
    }

    /// What came of a `cargo test`, for the summary.
    fn add(&mut self, count: Count, result: Result<()>) -> Result<String> {
        let told = count.told();
        self.count.add(count);
        result.map(|()| told)
    }

    fn summary(self) -> Result<()> {
        self.screen.say("");
        for phase in &self.phases {
            let mark = if phase.failed { '✗' } else { '✓' };
            let line = format!("{mark} {:<12}{:>14}   {}", phase.name, seconds(phase.time), phase.told);
            self.screen.say(line.trim_end());
        }
        if !self.count.failures.is_empty() {
            self.screen.say("\nfailed:");
            for failure in &self.count.failures {
                self.screen.say(format!("  {}", failure.test));
                failure.reason.iter().for_each(|line| self.screen.say(format!("      {line}")));
            }
        }
        if !self.count.tried.is_empty() {
            self.screen.say("\ntried:");
            self.count.tried.iter().for_each(|tried| self.screen.say(format!("  {tried}")));
        }
        // A reason once, with all that it concerns.
        let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (what, reason) in &self.left_out {
            skipped.entry(reason).or_default().push(what);
        }
        for skip in &self.count.skips {
            skipped.entry(&skip.reason).or_default().push(&skip.test);
        }
        if !skipped.is_empty() {
            self.screen.say("\nskipped:");
        }
        for (reason, what) in skipped {
            self.screen.say(format!("  {reason}"));
            what.iter().for_each(|what| self.screen.say(format!("      {what}")));
        }
        // A phase that ran tests failed by them.
        let tested = ["tests", "faults", "on openstack"];
        let phases = self.phases.iter().filter(|phase| phase.failed && !tested.contains(&phase.name)).count();
        let failed = self.count.failed + phases;
        self.screen.say(format!(
            "\n{} passed, {failed} failed, {} skipped, in {}",
            self.count.passed(),
            self.count.skipped() + self.left_out.len(),
            seconds(self.screen.elapsed())
        ));
        if failed > 0 || self.phases.iter().any(|phase| phase.failed) {
            std::process::exit(1);
        }
        Ok(())
    }
}

/// Runs a `cargo test` and counts. `see` is given each line, and whether it is worth staying on the screen.
fn counted(run: Run, mut see: impl FnMut(&str, bool)) -> (Count, Result<()>) {
    let mut count = Count::default();
    let result = run.each_line(|line| see(line, count.see(line)));
    if result.is_err() && count.failed == 0 {
        // A test program that crashed prints no result; it counts as one failure.
        count.failed = 1;
    }
    (count, result)
}
