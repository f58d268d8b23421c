//! Soak: for a given time a random load of everything that people and accidents do, on both clouds side by side; then it
//! must be as if nothing had been. The same seed gives the same load; only how threads meet is left to chance.

mod end;
mod foreign;
mod load;
mod machine;
mod operation;
mod seen;
mod tally;
mod weather;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::bench::{Section, write_section};
use foreign::Foreign;
use load::{Load, OTHER};
use machine::{Kind, Machine};
use tally::Tally;

/// A sign of life this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How the document explains the figures.
const TEXT: &str = "\
`cargo xtask soak --write` wrote this section. Each cloud has a private machine with a real dockerd, on which up to six
things at a time are done with twelve containers and six networks: created, started, stopped, restarted, connected,
disconnected, removed, with exposed and published ports, dual stack, `--internal`, and on somebody else's network. In a
third of the rounds a proxy before the cloud does some calls wrong; in another third a process is killed or restarted. After
each round two containers of one network must reach each other and no address may be there twice. At the end all sides must
come into step by themselves, everything is removed, and nothing may be left. What was refused was refused with a reason.";

/// What the program was asked for.
#[derive(Debug)]
struct Request {
    minutes: f64,
    seed: u64,
    kinds: Vec<Kind>,
    logs: PathBuf,
    write: Option<PathBuf>,
}

/// Run with the program's arguments: `--minutes N --seed S --cloud embedded|openstack|both --logs FOLDER [--write FILE]`.
pub fn main(arguments: &[String]) -> ExitCode {
    match Request::parse(arguments).and_then(|request| run(&request)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Self> {
        let logs = std::env::temp_dir();
        let mut request = Self { minutes: 5.0, seed: 1, kinds: vec![Kind::Embedded], logs, write: None };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { bail!("{} has no value", pair[0]) };
            match name.as_str() {
                "--minutes" => request.minutes = value.parse().with_context(|| format!("--minutes {value}"))?,
                "--seed" => request.seed = value.parse().with_context(|| format!("--seed {value}"))?,
                "--cloud" => request.kinds = kinds(value)?,
                "--logs" => request.logs = PathBuf::from(value),
                "--write" => request.write = Some(PathBuf::from(value)),
                _ => bail!("unknown argument {name}"),
            }
        }
        Ok(request)
    }
}

fn kinds(word: &str) -> Result<Vec<Kind>> {
    Ok(match word {
        "embedded" => vec![Kind::Embedded],
        "openstack" => vec![Kind::OpenStack],
        "both" => vec![Kind::Embedded, Kind::OpenStack],
        _ => bail!("--cloud {word}: there is embedded, openstack, both"),
    })
}

fn run(request: &Request) -> Result<bool> {
    anstream::println!("soak: {} min, seed {}", request.minutes, request.seed);
    let tallies = std::thread::scope(|scope| -> Result<Vec<Tally>> {
        let threads: Vec<_> = request.kinds.iter().map(|kind| scope.spawn(|| soak(*kind, request))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a machine's thread panicked"))).collect()
    })?;
    let table = tally::table(&tallies);
    anstream::println!("\n{table}");
    for tally in &tallies {
        tally.defects.iter().for_each(|defect| anstream::println!("{}: {defect}", tally.kind));
    }
    for tally in &tallies {
        tally.strange.iter().for_each(|error| anstream::println!("{}: refused for {OTHER}, {error}", tally.kind));
    }
    tallies.iter().for_each(|tally| anstream::println!("{}", tally.summary()));
    let well = tallies.iter().all(Tally::is_well);
    if !well {
        anstream::println!("logs: {}; the same again: --seed {}", request.logs.display(), request.seed);
    }
    if let Some(file) = &request.write {
        let with = format!("Seed: {}", request.seed);
        write_section(file, &Section { title: "Soak", text: TEXT, with }, &table)?;
    }
    Ok(well)
}

/// One machine's load and end; whatever goes wrong is in the tally.
fn soak(kind: Kind, request: &Request) -> Tally {
    let mut tally = Tally::new(kind);
    let journal = match Journal::open(kind, &request.logs) {
        Ok(journal) => journal,
        Err(error) => {
            tally.defects.push(format!("{error:#}"));
            return tally;
        }
    };
    if let Err(error) = on_machine(kind, request, &journal, &mut tally) {
        tally.defects.push(format!("{error:#}"));
    }
    tally
}

fn on_machine(kind: Kind, request: &Request, journal: &Journal, tally: &mut Tally) -> Result<()> {
    let mut machine = Machine::boot(kind, request.seed)?;
    tally.ready_ports = machine.ready_ports;
    let foreign = Foreign::prepare(&machine)?;
    tally.before = Some(machine.weigh()?);
    let tell = |text: &str| journal.tell(text);
    let time = Duration::from_secs_f64(request.minutes * 60.0);
    let mut outcome = Load::new(&mut machine, &foreign, request.seed, &tell).run(time, tally);
    tell("the load is over");
    if outcome.is_ok() {
        outcome = end::come_to_rest(&mut machine, &foreign, tally);
        tally.after = machine.weigh().ok();
    }
    (tally.calls, tally.faults) = machine.weather.seen();
    for (name, text) in machine.logs() {
        fs::write(request.logs.join(format!("soak-{kind}-{name}.log")), text)?;
    }
    outcome
}

/// Everything that was done goes to a file; now and then a line goes to the screen.
struct Journal {
    kind: Kind,
    file: Mutex<fs::File>,
    started: Instant,
    told: Mutex<Instant>,
}

impl Journal {
    fn open(kind: Kind, folder: &Path) -> Result<Self> {
        let path = folder.join(format!("soak-{kind}.log"));
        let file = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let now = Instant::now();
        Ok(Self { kind, file: Mutex::new(file), started: now, told: Mutex::new(now) })
    }

    fn tell(&self, text: &str) {
        let passed = self.started.elapsed();
        if let Ok(mut file) = self.file.lock() {
            // A full disk is no reason to end the load.
            let _ = writeln!(file, "{:8.2} {} {text}", passed.as_secs_f64(), jiff::Timestamp::now());
        }
        if let Ok(mut told) = self.told.lock()
            && told.elapsed() >= HEARTBEAT
            && !text.starts_with(' ')
        {
            *told = Instant::now();
            anstream::println!("  {:>4} s  {:<9}  {text}", passed.as_secs(), self.kind);
        }
    }
}
