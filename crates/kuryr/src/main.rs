//! Kuryr: real Neutron ports for containers.

mod check;
mod cli;
mod cloud;
mod comparison;
mod completion;
mod config_command;
mod configuration;
mod confinement;
mod docker;
mod embedded;
mod explain;
mod failure;
mod listen;
mod logging;
mod managed;
mod manual;
mod names;
mod output;
mod plugin;
mod pool;
mod process;
mod reload;
mod serve;
mod server;
mod state_lock;
mod status;
mod table;
mod ui;
mod up;
mod upgrade_check;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, CloudCommand, Command};
use configuration::Given;
use failure::Failure;
use names::Name;
use std::process::ExitCode;

fn main() -> ExitCode {
    confinement::hide_memory();
    // The only failure is that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Name::of_process() {
        Name::Kuryr => kuryr(),
        Name::Server => server::main(),
        Name::Status => upgrade_check::main(),
    }
}

fn kuryr() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(&cli.command, Given::new(&matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command, given: Given) -> Result<(), Failure> {
    match command {
        Command::Up(up) => up::run(up, given),
        Command::Docker(docker) => docker::run(given.with_sockets(&docker.sockets)),
        Command::Serve(serve) => serve::run(serve, given),
        Command::Managed(_) => managed::run(given),
        Command::Cloud(cloud) => match &cloud.command {
            Some(CloudCommand::Backup(backup)) => cloud::backup(backup, given),
            Some(CloudCommand::Restore(restore)) => cloud::restore(restore, given),
            Some(CloudCommand::Purge(purge)) => cloud::purge(purge, given),
            None => cloud::run(cloud, given),
        },
        Command::Status(status) => status::run(status, given),
        Command::Ui(ui) => ui::run(ui, given),
        Command::Check(check) => check::run(check, given),
        Command::Explain(explain) => explain::run(explain, given),
        Command::Diff(diff) => comparison::diff(diff, given),
        Command::Gc(gc) => comparison::gc(gc, given),
        Command::Pool(pool) => pool::run(&pool.command, given),
        Command::Config(config) => config_command::run(&config.command, given),
        Command::Completion(completion) => completion::run(completion.shell),
        Command::Manual(manual) => manual::run(manual),
    }
}
