//! The load: rounds of operations at the same time, with bad weather and restarts in some of them, and a look at everything
//! that is cheap to look at after each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::foreign::Foreign;
use super::machine::Machine;
use super::operation::{self, Event, Operation};
use super::seen::Seen;
use super::tally::{Tally, Weight};
use crate::dice::Dice;
use crate::engine::Engine;
use crate::until_within;

/// More than this many MB is a leak: it is a build for developers that is under load.
const MEMORY: f64 = 96.0;
/// More open files than this are a leak.
const FILES: usize = 256;
/// An address that Neutron gave to another container a moment ago is remembered by its neighbours for so long: Linux believes
/// what was confirmed for up to 45 seconds, and where the network is not Kuryr's own nobody announces the change.
const NEIGHBOURS: Duration = Duration::from_secs(60);
/// In bad weather one call in so many goes wrong.
const SEVERITY: &[usize] = &[40, 15, 6];

/// One machine's load.
pub struct Load<'a> {
    /// The machine.
    pub machine: &'a mut Machine,
    /// What others have in its cloud.
    pub foreign: &'a Foreign,
    /// What is told to whoever watches, and to the journal.
    pub tell: &'a dyn Fn(&str),
    dice: Dice,
    /// Containers with networks that Docker lists for them, after it has refused to connect them.
    unconnected: BTreeSet<(String, String)>,
}

/// How a command ended.
struct Ended {
    operation: Operation,
    took: Duration,
    error: Option<String>,
}

impl<'a> Load<'a> {
    /// Chance follows from the seed.
    pub fn new(machine: &'a mut Machine, foreign: &'a Foreign, seed: u64, tell: &'a dyn Fn(&str)) -> Self {
        let dice = Dice::new(seed, "load");
        Self { machine, foreign, tell, dice, unconnected: BTreeSet::new() }
    }

    /// Rounds until the time is up.
    pub fn run(&mut self, time: Duration, tally: &mut Tally) -> Result<()> {
        let started = Instant::now();
        let mut after_storm = false;
        while started.elapsed() < time {
            tally.rounds += 1;
            let stormy = self.round(tally, after_storm).with_context(|| format!("in round {}", tally.rounds))?;
            after_storm = stormy;
            tally.load = started.elapsed();
        }
        Ok(())
    }

