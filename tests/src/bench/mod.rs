//! Benchmarks: Kuryr and its peer on the same private machine, in the same run, taking turns.

mod api;
mod endpoint;
mod enforcement;
mod openstack;
mod process;
mod proxy;
mod report;
mod series;
mod throughput;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
pub(crate) use process::resident_at;
use report::Report;
pub(crate) use report::{Section, write_section};

use crate::narrator::Narrator;
use crate::{Host, Kuryr, Paths, PrivateEngine};

/// Where Kuryr listens, so that a proxy can stand where Docker looks.
const PLUGIN: &str = "/run/kuryr/plugin.sock";

/// How the document explains figures of the embedded cloud.
const DOCKER: &str = "\
`cargo xtask bench docker --write` wrote this section. It measures on a private machine (network, mount and
process namespaces) with a real dockerd, with Docker's own bridge driver as the peer: same engine, same run,
taking turns. *Our share* is the time that a proxy between dockerd and the plugin sees the plugin busy; the
rest of a connect is Docker's. The database is on the disk, with `synchronous=FULL`. A budget says what the
project has set itself; `no` beside it is work to do.";

/// How the document explains figures of a real OpenStack.
const OPENSTACK: &str = "\
`cargo xtask bench openstack --write` wrote this section. Kuryr and the Python original (kuryr-libnetwork from
PyPI, as its own server program runs it) are asked by the same client, in the same run and in turns, exactly what
dockerd asks for a network and a container on it without published ports, on connections that stay open as long as the
plugin leaves them so, as dockerd's do. Both work on the same Keystone and
Neutron (ML2/OVN, two API workers, tokens believed in for 300 s as anywhere) with the same Open vSwitch, of `rig/openstack`; who
is first in a turn changes.
A proxy between the plugin and Keystone and Neutron counts calls, on the average of one operation: those that the
answer to Docker waits for, and those that nobody waits for, which Kuryr marks (`Priority: u=7`). A container runs until
there have been no calls for 1.5 s, and so long is waited after its network is gone. At one time are operations on networks of their own; Docker's own work, such as
moving the interface, is in no figure. Where ports are \
kept ready (`vif_pool_driver = neutron`), a network has one container, and others start and stop beside it one after \
the other; the original keeps none ready, so its own starts and stops stand beside. There are 24 operations one at a time and twice 16 at \
once; the slowest of so few is chance and has no budget.";

/// Run with the program's arguments: `[docker] [--write FILE]` or `openstack ORIGINAL [--write FILE]`, where ORIGINAL is
/// the virtual environment of the original.
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
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (words, file) = match words.as_slice() {
        [words @ .., "--write", file] => (words, Some(Path::new(*file))),
        words => (words, None),
    };
    let (report, section) = match words {
        [] | ["docker"] => (docker(narrator)?, docker_section()),
        ["openstack", original] => {
            (openstack::measure(narrator, Path::new(*original))?, openstack_section(Path::new(*original)))
        }
        _ => bail!("unknown arguments {arguments:?}; there is [docker | openstack ORIGINAL] [--write FILE]"),
    };
    anstream::println!("\n{}", report.table());
    if let Some(file) = file {
        report.write(file, &section)?;
        narrator.end(&format!("written to {}", file.display()));
    }
    Ok(())
}

fn docker_section() -> Section {
    let version = said(Command::new("dockerd").arg("--version"));
    let engine = version.split(',').next().unwrap_or_default().to_owned();
    Section { title: "Docker on the embedded cloud", text: DOCKER, with: format!("Engine: {engine}") }
}

fn openstack_section(original: &Path) -> Section {
    let script = "from importlib.metadata import version as v; \
                  import platform; print(v('kuryr-libnetwork'), 'on Python', platform.python_version())";
    let version = said(Command::new(original.join("bin/python")).args(["-c", script]));
    Section { title: "Docker on OpenStack", text: OPENSTACK, with: format!("Original: {version}") }
}

/// What a command says; nothing if it cannot be run.
fn said(command: &mut Command) -> String {
    command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn docker(narrator: &Narrator) -> Result<Report> {
    let mut report = Report::against("Docker's bridge");
    let host = Host::boot()?;
    let result = measure(narrator, &host, &mut report);
    if result.is_err() {
        // The machine and its files are gone when the reader sees the error.
        let log = Kuryr::log(&host);
        let lines: Vec<&str> = log.lines().collect();
        anstream::eprintln!("last lines of kuryr:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    result.map(|()| report)
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
    narrator.step("a rule for many ports", || enforcement::measure(host, &engine, &cloud, report))?;
    narrator.step("ports by the embedded API", || api::measure(host, &cloud, &clouds, report))?;
    narrator.step("start with that many ports", || process::second_start(host, &mut kuryr, &cloud, report))
}
