//! A real OpenStack, where this machine can run one: `rig/openstack`, under a name that this run alone uses.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::machine;
use crate::screen::{Progress, Screen};
use crate::workspace::Workspace;

/// The variable that tells a program which one is there.
pub const NAMED_BY: &str = "KURYR_OPENSTACK_RIG";
/// Begins the names of the rigs that tests use.
const TESTS: &str = "xtask";
/// Where rigs keep their state.
const RUN: &str = "/run/kuryr-rig";
/// How many runs of one kind there may be at once on a machine.
const NAMES: usize = 9;
/// Memory that must be free, in kB.
const MEMORY: u64 = 2_000_000;

/// A running OpenStack; dropped, it is taken down.
pub struct OpenStack<'a> {
    screen: &'a Screen,
    workspace: &'a Workspace,
    claim: Claim,
}

/// Why there is none here.
pub struct Missing(pub String);

impl<'a> OpenStack<'a> {
    /// Start the one of the tests. The inner error says why this machine cannot have one; the outer that one should
    /// have started.
    pub fn start(screen: &'a Screen, workspace: &'a Workspace) -> Result<Result<Self, Missing>> {
        Self::start_named(screen, workspace, TESTS, &[])
    }

    /// The same with a name, and variables, of its own.
    pub fn start_named(
        screen: &'a Screen,
        workspace: &'a Workspace,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Result<Result<Self, Missing>> {
        if let Some(reason) = lacking() {
            return Ok(Err(Missing(reason)));
        }
        let scripts = Scripts::of(workspace);
        let fetched = screen.step("packages of OpenStack", |progress| {
            scripts.run("up", &["--install-only"], name, workspace)?.run(progress)
        });
        if let Err(error) = fetched {
            crate::interrupt::check()?;
            let reason = error.root_cause().to_string();
            let last = reason.lines().rfind(|line| line.contains("  | ")).unwrap_or(&reason).trim().to_owned();
            return Ok(Err(Missing(format!("its packages cannot be fetched here ({last})"))));
        }
        let claim = Claim::take(name, |leftover| {
            screen.step(&format!("stop of OpenStack {leftover}, which an interrupted run has left"), |progress| {
                scripts.run("down", &[], leftover, workspace)?.always().run(progress)
            })
        })?;
        let rig = Self { screen, workspace, claim };
        screen.step("start of OpenStack", |progress| {
            let up = variables.iter().fold(rig.tool("up")?, |up, (name, value)| up.env(name, value));
            up.run(progress)
        })?;
        Ok(Ok(rig))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.claim.name
    }

    /// A command inside: in its network namespace, with its administrator's variables and its programs.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(Scripts::of(self.workspace).path("run"));
        command.arg(program).env("KURYR_RIG", &self.claim.name).env_remove("KURYR_RIG_DIR");
        command.env_remove("KURYR_RIG_NAMESPACE");
        command
    }

    /// The same, with its output in a log and a place on the screen.
    pub fn run(&self, program: impl AsRef<Path>) -> Result<Run> {
        Ok(self.tool("run")?.args([program.as_ref()]))
    }

    fn tool(&self, script: &str) -> Result<Run> {
        Scripts::of(self.workspace).run(script, &[], &self.claim.name, self.workspace)
    }

    /// What its services have written, for whoever looks into a failure.
    fn keep_logs(&self) -> Result<()> {
        let kept = self.workspace.scratch()?.join(format!("openstack-services-{}", self.claim.name));
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        for entry in fs::read_dir(Path::new(RUN).join(&self.claim.name).join("log"))? {
            let entry = entry?;
            fs::copy(entry.path(), kept.join(entry.file_name()))?;
        }
        Ok(())
    }
}

impl Drop for OpenStack<'_> {
    fn drop(&mut self) {
        // One that did not come up has perhaps no logs.
        drop(self.keep_logs());
        let stopped =
            self.screen.step("stop of OpenStack", |progress: &Progress| self.tool("down")?.always().run(progress));
        if let Err(error) = stopped {
            self.screen.say(format!("{error:#}"));
        }
    }
}

/// What this machine lacks for one.
fn lacking() -> Option<String> {
    if !machine::is_debian_12() {
        return Some("its packages are Debian 12's, and this is another system".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun for the taps of its switch".to_owned());
    }
    let free = machine::free_memory()?;
    (free < MEMORY).then(|| format!("it wants {} MB of free memory, and here are {}", MEMORY / 1000, free / 1000))
}

/// The scripts of `rig/openstack`.
struct Scripts(PathBuf);

impl Scripts {
    fn of(workspace: &Workspace) -> Self {
        Self(workspace.root.join("rig/openstack"))
    }

    fn path(&self, script: &str) -> PathBuf {
        self.0.join(script)
    }

    /// One of them, for the rig of this name alone: started inside another rig, it must not meet that one.
    fn run(&self, script: &str, words: &[&str], name: &str, workspace: &Workspace) -> Result<Run> {
        let log = workspace.scratch()?.join(format!("openstack-{script}.log"));
        let run = Run::new(self.path(script)).args(words).env("KURYR_RIG", name).log(log);
        Ok(run.env_remove("KURYR_RIG_DIR").env_remove("KURYR_RIG_NAMESPACE").env_remove("KURYR_RIG_HOST"))
    }
}

/// A name that no other run uses: a lock that ends with this process, however it ends.
struct Claim {
    name: String,
    _lock: File,
}

impl Claim {
    /// The first free one of `base`, `base-2` …; whatever a run that is no more has left under any of them is given to
    /// `clean`.
    fn take(base: &str, mut clean: impl FnMut(&str) -> Result<()>) -> Result<Self> {
        fs::create_dir_all(RUN).with_context(|| format!("cannot make {RUN}"))?;
        let mut taken = None;
        for number in 1..=NAMES {
            let name = if number == 1 { base.to_owned() } else { format!("{base}-{number}") };
            let state = Path::new(RUN).join(&name);
            if taken.is_some() && !state.exists() {
                continue;
            }
            let path = Path::new(RUN).join(format!("{name}.claim"));
            let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            if lock.try_lock().is_err() {
                continue;
            }
            if state.exists() {
                clean(&name)?;
            }
            taken = taken.or(Some(Self { name, _lock: lock }));
        }
        match taken {
            Some(claim) => Ok(claim),
            None => bail!("{NAMES} runs have an OpenStack here already; wait for one of them to end"),
        }
    }
}
