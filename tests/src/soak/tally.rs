//! What happened, counted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::machine::Kind;
use super::operation::Event;

/// Counts of one kind of operation.
#[derive(Debug, Default, Clone)]
pub struct Times {
    /// Done.
    pub done: usize,
    /// Answered with an error.
    pub refused: usize,
    /// The longest, in milliseconds.
    pub longest: u128,
}

/// What Kuryr's plugin takes of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Resident memory, in MB.
    pub memory: f64,
    /// Open files.
    pub files: usize,
}

/// All counts of one machine.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Which cloud it had.
    pub kind: Kind,
    /// Whether ports were kept ready.
    pub ready_ports: bool,
    /// How long the load was on.
    pub load: Duration,
    /// Rounds of operations at the same time.
    pub rounds: usize,
    /// Operations by name.
    pub operations: BTreeMap<&'static str, Times>,
    /// Errors by reason.
    pub refusals: BTreeMap<&'static str, usize>,
    /// Errors in bad weather whose reason is none of the known.
    pub strange: Vec<String>,
    /// Restarts and their like.
    pub events: BTreeMap<Event, usize>,
    /// Calls to the cloud.
    pub calls: usize,
    /// What the weather did to them.
    pub faults: BTreeMap<String, usize>,
    /// Pairs of containers that reached each other.
    pub pairs: usize,
    /// Kuryr's plugin before the load; nothing: it never came so far.
    pub before: Option<Weight>,
    /// The most of each during the load.
    pub most: Weight,
    /// After everything was removed.
    pub after: Option<Weight>,
    /// Until all sides were in step after the load, in seconds.
    pub settled: Option<f64>,
    /// What must not be.
    pub defects: Vec<String>,
    /// How much of ours was left in Neutron, Docker and the kernel.
    pub leftovers: usize,
    /// How much of others was touched.
    pub touched: usize,
}

impl Tally {
    /// Nothing yet.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            ready_ports: false,
            load: Duration::ZERO,
            rounds: 0,
            operations: BTreeMap::new(),
            refusals: BTreeMap::new(),
            strange: Vec::new(),
            events: BTreeMap::new(),
            calls: 0,
            faults: BTreeMap::new(),
            pairs: 0,
            before: None,
            most: Weight { memory: 0.0, files: 0 },
            after: None,
            settled: None,
            defects: Vec::new(),
            leftovers: 0,
            touched: 0,
        }
    }

    /// Whether everything held.
    pub fn is_well(&self) -> bool {
        self.defects.is_empty() && self.settled.is_some()
    }

    /// Operations, done or not.
    pub fn operations(&self) -> usize {
        self.operations.values().map(|times| times.done + times.refused).sum()
    }

    /// Errors that Docker's clients were told.
    pub fn refused(&self) -> usize {
        self.operations.values().map(|times| times.refused).sum()
    }

    /// Calls that went wrong.
    pub fn faults(&self) -> usize {
        self.faults.values().sum()
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "{}: {:.0} min of load, {} operations ({} refused), {} faults, {} kills and restarts, {:.0} MB at most, \
             {} left over, {}",
            self.kind,
            self.load.as_secs_f64() / 60.0,
            self.operations(),
            self.refused(),
            self.faults(),
            self.events.values().sum::<usize>(),
            self.most.memory,
            self.leftovers,
            if self.is_well() { "well".to_owned() } else { format!("{} DEFECTS", self.defects.len()) }
        )
    }
}

/// The counts of all machines side by side, in Markdown.
pub fn table(all: &[Tally]) -> String {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row =
        |name: &str, of: &dyn Fn(&Tally) -> String| rows.push((name.to_owned(), all.iter().map(of).collect()));
    row("load", &|it| format!("{:.1} min", it.load.as_secs_f64() / 60.0));
    row("ports kept ready", &|it| if it.ready_ports { "yes" } else { "no" }.to_owned());
    row("rounds", &|it| it.rounds.to_string());
    let names = |of: &dyn Fn(&Tally) -> Vec<String>| {
        let mut names: Vec<String> = all.iter().flat_map(of).collect();
        names.sort();
        names.dedup();
        names
    };
    for name in names(&|it| it.operations.keys().map(ToString::to_string).collect()) {
        row(&name, &|it| it.operations.get(name.as_str()).map_or_else(|| "–".to_owned(), Times::told));
    }
    row("operations in all", &|it| format!("{}, {} refused", it.operations(), it.refused()));
    for name in names(&|it| it.refusals.keys().map(ToString::to_string).collect()) {
        row(&format!("refused: {name}"), &|it| it.refusals.get(name.as_str()).unwrap_or(&0).to_string());
    }
    for name in names(&|it| it.events.keys().map(ToString::to_string).collect()) {
        row(&name, &|it| {
            let found = it.events.iter().find(|(event, _)| event.to_string() == name);
            found.map_or_else(|| "–".to_owned(), |(_, times)| times.to_string())
        });
    }
    row("calls to the cloud", &|it| it.calls.to_string());
    for name in names(&|it| it.faults.keys().cloned().collect()) {
        row(&format!("fault: {name}"), &|it| it.faults.get(&name).unwrap_or(&0).to_string());
    }
    row("containers that had to reach each other, and did", &|it| it.pairs.to_string());
    let weights = |it: &Tally| [it.before, Some(it.most), it.after];
    let told = |it: &Tally, of: &dyn Fn(Weight) -> String| {
        weights(it).map(|weight| weight.map_or_else(|| "–".to_owned(), of)).join(" / ")
    };
    row("memory of Kuryr (RSS) in MB: before, at most, after", &|it| told(it, &|it| format!("{:.1}", it.memory)));
    row("open files of Kuryr: before, at most, after", &|it| told(it, &|it| it.files.to_string()));
    row("in step after the load", &|it| it.settled.map_or_else(|| "never".to_owned(), |time| format!("{time:.1} s")));
    row("left over in Neutron, Docker and the kernel", &|it| it.leftovers.to_string());
    row("touched of others", &|it| it.touched.to_string());
    row("held", &|it| if it.is_well() { "yes" } else { "no" }.to_owned());
    let mut header = vec!["what".to_owned()];
    header.extend(all.iter().map(|it| it.kind.to_string()));
    layout(header, rows)
}

fn layout(header: Vec<String>, rows: Vec<(String, Vec<String>)>) -> String {
    let mut lines = vec![header];
    lines.extend(rows.into_iter().map(|(name, cells)| [vec![name], cells].concat()));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // A string takes every line.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rule.join("|"));
        }
    }
    text
}

impl Times {
    fn told(&self) -> String {
        let refused = if self.refused == 0 { String::new() } else { format!(", {} refused", self.refused) };
        format!(
            "{}{refused}, at most {:.1} s",
            self.done,
            f64::from(u32::try_from(self.longest).unwrap_or(u32::MAX)) / 1000.0
        )
    }
}
