//! Project automation: demo, test, openapi, tidy, bench, soak, dist. Each prepares the machine first and says what it installs.

mod bench;
mod command;
mod conformance;
mod demo;
mod dist;
mod engine;
mod interrupt;
mod licences;
mod machine;
mod openapi;
mod openstack;
mod screen;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use screen::Screen;
use workspace::Workspace;

/// Automation of the Kuryr project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show Kuryr at work with real containers on this machine, then take everything down again
    Demo {
        /// Leave everything running at the end, and say what to try next
        #[arg(long, conflicts_with = "clean")]
        keep: bool,
        /// Remove every trace that a demo left, also a broken one; doing it twice does no harm
        #[arg(long)]
        clean: bool,
    },
    /// Run everything that must hold: format, tidy, licences, clippy, unit, kernel and container tests
    Test {
        /// Only tests whose name contains this; the checks of the source are left out
        #[arg(long)]
        filter: Option<String>,
        /// Leave out the real OpenStack, which is started here otherwise
        #[arg(long)]
        no_openstack: bool,
        /// Leave out the ten minutes of random load at the end, with faults, kills and restarts, on both clouds
        #[arg(long)]
        no_soak: bool,
        /// Let each call to the cloud go wrong in each way, not only in one; takes up to an hour more
        #[arg(long)]
        faults_in_full: bool,
    },
    /// Ask a real OpenStack, started here, and the embedded cloud the same, and tell every difference of their answers
    Conformance {
        /// Only cases whose name contains this
        #[arg(long)]
        filter: Option<String>,
    },
    /// Compare docs/openapi.json with the code that it is made from
    Openapi {
        /// Write it anew
        #[arg(long)]
        write: bool,
    },
    /// Check the rules of the house that no compiler checks
    Tidy,
    /// Measure against a peer in the same run
    Bench {
        #[command(subcommand)]
        subject: bench::Subject,
    },
    /// Put a random load on both clouds, with faults, kills and restarts; nothing may be left of it
    Soak(soak::Load),
    /// Make what is given away: a Debian package, a managed plugin of Docker
    Dist {
        #[command(subcommand)]
        product: dist::Product,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::happened() => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    interrupt::watch()?;
    let screen = Screen::new();
    let workspace = Workspace::find()?;
    match arguments.command {
        Command::Demo { keep, clean } => demo::run(&screen, &workspace, keep, clean),
        Command::Test { filter, no_openstack, no_soak, faults_in_full } => {
            let extent = test::Extent { openstack: !no_openstack, soak: !no_soak, faults_in_full };
            test::run(&screen, &workspace, filter.as_deref(), extent)
        }
        Command::Conformance { filter } => conformance::run(&screen, &workspace, filter.as_deref()),
        Command::Openapi { write } => openapi::run(&screen, &workspace, write),
        Command::Tidy => tidy::run(&screen, &workspace),
        Command::Bench { subject } => bench::run(&screen, &workspace, subject),
        Command::Soak(load) => soak::run(&screen, &workspace, &load),
        Command::Dist { product } => dist::run(&screen, &workspace, &product),
    }
}
