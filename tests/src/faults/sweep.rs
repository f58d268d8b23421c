//! Every call of every operation goes wrong, and Kuryr dies at every point of it, on several machines side by side.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::call::Call;
use super::case::{self, Wrong};
use super::choice::{Extent, Known, ROUND};
use super::machine::Machine;
use super::operation::{Operation, QUIET};
use super::report::{Report, Told};
use super::site::Kind;
use crate::{able_to_boot, skip};

/// Cases that one machine does in a row, prepared once.
const IN_A_ROW: usize = 12;
/// Machines for each processor: they wait most of the time.
const MACHINES: usize = 3;
/// Machines on a real OpenStack: all of them wait for one Neutron.
const ON_ONE_NEUTRON: usize = 8;

/// The longest that a run with a few, and one in full, may take on a real OpenStack: how quick it is, is another's choice.
const FEW_TAKE: Duration = Duration::from_secs(170);
const ALL_TAKE: Duration = Duration::from_secs(3600);
/// For trying, also where looking for what to try took all of it.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Some cases of one operation; the number of them.
struct Job {
    operation: Operation,
    number: usize,
    cases: Vec<Wrong>,
}

/// The machines of a run, each booted when it is first needed.
struct Fleet<'a> {
    kind: &'a Kind,
    machines: Vec<Mutex<Option<Machine>>>,
    report: Report,
    /// When nothing more is begun.
    end: Option<Instant>,
}

/// Tries, on this cloud, what the run was asked for, and prints what came of it.
///
/// # Errors
/// Something was left over, or too little was tried.
pub fn sweep(kind: &Kind) -> Result<()> {
    if let Err(reason) = able_to_boot() {
        return skip(&format!("{reason:#}"));
    }
    let began = Instant::now();
    let extent = Extent::asked(kind)?;
    let mut fleet = Fleet::new(kind);
    let known = fleet.calls();
    fleet.end = match (kind, extent) {
        (Kind::Embedded, _) => None,
        (Kind::OpenStack(_), Extent::Full) => Some(began + ALL_TAKE),
        (Kind::OpenStack(_), _) => Some((began + FEW_TAKE).max(Instant::now() + AT_LEAST)),
    };
    fleet.spread(jobs(extent, &known), |machine, job| fleet.run(machine, &job));
    let Fleet { report, machines, .. } = fleet;
    drop(machines);

    let told = report.told();
    let calls: usize = known.iter().map(|(_, calls)| calls.len()).sum();
    let (operations, time) = (known.len(), began.elapsed().as_secs_f64());
    let seed = if let Extent::Few(seed) = extent { format!("seed {seed}, ") } else { String::new() };
    let Told { faults, kills, missed, left, untried, .. } = &*told;
    println!(
        "tried: on {kind}, {seed}{faults} faults and {kills} kills, in {calls} calls to the cloud of {operations} operations in \
         {time:.0} s{}; in step again after {}; {} of the calls did not come again, left over: {}",
        if *untried > 0 { format!(", with no time for {untried} more") } else { String::new() },
        told.in_step_after(),
        missed.len(),
        left.len()
    );
    left.iter().for_each(|left| println!("left over: {left}"));
    ensure!(left.is_empty(), "left over: {}", left.len());
    if only().is_some() {
        return skip("KURYR_FAULTS_ONLY leaves most of it out");
    }
    // On a slow machine some come at another time, or for another reason.
    ensure!(missed.len() * 4 < faults + kills + untried, "{} calls did not come again: {missed:?}", missed.len());
    Ok(())
}

