//! Benchmarks: Kuryr and its peer on the same private machine, in the same run, taking turns.

mod api;
mod endpoint;
mod process;
mod proxy;
mod report;
mod series;
mod throughput;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use report::Report;

use crate::{Host, Kuryr, Paths, PrivateEngine};

/// Where Kuryr listens, so that a proxy can stand where Docker looks.
const PLUGIN: &str = "/run/kuryr/plugin.sock";

/// Run with the program's arguments: nothing, or `--write FILE`.
pub fn main(arguments: &[String]) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let file = match arguments {
        [] => None,
        [flag, file] if flag == "--write" => Some(file),
        _ => bail!("unknown arguments {arguments:?}; there is --write FILE"),
    };
    let mut report = Report::default();
    let host = Host::boot()?;
    let result = measure(&host, &mut report);
    if result.is_err() {
        let log = Kuryr::log(&host);
        let lines: Vec<&str> = log.lines().collect();
        anstream::eprintln!("last lines of kuryr:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    result?;
    anstream::println!("\n{}", report.table());
    if let Some(file) = file {
        std::fs::write(file, report.document()?).with_context(|| format!("cannot write {file}"))?;
        anstream::println!("written to {file}");
    }
    Ok(())
}

fn measure(host: &Host, report: &mut Report) -> Result<()> {
    // The database is on the disk, where it would be, not in the private machine's memory.
    let state = host.scratch().join("state");
    let config = format!("[cloud]\nstate_dir = {}\n\n[docker]\nplugin_socket = {PLUGIN}\n", state.display());
    let say = |what: &str| anstream::println!("  {what}");
    say("an engine on a private machine");
    let engine = PrivateEngine::start(host)?;
    let proxy = proxy::Proxy::start(&host.path(Paths::PLUGIN), &host.path(PLUGIN))?;
    say("start and memory");
    let mut kuryr = process::first_start(host, &config, report)?;
    let cloud = crate::Cloud::connect(&host.path(Paths::API), &state.join("clouds.yaml"))?;
    say("connect and disconnect, taking turns with Docker's bridge driver");
    endpoint::measure(&engine, &proxy, report)?;
    say("throughput and latency, taking turns with Docker's bridge driver");
    throughput::measure(host, &engine, report)?;
    say("ports by the embedded API");
    api::measure(host, &cloud, &state.join("clouds.yaml"), report)?;
    say("start with that many ports");
    process::second_start(host, &mut kuryr, &cloud, report)
}
