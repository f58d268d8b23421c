//! `cargo xtask demo`: prepares the machine, builds, makes sure an engine answers, then hands over to the demo program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{Run, output};
use crate::engine::{self, Engine};
use crate::machine::{self, Purpose};
use crate::screen::Screen;
use crate::workspace::{Workspace, cargo};

/// What a demo keeps until the next reboot.
const RUN: &str = "/run/kuryr-demo";
/// What a demo keeps on disk.
const STATE: &str = "/var/lib/kuryr-demo";

/// Run the demo, or remove what one left.
pub fn run(screen: &Screen, workspace: &Workspace, keep: bool, clean: bool) -> Result<()> {
    machine::prepare(screen, Purpose::Demo)?;
    let engine = Engine::new(Path::new(RUN), Path::new(STATE));
    if clean && !Path::new(RUN).exists() && !Path::new(STATE).exists() {
        screen.say("No demo has left anything here.");
        return Ok(());
    }
    build(screen, workspace)?;
    if clean {
        return remove(screen, workspace, &engine);
    }
    engine.ensure(screen)?;
    let result = demo(workspace, if keep { &["--keep"] } else { &[] });
    match (&result, keep) {
        (Ok(()), true) => return Ok(()),
        (Err(_), true) => screen.say("What the demo made is left as it is; cargo xtask demo --clean removes it."),
        (_, false) => remove(screen, workspace, &engine)?,
    }
    result
}

fn build(screen: &Screen, workspace: &Workspace) -> Result<()> {
    let log = workspace.scratch()?.join("demo-build.log");
    screen.step("build (the first time takes some minutes)", |progress| {
        Run::new(cargo())
            .args(["build", "-p", "kuryr", "-p", "kuryr-tests", "--bins"])
            .dir(&workspace.root)
            .log(log)
            .run(progress)
    })
}

fn demo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let binaries = workspace.target.join("debug");
    let status = Command::new(binaries.join("demo"))
        .env("KURYR_BIN", binaries.join("kuryr"))
        .env("KURYR_DEMO_RUN", RUN)
        .env("KURYR_DEMO_STATE", STATE)
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .args(arguments)
        .status()
        .context("cannot run the demo program")?;
    ensure!(status.success(), "the demo ended with {status}");
    Ok(())
}

/// Remove every trace; containers only while there is an engine to ask.
fn remove(screen: &Screen, workspace: &Workspace, engine: &Engine) -> Result<()> {
    if engine.is_ours() && !engine::answers() {
        // An engine that starts looks for the plugin of its networks, and waits for it.
        demo(workspace, &["--revive"])?;
        engine.ensure(screen)?;
    }
    demo(workspace, &["--clean"])?;
    engine.stop(screen)?;
    for folder in [STATE, RUN] {
        unmount_below(folder)?;
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {folder}"));
            }
            _ => {}
        }
    }
    screen.say("Nothing of the demo is left.");
    Ok(())
}

/// An engine that was killed leaves its containers' file systems mounted.
fn unmount_below(folder: &str) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read the table of mounts")?;
    let mut points: Vec<&str> = table.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    points.retain(|point| point.starts_with(&format!("{folder}/")));
    // What was mounted last goes first.
    for point in points.iter().rev() {
        output("umount", &["--lazy", point])?;
    }
    Ok(())
}
