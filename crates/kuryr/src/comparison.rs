//! `kuryr diff` and `kuryr gc`: Docker, Neutron and this machine's interfaces side by side, and in step again.

use crate::{
    cli::{Diff, Gc, SourceOfTruth},
    configuration::Given,
    failure::Failure,
    output, plugin, process,
    status::connection::Connection,
    table::{fits, or_dash, section, terminal_width},
};
use anyhow::Context;
use kuryr_config::Settings;
use kuryr_docker::{
    Plugin,
    reconcile::{Outcome, Reconciler, Row, Truth, Young},
};
use serde_json::json;
use std::time::Duration;

/// A container is up, or given up, within this.
const YOUNG: Duration = Duration::from_secs(60);
const TITLES: [&str; 4] = ["DOCKER", "NEUTRON", "KERNEL", "DIFFERENCE"];

/// Shows what differs.
pub fn diff(diff: &Diff, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&diff.place).settings()?;
    let outcome = process::runtime()?.block_on(outcome(&settings))?;
    let text = if diff.json { as_json(&outcome)? } else { as_table(&outcome, diff.all) };
    output::write(text.as_bytes())?;
    if outcome.rows.iter().any(|row| row.difference.is_one()) { Err(Failure::OutOfStep) } else { Ok(()) }
}

/// Removes what is wrong.
pub fn gc(gc: &Gc, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&gc.place).settings()?;
    process::require_rights()?;
    let truth = match gc.source_of_truth {
        SourceOfTruth::Docker => Truth::Docker,
        SourceOfTruth::Neutron => Truth::Neutron,
    };
    let runtime = process::runtime()?;
    if gc.dry_run {
        let outcome = runtime.block_on(outcome(&settings))?;
        warn_without_docker(&outcome);
        let rows: Vec<&Row> = outcome.rows.iter().filter(|row| row.is_collected(truth)).collect();
        let text =
            rows.iter().map(|row| format!("would remove {row}: {}\n", row.difference.text())).collect::<String>();
        return output::write(if text.is_empty() { b"nothing to remove\n" } else { text.as_bytes() });
    }
    let outcome = runtime.block_on(async { told(reconciler(&settings)?.collect(truth).await) })?;
    warn_without_docker(&outcome);
    let removed = outcome.removed.iter().map(|row| format!("removed {row}: {}\n", row.difference.text()));
    let failed = outcome.failed.iter().map(|(row, error)| format!("NOT removed {row}: {error}\n"));
    let text = removed.chain(failed).collect::<String>();
    output::write(if text.is_empty() { b"nothing to remove\n" } else { text.as_bytes() })?;
    if outcome.failed.is_empty() { Ok(()) } else { Err(Failure::OutOfStep) }
}

/// Docker, Neutron and this machine's interfaces, compared.
pub async fn outcome(settings: &Settings) -> Result<Outcome, Failure> {
    told(reconciler(settings)?.compare().await)
}

fn reconciler(settings: &Settings) -> Result<Reconciler, Failure> {
    let connection = Connection::to(settings)?;
    let service = Plugin::new(connection.neutron, plugin::binder(settings)?, plugin::settings(settings));
    Ok(Reconciler::new(&service, &settings.docker.docker_socket, Young::Changed(YOUNG)))
}

fn told(result: Result<Outcome, kuryr_docker::Error>) -> Result<Outcome, Failure> {
    Ok(result.context("cannot compare")?)
}

fn warn_without_docker(outcome: &Outcome) {
    if outcome.without_docker {
        anstream::eprintln!("note: Docker does not answer, so what it may have is left alone");
    }
}

fn as_json(outcome: &Outcome) -> Result<String, Failure> {
    let all = json!({"docker_answers": !outcome.without_docker, "rows": outcome.rows});
    Ok(format!("{}\n", serde_json::to_string_pretty(&all).context("cannot write JSON")?))
}

fn as_table(outcome: &Outcome, all: bool) -> String {
    warn_without_docker(outcome);
    let agree = outcome.rows.iter().filter(|row| !row.difference.is_one()).count();
    let shown: Vec<&Row> = outcome.rows.iter().filter(|row| all || row.difference.is_one()).collect();
    let cells = |row: &&Row| {
        let side = |side: &Option<String>| side.as_deref().map_or_else(|| "-".to_owned(), or_dash);
        vec![side(&row.docker), side(&row.neutron), side(&row.kernel), row.difference.text().to_owned()]
    };
    let title = if all { "Compared" } else { "Out of step" };
    let render = |width| {
        let mut text = String::new();
        if !shown.is_empty() {
            section(&mut text, title, &TITLES, shown.iter().map(cells).collect(), width);
        }
        text.trim_start().to_owned()
    };
    let whole = render(None);
    let table = match terminal_width() {
        Some(width) if !fits(&whole, width) => render(Some(width)),
        _ => whole,
    };
    if all { table } else { format!("{table}{agree} in step\n") }
}
