//! Kuryr: real Neutron ports for containers.

mod cli;
mod cloud;
mod completion;
mod config_command;
mod configuration;
mod docker;
mod embedded;
mod failure;
mod listen;
mod logging;
mod output;
mod plugin;
mod process;
mod state_lock;
mod status;
mod up;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, CloudCommand, Command};
use configuration::Given;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    // The only failure is that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&cli.command, Given::new(&matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command, given: Given) -> Result<(), Failure> {
    match command {
        Command::Up(up) => up::run(up, given),
        Command::Docker(docker) => docker::run(docker, given),
        Command::Cloud(cloud) => match &cloud.command {
            Some(CloudCommand::Purge(purge)) => cloud::purge(purge, given),
            None => cloud::run(cloud, given),
        },
        Command::Status(status) => status::run(status, given),
        Command::Config(config) => config_command::run(&config.command, given),
        Command::Completion(completion) => completion::run(completion.shell),
    }
}
