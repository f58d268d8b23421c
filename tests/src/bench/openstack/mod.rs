//! The Docker plugin on a real OpenStack: Kuryr and the original on the same cloud, in the same run, taking turns.

mod container;
mod plugin;
mod proxy;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use container::{Container, Operation};
use plugin::Plugin;
use proxy::Call;

use super::report::{Limit, Report};
use super::series::Series;
use crate::narrator::Narrator;

/// Starts of each plugin.
const STARTS: usize = 3;
/// Lives of one container that count, and those before that do not.
const TURNS: u8 = 24;
const WARM_UP: u8 = 1;
/// Containers at once, and how often.
const CROWD: u8 = 16;
const ROUNDS: u8 = 2;
/// Ports that are kept ready where starts from them are measured.
const READY: usize = 4;
/// What a process holds right after its start is given back within this time.
const SETTLE: Duration = Duration::from_secs(3);
/// A container runs until there have been no calls for this time, so that what is written behind is written.
const QUIET: Duration = Duration::from_millis(1500);
/// But no longer than this.
const LONGEST: Duration = Duration::from_secs(30);

/// What the lives of containers of one plugin took.
#[derive(Default)]
struct Measured {
    shares: [Share; 4],
    /// Calls that nobody waited for.
    behind: usize,
    lives: usize,
}

/// What one operation took: times, calls that were waited for, and failures.
#[derive(Default)]
struct Share {
    times: Series,
    calls: Vec<Call>,
    failures: Vec<String>,
}