    /// One round; whether there was bad weather or a restart.
    fn round(&mut self, tally: &mut Tally, after_storm: bool) -> Result<bool> {
        let kind = self.machine.kind;
        // Asked for in any case, so that all that follows is the same whatever happens.
        let mut dice = Dice::new(u64::try_from(self.dice.below(usize::MAX)).unwrap_or_default(), "round");
        let severity = if dice.one_in(3) { dice.pick(SEVERITY).copied() } else { None };
        let event = operation::event(&mut dice, kind);
        let pause = Duration::from_millis(u64::try_from(dice.below(1200)).unwrap_or_default());
        let pair = dice.below(1000);
        let engine: Engine = (*self.machine.rig.engine).clone();
        let seen = Seen::look(&engine)?;
        let operations = operation::choose(&mut dice, kind, &seen, self.foreign);
        self.machine.weather.turn(severity);
        let ended = Mutex::new(Vec::new());
        let happened = std::thread::scope(|scope| {
            for operation in operations {
                let (engine, ended) = (&engine, &ended);
                scope.spawn(move || {
                    let one = carry_out(engine, operation);
                    if let Ok(mut ended) = ended.lock() {
                        ended.push(one);
                    }
                });
            }
            let Some(event) = event else { return Ok(()) };
            std::thread::sleep(pause);
            *tally.events.entry(event).or_default() += 1;
            self.happen(event).with_context(|| format!("after the {event}"))
        });
        self.machine.weather.turn(None);
        let stormy = severity.is_some() || event.is_some();
        let ended = ended.into_inner().map_err(|_| anyhow!("a thread panicked"))?;
        let weather = severity.map_or_else(|| "fair".to_owned(), |times| format!("1 call in {times} goes wrong"));
        let what = event.map_or_else(String::new, |event| format!(", {event} after {} ms", pause.as_millis()));
        (self.tell)(&format!("round {}: {weather}{what}", tally.rounds));
        for one in ended {
            self.count(&one, tally, stormy, after_storm);
        }
        happened?;
        self.look(tally, pair)?;
        Ok(stormy)
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::KuryrKilled => self.machine.kill_kuryr(),
            Event::KuryrRestarted => self.machine.restart_kuryr(),
            Event::CloudKilled => self.machine.kill_cloud(),
            Event::DockerRestarted => self.machine.restart_engine("-TERM"),
            Event::DockerKilled => self.machine.restart_engine("-KILL"),
        }
    }

    fn count(&mut self, one: &Ended, tally: &mut Tally, stormy: bool, after_storm: bool) {
        let Ended { operation, took, error } = one;
        let outcome = error.as_deref().unwrap_or("done").replace('\n', " ");
        (self.tell)(&format!("  {:.2} s  docker {}: {outcome}", took.as_secs_f64(), operation.words.join(" ")));
        self.note_connection(operation, error.is_none());
        let times = tally.operations.entry(operation.name).or_default();
        times.longest = times.longest.max(took.as_millis());
        let Some(error) = error else {
            times.done += 1;
            return;
        };
        times.refused += 1;
        let reason = reason(error);
        *tally.refusals.entry(reason).or_default() += 1;
        if reason == OTHER {
            tally.strange.push(format!("round {}: docker {}: {error}", tally.rounds, operation.words.join(" ")));
        }
        if !stormy && !after_storm && reason != EXPECTED {
            tally.defects.push(format!(
                "round {}: nothing was wrong, and docker {} was refused: {error}",
                tally.rounds,
                operation.words.join(" ")
            ));
        }
    }

    /// Docker 20.10 goes on to list the address of a connection that it refused, until the container is started again.
    fn note_connection(&mut self, operation: &Operation, is_done: bool) {
        let words: Vec<&str> = operation.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["network", "connect", network, container] if !is_done => {
                self.unconnected.insert(((*container).to_owned(), (*network).to_owned()));
            }
            ["network", "connect" | "disconnect", network, container] if is_done => {
                self.unconnected.remove(&((*container).to_owned(), (*network).to_owned()));
            }
            ["start" | "stop" | "restart" | "rm", .., container] if is_done => {
                self.unconnected.retain(|(known, _)| known != container);
            }
            _ => {}
        }
    }

    /// The running containers on a network.
    fn connected<'s>(&self, seen: &'s Seen, network: &str) -> Vec<(&'s str, &'s str)> {
        let is_real = |name: &str| !self.unconnected.contains(&(name.to_owned(), network.to_owned()));
        seen.on(network).into_iter().filter(|(name, _)| is_real(name)).collect()
    }

    /// What must hold at any moment.
    fn look(&self, tally: &mut Tally, pair: usize) -> Result<()> {
        let Machine { rig, .. } = &*self.machine;
        let seen = Seen::look(&rig.engine)?;
        // No two ranges overlap but those that are one subnet.
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        for network in &seen.networks {
            for (name, address) in self.connected(&seen, network) {
                if let Some(other) = holders.insert(address, name) {
                    tally.defects.push(format!("round {}: {name} and {other} both have {address}", tally.rounds));
                }
            }
        }
        let all = seen.networks.iter().map(|network| self.connected(&seen, network));
        let pairs: Vec<_> = all.filter(|all| all.len() > 1).collect();
        if let Some(all) = pairs.get(pair % pairs.len().max(1)) {
            let (from, to) = (all[pair % all.len()], all[(pair + 1) % all.len()]);
            let reached = until_within(NEIGHBOURS, "an answer to a ping", || rig.engine.ping(from.0, to.1));
            let pair = format!("{} ({}) and {} ({})", from.0, from.1, to.0, to.1);
            match reached {
                Ok(()) => {
                    tally.pairs += 1;
                    (self.tell)(&format!("  {pair} reach each other"));
                }
                Err(error) => {
                    (self.tell)(&format!("  {pair} do not reach each other\n{}", self.machine.wires(&[from.0, to.0])));
                    tally.defects.push(format!("round {}: {pair} do not reach each other: {error:#}", tally.rounds));
                }
            }
        }
        let Weight { memory, files } = self.machine.weigh()?;
        tally.most = Weight { memory: tally.most.memory.max(memory), files: tally.most.files.max(files) };
        ensure!(memory <= MEMORY, "kuryr has {memory:.1} MB of memory, more than {MEMORY}");
        ensure!(files <= FILES, "kuryr has {files} files open, more than {FILES}");
        Ok(())
    }
}

fn carry_out(engine: &Engine, operation: Operation) -> Ended {
    let started = Instant::now();
    let words: Vec<&str> = operation.words.iter().map(String::as_str).collect();
    let error = match engine.try_docker(&words) {
        Ok(output) if output.status.success() => None,
        Ok(output) if output.status.code() == Some(124) => Some("no answer".to_owned()),
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("{error:#}")),
    };
    Ended { operation, took: started.elapsed(), error }
}

/// Docker's words for what it cannot do: twice on one subnet, a container that it still lists on a network which is gone, and
/// what a killed Docker has forgotten to forget.
const POSSIBLE: &[&str] = &[
    "already exists in network",
    "is not running",
    "is not connected",
    "has active endpoints",
    "conflicts with existing route",
    ": already exists",
    "is marked for removal",
];
/// What chance runs into by itself.
const EXPECTED: &str = "not possible at that moment";

/// What nobody has thought of; told with the report.
pub const OTHER: &str = "another reason";

/// In words that are counted.
fn reason(error: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if error == "no answer" {
        "no answer"
    } else if says(&[
        "Cannot connect to the Docker daemon",
        "error during connect",
        "docker.sock",
        "daemon is shutting",
    ]) {
        "Docker was away"
    } else if says(&["bad weather", "Bad Gateway", "cannot be reached", "connection", "Connection", "timed out"]) {
        "the cloud failed or was away"
    } else if says(&["kuryr.sock", "EOF", "context deadline", "context canceled", "Kuryr was started anew"]) {
        "Kuryr was away"
    } else if says(POSSIBLE) || (error.contains("daemon: network ") && error.contains(" not found")) {
        EXPECTED
    } else {
        OTHER
    }
}
