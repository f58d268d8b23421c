//! The end of a load: all sides come into step by themselves, everything is removed as people remove it, and then nothing
//! is left.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::foreign::{Foreign, Leftovers};
use super::machine::Machine;
use super::seen::Seen;
use super::tally::Tally;
use crate::until_within;

/// One comparison comes within this time of the last trouble, and what it finds is mended.
const SETTLED: Duration = Duration::from_secs(90);
/// What is written behind, and what the kernel takes away, within this time.
const GONE: Duration = Duration::from_secs(60);
/// Notes of published ports.
const NOTES: &str = "/var/lib/kuryr/published";

/// Wait, compare, remove, and look for what is left.
pub fn come_to_rest(machine: &mut Machine, foreign: &Foreign, tally: &mut Tally) -> Result<()> {
    machine.weather.turn(None);
    let started = Instant::now();
    let settled = until_within(SETTLED, "all sides to be in step", || {
        let found = differences(machine)?;
        ensure!(found.is_empty(), "{found:?}");
        Ok(())
    });
    match settled {
        Ok(()) => tally.settled = Some(started.elapsed().as_secs_f64()),
        Err(error) => tally.defects.push(format!("{error:#}")),
    }
    remove_all(machine, tally)?;
    let started = Instant::now();
    let left = loop {
        let left = leftovers(machine, foreign)?;
        if left.is_nothing() || started.elapsed() >= GONE {
            break left;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    tally.leftovers = left.of_ours();
    tally.touched = left.cloud.touched.len();
    if !left.is_nothing() {
        tally.defects.push(format!("left over: {left:?}"));
    }
    Ok(())
}

/// What is on none or some of the sides only, as `kuryr diff` tells it.
fn differences(machine: &Machine) -> Result<Vec<String>> {
    let output = machine.rig.kuryr.command(&machine.rig.host, &["diff", "--json"])?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("kuryr diff: {}", String::from_utf8_lossy(&output.stderr)))?;
    let rows = told["rows"].as_array().into_iter().flatten().filter(|row| row["difference"] != "none");
    let found: Vec<String> = rows.map(ToString::to_string).collect();
    ensure!(output.status.success() || !found.is_empty(), "kuryr diff ended with {}", output.status);
    Ok(found)
}

/// As a person would: containers, then networks. A Docker that was killed may keep endpoints of containers that are gone
/// until it is restarted.
fn remove_all(machine: &mut Machine, tally: &mut Tally) -> Result<()> {
    let seen = Seen::look(&machine.rig.engine)?;
    let containers: Vec<&str> = seen.containers.keys().map(String::as_str).collect();
    if !containers.is_empty() {
        let removed = machine.rig.engine.docker(&[&["rm", "--force"], &containers[..]].concat());
        tally.defects.extend(removed.err().map(|error| format!("at the end: {error:#}")));
    }
    let remove = |machine: &Machine, name: &str| machine.rig.engine.docker(&["network", "rm", name]);
    let ghosts: Vec<&String> = seen
        .networks
        .iter()
        .filter(|name| remove(machine, name).is_err_and(|error| format!("{error:#}").contains("has active endpoints")))
        .collect();
    if !ghosts.is_empty() {
        machine.restart_engine("-TERM")?;
    }
    for name in Seen::look(&machine.rig.engine)?.networks {
        let removed = remove(machine, &name);
        tally.defects.extend(removed.err().map(|error| format!("at the end: {error:#}")));
    }
    Ok(())
}

/// What should not be there any more.
#[derive(Debug)]
struct Left {
    cloud: Leftovers,
    docker: Vec<String>,
    notes: Vec<String>,
}

impl Left {
    fn of_ours(&self) -> usize {
        self.cloud.neutron.len() + self.cloud.kernel.len() + self.docker.len() + self.notes.len()
    }

    fn is_nothing(&self) -> bool {
        self.of_ours() == 0 && self.cloud.touched.is_empty()
    }
}

fn leftovers(machine: &Machine, foreign: &Foreign) -> Result<Left> {
    let seen = Seen::look(&machine.rig.engine)?;
    let containers = seen.containers.into_keys();
    let docker = containers.chain(seen.networks).collect();
    let notes = std::fs::read_dir(machine.rig.host.path(NOTES)).into_iter().flatten().flatten();
    let notes = notes.map(|note| note.file_name().to_string_lossy().into_owned()).collect();
    Ok(Left { cloud: foreign.compare(machine)?, docker, notes })
}