/// Measure inside the rig: its network namespace and its variables are ours.
pub fn measure(narrator: &Narrator, original: &Path) -> Result<Report> {
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let mut plugins = [Plugin::ours(scratch.path())?, Plugin::original(scratch.path(), original)?];
    let mut report = Report::against("the original");
    let result = run(narrator, &mut plugins, scratch.path(), &mut report);
    if result.is_err() {
        for plugin in &plugins {
            let log = std::fs::read_to_string(plugin.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            anstream::eprintln!("last lines of {}:", plugin.name);
            anstream::eprintln!("{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
    result.map(|()| report)
}

fn run(narrator: &Narrator, plugins: &mut [Plugin; 2], scratch: &Path, report: &mut Report) -> Result<()> {
    narrator.step("start and memory", || start(plugins, report))?;
    let alone = narrator.step("one container at a time", || turns(plugins))?;
    tell(narrator, report, &alone, 1);
    let crowd = narrator.step(&format!("{CROWD} containers at a time"), || rounds(plugins))?;
    tell(narrator, report, &crowd, CROWD);
    let failed = crowd.each_ref().map(|it| it.shares.iter().map(|share| share.failures.len()).sum::<usize>());
    for failure in crowd[1].shares.iter().flat_map(|share| share.failures.first()) {
        narrator.note(&format!("the original failed: {failure}"));
    }
    let all = usize::from(CROWD) * usize::from(ROUNDS) * Operation::ALL.len();
    let name = format!("operations that failed of {all}, {CROWD} at a time");
    report.compared(&name, failed[0] as f64, failed[1] as f64, Limit::AtMost(0.0), "");
    let memory = [plugins[0].memory()?, plugins[1].memory()?];
    report.compared("memory after all of this (RSS)", memory[0], memory[1], Limit::RatioAtMost(1.0), "MB");
    plugins[0].stop()?;
    plugins[0] = Plugin::ready(scratch, READY)?;
    let from_pool = narrator.step("from a pool of ready ports", || from_pool(&mut plugins[0]))?;
    tell_from_pool(narrator, report, &from_pool, &alone[1]);
    Ok(())
}

/// Start both some times; they run when this returns.
fn start(plugins: &mut [Plugin; 2], report: &mut Report) -> Result<()> {
    let mut times = [Series::default(), Series::default()];
    for _ in 0..STARTS {
        for (plugin, times) in plugins.iter_mut().zip(&mut times) {
            times.add(plugin.start()?);
        }
    }
    std::thread::sleep(SETTLE);
    let [ours, peer] = times.map(|times| times.median());
    report.compared("start to first answer", ours, peer, Limit::AtMost(100.0), "ms");
    report.compared("memory, idle (RSS)", plugins[0].memory()?, plugins[1].memory()?, Limit::AtMost(15.0), "MB");
    Ok(())
}

/// Whole lives of one container, alone, of both in turns; who is first changes.
fn turns(plugins: &[Plugin; 2]) -> Result<[Measured; 2]> {
    let mut both = <[Measured; 2]>::default();
    for turn in 0..TURNS + WARM_UP {
        for side in order(turn) {
            let mut container = [Container::new(100 + side, turn)];
            let once = live(&plugins[usize::from(side)], &mut container)?;
            if let Some(failure) = once.shares.iter().flat_map(|share| &share.failures).next() {
                return Err(anyhow!("{failure}"));
            }
            if turn >= WARM_UP {
                both[usize::from(side)].extend(once);
            }
        }
    }
    Ok(both)
}

/// Many containers at once on networks of their own, of both in turns. The original may fail; we may not.
fn rounds(plugins: &[Plugin; 2]) -> Result<[Measured; 2]> {
    let mut both = <[Measured; 2]>::default();
    for round in 0..ROUNDS {
        for side in order(round) {
            let first = 100 + round * CROWD;
            let mut crowd: Vec<Container> =
                (first..first + CROWD).map(|number| Container::new(100 + side, number)).collect();
            both[usize::from(side)].extend(live(&plugins[usize::from(side)], &mut crowd)?);
        }
    }
    let failed = both[0].shares.iter().flat_map(|share| &share.failures).next();
    ensure!(failed.is_none(), "{}", failed.map(String::as_str).unwrap_or_default());
    Ok(both)
}

/// Starts and stops of one container after the other, on a network where ports are ready.
fn from_pool(plugin: &mut Plugin) -> Result<[Share; 2]> {
    plugin.start()?;
    let mut first = Container::new(103, 0).without_mac();
    first.run(plugin, Operation::Create)?;
    first.run(plugin, Operation::Start)?;
    let mut both = <[Share; 2]>::default();
    for turn in 0..TURNS + WARM_UP {
        let mut container = [first.neighbour()];
        for (operation, share) in [Operation::Start, Operation::Stop].into_iter().zip(&mut both) {
            plugin.proxy.quiet(QUIET, LONGEST);
            plugin.proxy.take();
            let mut once = together(plugin, &mut container, operation)?;
            if let Some(failure) = once.failures.first() {
                return Err(anyhow!("{failure}"));
            }
            once.calls.extend(plugin.proxy.take().into_iter().filter(|call| !call.behind));
            if turn >= WARM_UP {
                share.extend(once);
            }
        }
    }
    plugin.proxy.quiet(QUIET, LONGEST);
    first.run(plugin, Operation::Stop)?;
    first.run(plugin, Operation::Remove)?;
    Ok(both)
}

/// The sides of a turn, by who is first.
fn order(turn: u8) -> [u8; 2] {
    if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// The whole lives of these containers, side by side.
fn live(plugin: &Plugin, containers: &mut [Container]) -> Result<Measured> {
    let mut measured = Measured { lives: containers.len(), ..Measured::default() };
    plugin.proxy.take();
    for (operation, share) in Operation::ALL.into_iter().zip(&mut measured.shares) {
        *share = together(plugin, containers, operation)?;
        if matches!(operation, Operation::Start | Operation::Remove) {
            // What is written behind is not to be in the way of what is next, nor of whose turn is next.
            plugin.proxy.quiet(QUIET, LONGEST);
        }
        for call in plugin.proxy.take() {
            if call.behind {
                measured.behind += 1;
            } else {
                share.calls.push(call);
            }
        }
    }
    Ok(measured)
}

/// One operation of all these containers at once.
fn together(plugin: &Plugin, containers: &mut [Container], operation: Operation) -> Result<Share> {
    let mut share = Share::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = containers
            .iter_mut()
            .map(|container| {
                scope.spawn(move || {
                    let started = Instant::now();
                    container.run(plugin, operation).map(|()| started.elapsed())
                })
            })
            .collect();
        for thread in threads {
            match thread.join().map_err(|_| anyhow!("a thread panicked"))? {
                Ok(time) => share.times.add(time),
                Err(error) => share.failures.push(format!("{}: {error:#}", operation.name())),
            }
        }
        Ok(share)
    })
}

impl Share {
    fn extend(&mut self, other: Self) {
        self.times.extend(&other.times);
        self.calls.extend(other.calls);
        self.failures.extend(other.failures);
    }

    /// What the cloud took for all these calls, in milliseconds.
    fn cloud(&self) -> f64 {
        self.calls.iter().map(|call| call.took.as_secs_f64() * 1000.0).sum()
    }

    /// What it took for one of these, in the middle of all, in milliseconds.
    fn cloud_median(&self, what: &str) -> f64 {
        let mut times = Series::default();
        self.calls.iter().filter(|call| call.what == what).for_each(|call| times.add(call.took));
        times.median()
    }
}

impl Measured {
    fn extend(&mut self, other: Self) {
        for (share, other) in self.shares.iter_mut().zip(other.shares) {
            share.extend(other);
        }
        self.behind += other.behind;
        self.lives += other.lives;
    }

    /// So many, for each container.
    fn each(&self, calls: usize) -> f64 {
        calls as f64 / self.lives as f64
    }
}

/// What makes a Docker network: nobody can do without one of these calls, nor make two at once.
const CREATION: [&str; 3] = ["POST /v2.0/subnetpools", "POST /v2.0/networks", "POST /v2.0/subnets"];
/// Most that a creation may take beside what the cloud takes for these.
const BESIDE_CREATION: f64 = 1.1;

/// Most of the peer's time, and most calls that are waited for, that an operation may take.
fn budget(operation: Operation, alone: bool) -> (f64, f64) {
    match operation {
        // These three calls alone are more than half of the peer's time.
        Operation::Create if alone => (0.6, 5.0),
        Operation::Create | Operation::Remove => (0.5, 5.0),
        Operation::Start => (0.35, 2.0),
        Operation::Stop => (1.0, 1.0),
    }
}

/// Names, shares and limits of what is told of a series. The slowest of so few is chance: now and then Neutron takes 0.3 s
/// longer for whatever it is asked, by either plugin.
fn quantiles(ratio: f64) -> [(&'static str, f64, Limit); 3] {
    [("p50", 0.5, Limit::RatioAtMost(ratio)), ("p90", 0.9, Limit::RatioAtMost(1.0)), ("slowest", 1.0, Limit::None)]
}

fn tell(narrator: &Narrator, report: &mut Report, both: &[Measured; 2], at_once: u8) {
    let [ours, peer] = both;
    let alone = at_once == 1;
    let how = if alone { "one at a time".to_owned() } else { format!("{at_once} at a time") };
    for (place, operation) in Operation::ALL.into_iter().enumerate() {
        let (ratio, most) = budget(operation, alone);
        let name = |what: &str| format!("{}, {how}, {what}", operation.name());
        let shares = both.each_ref().map(|it| &it.shares[place]);
        for (what, quantile, limit) in quantiles(ratio) {
            let [own, theirs] = shares.map(|share| share.times.quantile(quantile));
            report.compared(&name(what), own, theirs, limit, "ms");
        }
        if alone && operation == Operation::Create {
            let (own, floor) =
                (shares[0].times.median(), CREATION.iter().map(|what| shares[1].cloud_median(what)).sum());
            let what = name("p50 beside the original's three POSTs alone");
            report.compared(&what, own, floor, Limit::RatioAtMost(BESIDE_CREATION), "ms");
        }
        let [own, theirs] = shares.map(Share::cloud);
        let (own, theirs) = (own / ours.lives as f64, theirs / peer.lives as f64);
        report.compared(&name("average wait for the cloud"), own, theirs, Limit::None, "ms");
        let [own, theirs] = shares.map(|share| share.calls.len());
        let (own, theirs) = (ours.each(own), peer.each(theirs));
        report.compared(&name("calls waited for"), own, theirs, Limit::AtMost(most), "");
        if own > most {
            narrator.note(&format!("{}:", name("calls")));
            for (what, count) in counted(&shares[0].calls) {
                narrator.note(&format!("  {:.2} × {what}", ours.each(count)));
            }
        }
    }
    let name = format!("all of these, {how}, calls nobody waits for");
    report.compared(&name, ours.each(ours.behind), peer.each(peer.behind), Limit::None, "");
}

/// What starts and stops took where ports were ready, beside the peer's, which has none.
fn tell_from_pool(narrator: &Narrator, report: &mut Report, both: &[Share; 2], peer: &Measured) {
    for (share, (operation, ratio)) in both.iter().zip([(Operation::Start, 0.01), (Operation::Stop, 0.02)]) {
        let name = |what: &str| format!("{} from a pool, {what}", operation.name());
        let theirs = Operation::ALL.into_iter().zip(&peer.shares).find(|(other, _)| *other == operation);
        let Some((_, theirs)) = theirs else { continue };
        if operation == Operation::Start {
            report.measured(&name("p50 alone"), share.times.median(), Limit::AtMost(10.0), "ms");
        }
        for (what, quantile, limit) in quantiles(ratio) {
            let [own, other] = [share, theirs].map(|share| share.times.quantile(quantile));
            report.compared(&name(what), own, other, limit, "ms");
        }
        let (own, other) = (share.calls.len() as f64 / f64::from(TURNS), peer.each(theirs.calls.len()));
        report.compared(&name("calls waited for"), own, other, Limit::AtMost(0.0), "");
        for (what, count) in counted(&share.calls) {
            narrator.note(&format!("{}: {count} × {what}", name("calls")));
        }
    }
}

/// How often each call was made.
fn counted(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.what.as_str()).or_default() += 1;
    }
    counts
}
