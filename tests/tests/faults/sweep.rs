//! Every call of every operation goes wrong, and Kuryr dies at every point of it, on several machines side by side.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kuryr_tests::{able_to_boot, skip};

use crate::call::Call;
use crate::case::{self, Wrong};
use crate::choice::{Extent, Known};
use crate::machine::Machine;
use crate::operation::Operation;
use crate::report::Report;

/// Longer than between an answer and what is written behind it.
const QUIET: Duration = Duration::from_millis(1800);
/// Cases that one machine does in a row, prepared once.
const IN_A_ROW: usize = 12;
/// Machines for each processor: they wait most of the time.
const MACHINES: usize = 3;

/// Some cases of one operation.
struct Job {
    operation: Operation,
    cases: Vec<Wrong>,
}

#[test]
fn no_fault_and_no_kill_leaves_anything() -> Result<()> {
    if let Err(reason) = able_to_boot() {
        return skip(&format!("{reason:#}"));
    }
    let began = Instant::now();
    let machines = std::thread::available_parallelism().map_or(4, usize::from) * MACHINES;
    let machines: Vec<Mutex<Option<Machine>>> = (0..machines).map(|_| Mutex::default()).collect();
    let report = Report::default();

    let known = Mutex::new(Vec::new());
    let operations =
        Operation::all().filter(|operation| only().is_none_or(|only| only.starts_with(&operation.to_string())));
    let find = |machine: &mut Option<Machine>, operation| match calls_of(machine, operation) {
        Err(error) if format!("{error:#}").contains(case::TOO_SLOW) => {
            *machine = None;
            calls_of(machine, operation)
        }
        found => found,
    };
    spread(&machines, operations.collect(), |machine, operation| match find(machine, operation) {
        Ok(calls) => known.lock().unwrap().push((operation, calls)),
        Err(error) => give_up(machine, &format!("{operation}, without a fault"), &error, &report),
    });
    let mut known = known.into_inner().unwrap();
    known.sort();
    spread(&machines, jobs(Extent::asked(), &known), |machine, job| run(machine, &job, &report));
    drop(machines);

    let told = report.told();
    let calls: usize = known.iter().map(|(_, calls)| calls.len()).sum();
    let (operations, time) = (known.len(), began.elapsed().as_secs_f64());
    let (faults, kills, missed, left) = (told.faults, told.kills, told.missed.len(), told.left.len());
    println!(
        "tried: {faults} faults and {kills} kills, in {calls} calls to the cloud of {operations} operations in {time:.0} s; \
         {missed} of the calls did not come again, left over: {left}"
    );
    told.left.iter().for_each(|left| println!("left over: {left}"));
    ensure!(left == 0, "left over: {left}");
    if only().is_some() {
        return skip("KURYR_FAULTS_ONLY leaves most of it out");
    }
    // On a slow machine some come at another time, or for another reason.
    ensure!(missed * 4 < faults + kills, "{missed} calls did not come again: {:?}", told.missed);
    Ok(())
}

/// For work on one of them: only cases whose name begins with this, which begins with an operation's name.
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

/// A machine on which the operation can be done.
fn booted(machine: &mut Option<Machine>, operation: Operation) -> Result<&mut Machine> {
    let keeps_ready = operation.keeps_ready();
    if machine.as_ref().is_none_or(|machine| machine.keeps_ready != keeps_ready) {
        *machine = None;
        *machine = Some(Machine::boot(keeps_ready)?);
    }
    machine.as_mut().ok_or_else(|| anyhow::anyhow!("no machine"))
}

/// The calls that an operation makes when all goes well.
fn calls_of(machine: &mut Option<Machine>, operation: Operation) -> Result<Vec<Call>> {
    let machine = booted(machine, operation)?;
    case::prepare(machine, operation)?;
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

/// All that is to be tried: what takes longest first, and what needs machines of its own before all else.
fn jobs(extent: Extent, known: &[Known]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (operation, mut cases) in extent.cases(known) {
        if let Some(only) = only() {
            cases.retain(|case| format!("{operation}: {case}").starts_with(&only));
        }
        jobs.extend(cases.chunks(IN_A_ROW).map(|cases| Job { operation, cases: cases.to_vec() }));
    }
    jobs.sort_by_key(|job| {
        let kills = job.cases.iter().filter(|case| case.is_kill()).count();
        (!job.operation.keeps_ready(), std::cmp::Reverse(kills))
    });
    jobs
}

fn run(machine: &mut Option<Machine>, job: &Job, report: &Report) {
    let mut is_prepared = false;
    for wrong in &job.cases {
        let began = Instant::now();
        let tried = (|| {
            let machine = booted(machine, job.operation)?;
            if !is_prepared {
                case::prepare(machine, job.operation)?;
                is_prepared = true;
            }
            case::run(machine, job.operation, wrong)
        })();
        report.tried(job.operation, wrong, &tried, began.elapsed());
        if let Err(error) = tried {
            give_up(machine, &format!("{}: {wrong}", job.operation), &error, report);
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
fn give_up(machine: &mut Option<Machine>, title: &str, error: &anyhow::Error, report: &Report) {
    let log = machine.take().map(|machine| machine.log()).unwrap_or_default();
    report.left(title, error, &log);
}
