//! A real OpenStack for tests, where this machine can run one: `rig/openstack`, with a name of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::machine::{self, Purpose};
use crate::screen::{Progress, Screen};
use crate::workspace::{Workspace, cargo};

/// Several rigs can run side by side; this one belongs to the tests.
const TESTS: &str = "xtask";

/// `cargo xtask conformance`.
pub fn run(screen: &Screen, workspace: &Workspace) -> Result<()> {
    machine::prepare(screen, Purpose::Demo)?;
    screen.step("cargo build -p kuryr-conformance", |progress| {
        Run::new(cargo()).args(["build", "-p", "kuryr-conformance"]).dir(&workspace.root).run(progress)
    })?;
    match OpenStack::start(screen, workspace)? {
        Ok(rig) => {
            let answers = rig.conformance();
            rig.tests().and(answers)
        }
        Err(Missing(reason)) => bail!("{reason}"),
    }
}

/// A running OpenStack; dropped, it is taken down.
pub struct OpenStack<'a> {
    screen: &'a Screen,
    workspace: &'a Workspace,
    name: &'static str,
}

/// Why there is none here.
pub struct Missing(pub String);

impl<'a> OpenStack<'a> {
    /// Start the one of the tests. The inner error says why this machine cannot have one; the outer that one should
    /// have started.
    pub fn start(screen: &'a Screen, workspace: &'a Workspace) -> Result<Result<Self, Missing>> {
        Self::start_named(screen, workspace, TESTS)
    }

    /// The same with a name of its own.
    pub fn start_named(
        screen: &'a Screen,
        workspace: &'a Workspace,
        name: &'static str,
    ) -> Result<Result<Self, Missing>> {
        if !machine::is_debian_12() {
            return Ok(Err(Missing("openstack: its packages are Debian 12's, and this is another system".to_owned())));
        }
        let rig = Self { screen, workspace, name };
        let fetched = screen.step("packages of OpenStack", |progress| rig.tool("up", &["--install-only"], progress));
        if let Err(error) = fetched {
            let reason = error.root_cause().to_string();
            let last = reason.lines().rfind(|line| line.contains("  | ")).unwrap_or(&reason).trim().to_owned();
            return Ok(Err(Missing(format!("openstack: its packages cannot be fetched here ({last})"))));
        }
        screen.step("start of OpenStack", |progress| rig.tool("up", &[], progress))?;
        Ok(Ok(rig))
    }

    /// Ask it everything that the embedded cloud is asked too.
    pub fn conformance(&self) -> Result<()> {
        let program = self.workspace.target.join("debug/kuryr-conformance");
        let program = program.to_str().context("the target folder's path is not UTF-8")?;
        let log = self.workspace.scratch()?.join("conformance.log");
        let words = [program, "--cloud", "rig-admin", "--other", "rig-demo"];
        self.screen.step("conformance of Neutron", |progress| {
            let mut summary = String::new();
            let result =
                Run::new(self.path("run")).args(words).env("KURYR_RIG", self.name).log(log).each_line(|line| {
                    match line.get(..4) {
                        Some("pass") => progress.note(line),
                        _ => progress.line(&format!("    {line}")),
                    }
                    summary = line.to_owned();
                });
            if result.is_ok() && !summary.contains(" passed") {
                bail!("the suite said nothing: {summary}");
            }
            result
        })
    }

    /// A command inside: in its network namespace, with its administrator's variables and its programs.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(self.path("run"));
        command.arg(program).env("KURYR_RIG", self.name);
        command
    }

    /// The tests that only a real OpenStack can answer; everywhere else they skip themselves.
    pub fn tests(&self) -> Result<()> {
        let log = self.workspace.scratch()?.join("openstack-tests.log");
        // Of the whole workspace, or cargo would choose features anew and build anew.
        let words = ["test", "--workspace", "--no-fail-fast", "--test", "real_keystone", "--test", "openstack"];
        self.screen.step("tests on OpenStack", |progress| {
            Run::new(self.path("run"))
                .args([cargo().as_str()])
                .args(words)
                .args(["--", "--show-output"])
                .dir(&self.workspace.root)
                .env("KURYR_RIG", self.name)
                .env("KURYR_BIN", self.workspace.target.join("debug/kuryr"))
                .log(log)
                .each_line(|line| match line.contains("skipped: ") {
                    true => progress.line(&format!("    {line}")),
                    false => progress.note(line),
                })
        })
    }

    fn tool(&self, name: &str, words: &[&str], progress: &Progress) -> Result<()> {
        let log = self.workspace.scratch()?.join(format!("openstack-{name}.log"));
        Run::new(self.path(name)).args(words).env("KURYR_RIG", self.name).log(log).run(progress)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workspace.root.join("rig/openstack").join(name)
    }
}

impl Drop for OpenStack<'_> {
    fn drop(&mut self) {
        let stopped = self.screen.step("stop of OpenStack", |progress| self.tool("down", &[], progress));
        if let Err(error) = stopped {
            self.screen.say(format!("{error:#}"));
        }
    }
}
