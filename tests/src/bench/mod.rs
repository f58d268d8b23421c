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

use crate::narrator::Narrator;
use crate::{Host, Kuryr, Paths, PrivateEngine};

/// Where Kuryr listens, so that a proxy can stand where Docker looks.
const PLUGIN: &str = "/run/kuryr/plugin.sock";

/// Run with the program's arguments: nothing, or `--write FILE`.
pub fn main(arguments: &[String]) -> ExitCode {
    let narrator = Narrator::new();
    match run(&narrator, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            narrator.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(narrator: &Narrator, arguments: &[String]) -> Result<()> {
    let file = match arguments {
        [] => None,
        [flag, file] if flag == "--write" => Some(file),
        _ => bail!("unknown arguments {arguments:?}; there is --write FILE"),
    };
    let mut report = Report::default();
    let host = Host::boot()?;
    let result = measure(narrator, &host, &mut report);
    if result.is_err() {
        // The machine and its files are gone when the reader sees the error.
        let log = Kuryr::log(&host);
        let lines: Vec<&str> = log.lines().collect();
        anstream::eprintln!("last lines of kuryr:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    result?;
    anstream::println!("\n{}", report.table());
    if let Some(file) = file {
        if let Some(folder) = std::path::Path::new(file).parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(file, report.document()?).with_context(|| format!("cannot write {file}"))?;
        narrator.end(&format!("written to {file}"));
    }
    Ok(())
}

fn measure(narrator: &Narrator, host: &Host, report: &mut Report) -> Result<()> {
    // The database is on the disk, where it would be, not in the private machine's memory.
    let state = host.scratch().join("state");
    let clouds = state.join("clouds.yaml");
    let config = format!("[cloud]\nstate_dir = {}\n\n[docker]\nplugin_socket = {PLUGIN}\n", state.display());
    let engine = narrator.step("an engine on a private machine", || PrivateEngine::start(host))?;
    let proxy = proxy::Proxy::start(&host.path(Paths::PLUGIN), &host.path(PLUGIN))?;
    let mut kuryr = narrator.step("start and memory", || process::first_start(host, &config, report))?;
    let cloud = crate::Cloud::connect(&host.path(Paths::API), &clouds)?;
    narrator
        .step("connect and disconnect, in turns with Docker's bridge", || endpoint::measure(&engine, &proxy, report))?;
    narrator
        .step("throughput and latency, in turns with Docker's bridge", || throughput::measure(host, &engine, report))?;
    narrator.step("ports by the embedded API", || api::measure(host, &cloud, &clouds, report))?;
    narrator.step("start with that many ports", || process::second_start(host, &mut kuryr, &cloud, report))
}
