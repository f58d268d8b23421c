//! Runs cases and tells how they went.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Error};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;

use crate::client::Client;
use crate::lab::{Lab, Outcome, Skipped};

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is about.
    pub group: &'static str,
    /// What holds.
    pub name: &'static str,
    /// Finds out.
    pub run: for<'a> fn(&'a Lab) -> BoxFuture<'a, Outcome>,
}

/// The cases of one group: `cases!["ports": one, another]`, each an `async fn(&Lab) -> Outcome`.
#[macro_export]
macro_rules! cases {
    ($group:literal: $($name:ident),* $(,)?) => {
        /// The cases of this group.
        pub const CASES: &[$crate::Case] = &[$($crate::Case {
            group: $group,
            name: stringify!($name),
            run: |lab| Box::pin($name(lab)),
        }),*];
    };
}

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not, and why.
    Fail(Vec<String>),
    /// It does not apply to this cloud, and why.
    Skip(String),
}

/// A case and how it went.
#[derive(Debug, Clone)]
pub struct Report {
    /// `group/name`, with blanks for underscores.
    pub name: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Single things that were compared.
    pub checks: usize,
    /// How long it took.
    pub time: Duration,
}

/// How to run a suite.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Only cases whose `group/name` contains this.
    pub filter: Option<String>,
    /// How many at once; at least one.
    pub parallel: usize,
    /// The name of a host of the cloud; of this machine, if it is not given.
    pub host: Option<String>,
    /// A folder for what was said in each case; then one runs at a time.
    pub transcripts: Option<PathBuf>,
}

impl Case {
    /// `group/name`, as people read it.
    pub fn title(&self) -> String {
        format!("{}/{}", self.group, self.name.replace('_', " "))
    }
}

/// Runs cases; each is told to `see` as soon as it is over.
pub async fn run(
    cases: &[Case],
    client: Arc<Client>,
    other: Option<Arc<Client>>,
    plan: &Plan,
    mut see: impl FnMut(&Report),
) -> Vec<Report> {
    let run = std::process::id();
    let parallel = if plan.transcripts.is_some() { 1 } else { plan.parallel.max(1) };
    let host = plan.host.clone().unwrap_or_else(this_machine);
    let wanted = |case: &&Case| plan.filter.as_deref().is_none_or(|filter| case.title().contains(filter));
    let started = cases.iter().filter(wanted).enumerate().map(|(number, case)| {
        let lab = Lab::new(client.clone(), other.clone(), host.clone(), format!("conformance-{run}-{number}"));
        one(*case, lab, plan)
    });
    let mut running = stream::iter(started).buffer_unordered(parallel);
    let mut reports = Vec::new();
    while let Some(report) = running.next().await {
        see(&report);
        reports.push(report);
    }
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    reports
}

fn this_machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

async fn one(case: Case, lab: Lab, plan: &Plan) -> Report {
    let began = Instant::now();
    if plan.transcripts.is_some() {
        lab.client.record();
    }
    let outcome = (case.run)(&lab).await;
    if let Some(folder) = &plan.transcripts {
        let path = folder.join(format!("{}.txt", case.title().replace(['/', ' '], "_")));
        let written = std::fs::write(&path, lab.client.recorded());
        lab.check(written.is_ok(), || format!("cannot write {}", path.display()));
    }
    lab.clean().await;
    let (checks, mut problems) = lab.verdict();
    let verdict = match outcome {
        Err(error) if error.is::<Skipped>() && problems.is_empty() => Verdict::Skip(error.to_string()),
        Err(error) => {
            problems.push(shown(&error));
            Verdict::Fail(problems)
        }
        Ok(()) if problems.is_empty() => Verdict::Pass,
        Ok(()) => Verdict::Fail(problems),
    };
    Report { name: case.title(), verdict, checks, time: began.elapsed() }
}

fn shown(error: &Error) -> String {
    format!("{error:#}")
}

/// One report as lines for people.
pub fn line(report: &Report) -> String {
    let mut text = match &report.verdict {
        Verdict::Pass => format!("pass {}", report.name),
        Verdict::Skip(reason) => format!("skip {}: {reason}", report.name),
        Verdict::Fail(_) => format!("FAIL {}", report.name),
    };
    if let Verdict::Fail(problems) = &report.verdict {
        for problem in problems {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  - {problem}");
        }
    }
    text
}

/// The last line.
pub fn summary(reports: &[Report]) -> String {
    let count = |wanted: fn(&Verdict) -> bool| reports.iter().filter(|report| wanted(&report.verdict)).count();
    format!(
        "{} cases: {} passed, {} failed, {} skipped; {} checks",
        reports.len(),
        count(|verdict| *verdict == Verdict::Pass),
        count(|verdict| matches!(verdict, Verdict::Fail(_))),
        count(|verdict| matches!(verdict, Verdict::Skip(_))),
        reports.iter().map(|report| report.checks).sum::<usize>()
    )
}

/// Makes the folder of the transcripts.
pub fn prepare(plan: &Plan) -> anyhow::Result<()> {
    match &plan.transcripts {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
        }
        None => Ok(()),
    }
}