/// For work on one of them: only cases whose name begins with this, which begins with an operation's name.
fn only() -> Option<String> {
    std::env::var("KURYR_FAULTS_ONLY").ok().filter(|text| !text.is_empty())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Fleet<'a> {
    fn new(kind: &'a Kind) -> Self {
        let machines = match kind {
            Kind::Embedded => std::thread::available_parallelism().map_or(4, usize::from) * MACHINES,
            Kind::OpenStack(_) => ON_ONE_NEUTRON,
        };
        Self { kind, machines: (0..machines).map(|_| Mutex::default()).collect(), report: Report::default(), end: None }
    }

    /// All operations, with the calls that they make when all goes well.
    fn calls(&self) -> Vec<Known> {
        let known = Mutex::new(Vec::new());
        let operations =
            Operation::all().filter(|operation| only().is_none_or(|only| only.starts_with(&operation.to_string())));
        let find = |machine: &mut Option<Machine>, operation| match self.calls_of(machine, operation) {
            Err(error) if format!("{error:#}").contains(case::TOO_SLOW) => {
                *machine = None;
                self.calls_of(machine, operation)
            }
            found => found,
        };
        self.spread(operations.collect(), |machine, operation| match find(machine, operation) {
            Ok(calls) => locked(&known).push((operation, calls)),
            Err(error) => self.give_up(machine, &format!("{operation}, without a fault"), &error),
        });
        let mut known = known.into_inner().unwrap_or_else(PoisonError::into_inner);
        known.sort();
        known
    }

    /// Does all jobs, each machine one after the other; one that was taken away is booted anew.
    fn spread<J: Send>(&self, jobs: Vec<J>, work: impl Fn(&mut Option<Machine>, J) + Sync) {
        let queue = Mutex::new(jobs.into_iter());
        std::thread::scope(|scope| {
            for machine in &self.machines {
                let (queue, work) = (&queue, &work);
                scope.spawn(move || {
                    let mut machine = locked(machine);
                    loop {
                        let Some(job) = locked(queue).next() else { return };
                        work(&mut machine, job);
                    }
                });
            }
        });
    }

    /// A machine on which the operation can be done.
    fn booted<'m>(&self, machine: &'m mut Option<Machine>, operation: Operation) -> Result<&'m mut Machine> {
        let keeps_ready = operation.keeps_ready();
        if machine.as_ref().is_none_or(|machine| machine.keeps_ready != keeps_ready) {
            *machine = None;
            *machine = Some(Machine::boot(self.kind, keeps_ready)?);
        }
        machine.as_mut().ok_or_else(|| anyhow::anyhow!("no machine"))
    }

    /// The calls that an operation makes when all goes well.
    fn calls_of(&self, machine: &mut Option<Machine>, operation: Operation) -> Result<Vec<Call>> {
        let machine = self.booted(machine, operation)?;
        case::prepare(machine, operation)?;
        machine.site.proxy.forget();
        let done = operation.act(machine)?;
        ensure!(done.is_ok(), "{done:?}");
        let calls = machine.site.proxy.calls(QUIET);
        ensure!(!calls.is_empty(), "it makes no call");
        machine.in_step()?;
        machine.clear()?;
        Ok(calls)
    }

    fn run(&self, machine: &mut Option<Machine>, job: &Job) {
        let mut is_prepared = false;
        for (done, wrong) in job.cases.iter().enumerate() {
            let began = Instant::now();
            if self.end.is_some_and(|end| began > end) {
                self.report.told().untried += job.cases.len() - done;
                break;
            }
            let tried = (|| {
                let machine = self.booted(machine, job.operation)?;
                if !is_prepared {
                    case::prepare(machine, job.operation)?;
                    is_prepared = true;
                }
                case::run(machine, job.operation, wrong)
            })();
            self.report.tried(job.operation, wrong, &tried, began.elapsed());
            if let Err(error) = tried {
                self.give_up(machine, &format!("{}: {wrong}", job.operation), &error);
                is_prepared = false;
            }
        }
        if let Some(one) = machine.as_mut().filter(|_| is_prepared)
            && let Err(error) = one.clear()
        {
            self.give_up(machine, &format!("{}: at the end", job.operation), &error);
        }
    }

    /// Remembers what is left over, and gives the machine up with it.
    fn give_up(&self, machine: &mut Option<Machine>, title: &str, error: &anyhow::Error) {
        let log = machine.take().map(|machine| machine.log()).unwrap_or_default();
        self.report.left(title, error, &log);
    }
}

/// All that is to be tried: what takes longest first, and what needs machines of its own before all else; where time may be
/// short, something of each operation before all of any.
fn jobs(extent: Extent, known: &[Known]) -> Vec<Job> {
    let few = matches!(extent, Extent::Few(_));
    let in_a_row = if few { ROUND } else { IN_A_ROW };
    let mut jobs = Vec::new();
    for (operation, mut cases) in extent.cases(known) {
        if let Some(only) = only() {
            cases.retain(|case| format!("{operation}: {case}").starts_with(&only));
        }
        let chunks = cases.chunks(in_a_row).enumerate();
        jobs.extend(chunks.map(|(number, cases)| Job { operation, number, cases: cases.to_vec() }));
    }
    jobs.sort_by_key(|job| {
        let kills = job.cases.iter().filter(|case| case.is_kill()).count();
        let number = if few { job.number } else { 0 };
        (number, !job.operation.keeps_ready(), std::cmp::Reverse(kills))
    });
    jobs
}
