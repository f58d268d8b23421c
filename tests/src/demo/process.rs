//! The demo's own `kuryr up`: started, found again by a later command, stopped.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;
use crate::{kuryr, plugin, until, until_within};

/// Start Kuryr and wait until Docker and Neutron's clients could use it.
pub fn start(place: &Place) -> Result<()> {
    fs::create_dir_all(&place.run).with_context(|| format!("cannot make {}", place.run.display()))?;
    fs::create_dir_all(&place.state).with_context(|| format!("cannot make {}", place.state.display()))?;
    fs::write(place.config(), place.configuration())?;
    let log = fs::File::create(place.log()).with_context(|| format!("cannot write {}", place.log().display()))?;
    let mut child = command(place)?
        .arg("up")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot run kuryr")?;
    let birth = started_at(child.id()).context("kuryr ended at once")?;
    fs::write(place.memory(), format!("{}\n{birth}\n", child.id()))?;
    until("kuryr to answer", || {
        if let Some(status) = child.try_wait()? {
            // There is nothing to wait for any more; the reader of this error sees the log.
            bail!("kuryr ended with {status}");
        }
        ensure!(plugin::request(&place.plugin(), "/Plugin.Activate", b"")?.status == 200);
        ensure!(plugin::get(&place.api(), "/")?.status < 400);
        Ok(())
    })
}

/// A kuryr command with the demo's configuration and nothing of the caller's environment that could lead elsewhere.
pub fn command(place: &Place) -> Result<Command> {
    let mut command = Command::new(kuryr::binary()?);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OS_")) {
        command.env_remove(name);
    }
    command.arg("--config-file").arg(place.config());
    Ok(command)
}

/// Whether the demo's Kuryr runs.
pub fn is_running(place: &Place) -> bool {
    ours(place).is_some()
}

/// Stop the demo's Kuryr, and no other.
pub fn stop(place: &Place) -> Result<()> {
    let Some(pid) = ours(place) else { return Ok(()) };
    for signal in [Signal::TERM, Signal::KILL] {
        // It may end by itself in between.
        let _ = kill_process(pid, signal);
        let gone = until_within(Duration::from_secs(15), "kuryr to end", || {
            ensure!(ours(place).is_none(), "it still runs");
            Ok(())
        });
        if gone.is_ok() {
            drop(fs::remove_file(place.memory()));
            return Ok(());
        }
    }
    bail!("kuryr (pid {}) does not end", pid.as_raw_nonzero())
}

fn ours(place: &Place) -> Option<Pid> {
    let text = fs::read_to_string(place.memory()).ok()?;
    let mut lines = text.lines();
    let pid: u32 = lines.next()?.parse().ok()?;
    if started_at(pid)? != lines.next()? {
        return None;
    }
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// When a living process was started, in the kernel's ticks: with the pid it names one process for ever.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let living = fields.next().is_some_and(|state| state != "Z");
    living.then(|| fields.nth(18).map(str::to_owned)).flatten()
}
