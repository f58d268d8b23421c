//! `kuryr-status upgrade check`: whether this machine is ready, in the form of OpenStack's upgrade checks.

mod cloud;
pub mod machine;
mod report;

pub use report::Outcome;

use crate::{configuration::Given, output, server::sources};
use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::Shell;
use kuryr_config::{Diagnostic, Settings, Severity};
use report::{Check, Report};
use std::process::ExitCode;

const NAME: &str = "kuryr-status";
/// Exit status of what nobody expected.
const UNEXPECTED: u8 = 255;

/// Runs the checks. The exit status is 0 when all is well, 1 with a warning, 2 with a failure, 255 when the checks
/// themselves could not be made; a command line that is wrong gives 2.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    if let Some(shell) = matches.get_one::<Shell>("shell_completion") {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut command(), NAME, &mut script);
        return match output::write(&script) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(UNEXPECTED),
        };
    }
    let wants_json = matches
        .subcommand_matches("upgrade")
        .is_some_and(|upgrade| upgrade.get_flag("json") || upgrade.subcommand_matches("check").is_some_and(json));
    match checked(&matches).and_then(|report| Ok((report.render(wants_json)?, report.exit_status()))) {
        Ok((text, status)) => match output::write(text.as_bytes()) {
            Ok(()) => ExitCode::from(status),
            Err(_) => ExitCode::from(UNEXPECTED),
        },
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(UNEXPECTED)
        }
    }
}

fn json(check: &ArgMatches) -> bool {
    check.get_flag("json")
}

/// The command line.
pub fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON");
    Command::new(NAME)
        .about("Check whether this machine is ready for this version of Kuryr")
        .after_help(
            "Example:\n  sudo kuryr-status upgrade check\n\nExit status:\n  0    all is well\n  1    there is a warning; \
             Kuryr will work\n  2    there is a failure; Kuryr will not work\n  255  the checks could not be made",
        )
        .max_term_width(110)
        .args(sources())
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("upgrade")
                .about("Checks before an upgrade")
                .arg(json())
                .subcommand_required(true)
                .disable_help_subcommand(true)
                .subcommand(Command::new("check").about("Check this machine and its cloud").arg(json())),
        )
        .arg_required_else_help(true)
}

fn checked(matches: &ArgMatches) -> anyhow::Result<Report> {
    if matches.subcommand().is_none() {
        command().error(clap::error::ErrorKind::MissingSubcommand, "a command is required: upgrade").exit();
    }
    let mut report = Report::default();
    let settings = match Settings::load(&Given::new(matches).sources()) {
        Ok(settings) => settings,
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity() == Severity::Error);
            report.add(Check::new("Configuration", Outcome::Failure, told(errors)));
            report.add(machine::original_server()?);
            return Ok(report);
        }
    };
    report.add(configuration(&settings));
    report.add(machine::original_server()?);
    report.add(machine::discovery(&settings.docker));
    for check in cloud::checks(&settings)? {
        report.add(check);
    }
    Ok(report)
}

fn configuration(settings: &Settings) -> Check {
    if settings.warnings.is_empty() {
        let files: Vec<String> = settings.files.iter().map(|file| file.display().to_string()).collect();
        let read = if files.is_empty() { "no file: defaults".to_owned() } else { files.join(", ") };
        return Check::new("Configuration", Outcome::Success, read);
    }
    Check::new("Configuration", Outcome::Warning, told(settings.warnings.iter()))
}

fn told<'a>(problems: impl Iterator<Item = &'a Diagnostic>) -> String {
    let lines: Vec<String> = problems
        .map(|problem| match problem.place() {
            Some(place) => format!("{}:{}: {}", place.path(), place.line(), problem.message()),
            None => problem.message().to_owned(),
        })
        .collect();
    lines.join("; ")
}
