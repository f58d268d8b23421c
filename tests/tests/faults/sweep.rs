//! Every call of every operation, with every fault and every death, on several machines side by side.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kuryr_tests::{skip, with_host};

use crate::call::Call;
use crate::case::{self, Wrong};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::operation::Operation;

/// Longer than between an answer and what is written behind it.
const QUIET: Duration = Duration::from_millis(1800);
/// Cases that one machine does in a row, prepared once.
const IN_A_ROW: usize = 24;

/// What was tried, and what came of it.
#[derive(Debug, Default)]
struct Report {
    faults: usize,
    kills: usize,
    /// Calls that did not come again.
    missed: Vec<String>,
    left: Vec<String>,
}

/// Some cases of one operation.
struct Job {
    operation: Operation,
    cases: Vec<Wrong>,
}

#[test]
#[ignore = "takes minutes of all cores; run it alone, with --ignored"]
fn no_fault_and_no_kill_leaves_anything() -> Result<()> {
    // Says why, where this machine cannot run a private one.
    let mut is_able = false;
    with_host(|_, _| {
        is_able = true;
        Ok(())
    })?;
    if !is_able {
        return Ok(());
    }
    let began = Instant::now();
    let machines = std::thread::available_parallelism().map_or(4, usize::from) * 2;
    let machines: Vec<Mutex<Option<Machine>>> = (0..machines).map(|_| Mutex::default()).collect();
    let report = Mutex::new(Report::default());

    let known = Mutex::new(Vec::new());
    spread(&machines, Operation::all().collect(), |machine, operation| match calls_of(machine, operation) {
        Ok(calls) => known.lock().unwrap().push((operation, calls)),
        Err(error) => {
            report.lock().unwrap().left.push(format!("{operation}, without a fault: {error:#}"));
            *machine = None;
        }
    });
    let mut known = known.into_inner().unwrap();
    known.sort();
    let jobs = jobs(&known);
    let calls: usize = known.iter().map(|(_, calls)| calls.len()).sum();
    spread(&machines, jobs, |machine, job| run(machine, &job, &report));
    drop(machines);

    let report = report.into_inner().unwrap();
    println!(
        "{} operations with {calls} calls to the cloud: {} faults and {} kills were tried in {:.0} s, {} of the calls did \
         not come again, left over: {}",
        known.len(),
        report.faults,
        report.kills,
        began.elapsed().as_secs_f64(),
        report.missed.len(),
        report.left.len(),
    );
    for missed in &report.missed {
        println!("did not come: {missed}");
    }
    for left in &report.left {
        println!("LEFT OVER: {left}\n");
    }
    ensure!(report.left.is_empty(), "left over: {}", report.left.len());
    if only().is_some() {
        return skip("KURYR_FAULTS_ONLY leaves most of it out");
    }
    ensure!(report.missed.len() * 20 < report.faults + report.kills, "too many calls did not come");
    ensure!(report.faults > 300 && report.kills > 50, "too little was tried");
    Ok(())
}

/// For work on one of them: only cases whose name has this in it.
fn only() -> Option<String> {
    std::env::var("KURYR_FAULTS_ONLY").ok().filter(|text| !text.is_empty())
}

/// Does all jobs, each machine one after the other; one that was taken away is booted anew.
fn spread<J: Send>(machines: &[Mutex<Option<Machine>>], jobs: Vec<J>, work: impl Fn(&mut Option<Machine>, J) + Sync) {
    let queue = Mutex::new(jobs.into_iter());
    std::thread::scope(|scope| {
        for machine in machines {
            let (queue, work) = (&queue, &work);
            scope.spawn(move || {
                let mut machine = machine.lock().unwrap();
                loop {
                    let Some(job) = queue.lock().unwrap().next() else { return };
                    work(&mut machine, job);
                }
            });
        }
    });
}

fn booted(machine: &mut Option<Machine>) -> Result<&mut Machine> {
    if machine.is_none() {
        *machine = Some(Machine::boot()?);
    }
    machine.as_mut().ok_or_else(|| anyhow::anyhow!("no machine"))
}

/// The calls that an operation makes when all goes well.
fn calls_of(machine: &mut Option<Machine>, operation: Operation) -> Result<Vec<Call>> {
    let machine = booted(machine)?;
    operation.prepare(machine)?;
    machine.proxy.calls(QUIET);
    machine.proxy.forget();
    let done = operation.act(machine)?;
    ensure!(done.is_ok(), "{done:?}");
    let calls = machine.proxy.calls(QUIET);
    ensure!(!calls.is_empty(), "it makes no call");
    machine.in_step()?;
    machine.clear()?;
    Ok(calls)
}

/// All that is to be tried: what takes longest first. Of an operation by a Kuryr that was just started, only the calls that
/// it makes on top.
fn jobs(known: &[(Operation, Vec<Call>)]) -> Vec<Job> {
    let warm = |operation: &Operation| {
        let same = Operation { cold: false, ..*operation };
        known.iter().filter(move |(other, _)| *other == same).flat_map(|(_, calls)| calls)
    };
    let mut jobs = Vec::new();
    for (operation, calls) in known {
        let known: BTreeSet<&Call> = if operation.cold { warm(operation).collect() } else { BTreeSet::new() };
        let calls: Vec<&Call> = calls.iter().filter(|call| !known.contains(call)).collect();
        let faults = Fault::KILLS.into_iter().chain(Fault::OF_THE_CLOUD);
        let of_calls = faults.flat_map(|fault| calls.iter().map(move |call| (*call, fault)));
        let of_calls = of_calls.filter(|(call, fault)| fault.befits(&call.name));
        let mut cases: Vec<Wrong> = of_calls.map(|(call, fault)| Wrong::Call(call.clone(), fault)).collect();
        cases.insert(0, Wrong::KillAfterAnswer);
        if let Some(only) = only() {
            cases.retain(|case| format!("{operation}: {case}").contains(&only));
        }
        jobs.extend(cases.chunks(IN_A_ROW).map(|cases| Job { operation: *operation, cases: cases.to_vec() }));
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.cases.iter().filter(|case| case.is_kill()).count()));
    jobs
}

fn run(machine: &mut Option<Machine>, job: &Job, report: &Mutex<Report>) {
    let mut is_prepared = false;
    for wrong in &job.cases {
        let title = format!("{}: {wrong}", job.operation);
        let tried = (|| {
            let machine = booted(machine)?;
            if !is_prepared {
                job.operation.prepare(machine)?;
                is_prepared = true;
            }
            case::run(machine, job.operation, wrong)
        })();
        {
            let mut report = report.lock().unwrap();
            match &tried {
                Ok(true) if wrong.is_kill() => report.kills += 1,
                Ok(true) => report.faults += 1,
                Ok(false) => report.missed.push(title.clone()),
                Err(_) => {}
            }
        }
        if let Err(error) = tried {
            give_up(machine, &title, &error, report);
            is_prepared = false;
        }
    }
    if let Some(one) = machine.as_mut().filter(|_| is_prepared)
        && let Err(error) = one.clear()
    {
        give_up(machine, &format!("{}: at the end", job.operation), &error, report);
    }
}

/// Remembers what is left over, and gives the machine up with it.
fn give_up(machine: &mut Option<Machine>, title: &str, error: &anyhow::Error, report: &Mutex<Report>) {
    let log = machine.take().map(|machine| machine.log()).unwrap_or_default();
    let text = format!("{title}: {error:#}\n{log}");
    eprintln!("LEFT OVER: {text}\n");
    report.lock().unwrap().left.push(format!("{title}: {error:#}"));
}
