//! The Docker plugin on a real OpenStack: Kuryr and the original on the same cloud, in the same run, taking turns.

mod container;
mod plugin;
mod proxy;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use container::{Container, Operation};
use plugin::Plugin;

use super::report::{Limit, Report};
use super::series::Series;
use crate::narrator::Narrator;

/// Starts of each plugin.
const STARTS: usize = 3;
/// Lives of one container that count, and those before that do not.
const TURNS: u8 = 8;
const WARM_UP: u8 = 1;
/// Containers at once, and how often.
const CROWD: u8 = 16;
const ROUNDS: u8 = 1;
/// What a process holds right after its start is given back within this time.
const SETTLE: Duration = Duration::from_secs(3);

/// What one operation took: `measured[operation]`.
type Measured = [Share; 4];

/// Times, calls of each time, and failures.
#[derive(Default)]
struct Share {
    times: Series,
    calls: Vec<f64>,
    failures: Vec<String>,
}

/// Measure inside the rig: its network namespace and its variables are ours.
pub fn measure(narrator: &Narrator, original: &Path) -> Result<Report> {
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let mut plugins = [Plugin::ours(scratch.path())?, Plugin::original(scratch.path(), original)?];
    let mut report = Report::against("the original");
    let result = run(narrator, &mut plugins, &mut report);
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

fn run(narrator: &Narrator, plugins: &mut [Plugin; 2], report: &mut Report) -> Result<()> {
    narrator.step("start and memory", || start(plugins, report))?;
    let alone = narrator.step("one container at a time", || turns(plugins))?;
    tell(report, &alone, "one at a time");
    let crowd = narrator.step(&format!("{CROWD} containers at a time"), || rounds(plugins))?;
    tell(report, &crowd, &format!("{CROWD} at a time"));
    let failed = crowd.each_ref().map(|measured| measured.iter().map(|share| share.failures.len()).sum::<usize>());
    for failure in crowd[1].iter().flat_map(|share| share.failures.first()) {
        narrator.note(&format!("the original failed: {failure}"));
    }
    let all = usize::from(CROWD) * usize::from(ROUNDS) * Operation::ALL.len();
    let name = format!("operations that failed of {all}, {CROWD} at a time");
    report.compared(&name, failed[0] as f64, failed[1] as f64, Limit::AtMost(0.0), "");
    let memory = [plugins[0].memory()?, plugins[1].memory()?];
    report.compared("memory after all of this (RSS)", memory[0], memory[1], Limit::RatioAtMost(1.0), "MB");
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

/// Whole lives of one container, alone, of both in turns.
fn turns(plugins: &[Plugin; 2]) -> Result<[Measured; 2]> {
    let mut both = <[Measured; 2]>::default();
    for turn in 0..TURNS + WARM_UP {
        for (side, plugin) in (0_u8..).zip(plugins) {
            let mut container = [Container::new(100 + side, turn)];
            for (operation, share) in Operation::ALL.into_iter().zip(&mut both[usize::from(side)]) {
                let once = together(plugin, &mut container, operation)?;
                if let Some(failure) = once.failures.first() {
                    return Err(anyhow!("{failure}"));
                }
                if turn >= WARM_UP {
                    share.extend(once);
                }
            }
        }
    }
    Ok(both)
}

/// Many containers at once on networks of their own, of both in turns. The original may fail; we may not.
fn rounds(plugins: &[Plugin; 2]) -> Result<[Measured; 2]> {
    let mut both = <[Measured; 2]>::default();
    for round in 0..ROUNDS {
        for (side, plugin) in (0_u8..).zip(plugins) {
            let first = 100 + round * CROWD;
            let mut crowd: Vec<Container> =
                (first..first + CROWD).map(|number| Container::new(100 + side, number)).collect();
            for (operation, share) in Operation::ALL.into_iter().zip(&mut both[usize::from(side)]) {
                share.extend(together(plugin, &mut crowd, operation)?);
            }
        }
    }
    let failed = both[0].iter().flat_map(|share| &share.failures).next();
    ensure!(failed.is_none(), "{}", failed.map(String::as_str).unwrap_or_default());
    Ok(both)
}

/// One operation of all these containers at once; calls are the average of one.
fn together(plugin: &Plugin, containers: &mut [Container], operation: Operation) -> Result<Share> {
    let before = plugin.proxy.calls();
    let many = containers.len() as f64;
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
        anyhow::Ok(())
    })?;
    share.calls.push((plugin.proxy.calls() - before) as f64 / many);
    Ok(share)
}

impl Share {
    fn extend(&mut self, other: Self) {
        self.times.extend(&other.times);
        self.calls.extend(other.calls);
        self.failures.extend(other.failures);
    }

    /// Calls of one operation, on average.
    fn average_calls(&self) -> f64 {
        self.calls.iter().sum::<f64>() / self.calls.len() as f64
    }
}

/// Most of the peer's time, and most calls, that an operation may take.
fn budget(operation: Operation) -> (f64, f64) {
    match operation {
        Operation::Create | Operation::Remove => (0.5, 5.0),
        Operation::Start => (0.35, 2.0),
        Operation::Stop => (1.0, 1.0),
    }
}

fn tell(report: &mut Report, [ours, peer]: &[Measured; 2], how: &str) {
    for (operation, (ours, peer)) in Operation::ALL.into_iter().zip(ours.iter().zip(peer)) {
        let (ratio, calls) = budget(operation);
        let name = |what: &str| format!("{}, {how}, {what}", operation.name());
        let quantile = |share| (ours.times.quantile(share), peer.times.quantile(share));
        let (own, theirs) = quantile(0.5);
        report.compared(&name("p50"), own, theirs, Limit::RatioAtMost(ratio), "ms");
        let (own, theirs) = quantile(0.99);
        report.compared(&name("p99"), own, theirs, Limit::RatioAtMost(1.0), "ms");
        let (own, theirs) = (ours.average_calls(), peer.average_calls());
        report.compared(&name("calls of the cloud"), own, theirs, Limit::AtMost(calls), "");
    }
}
