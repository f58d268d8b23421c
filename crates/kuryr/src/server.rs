//! `kuryr-server`: the command line of the original's server, for units and images that start it by that name.

use crate::{
    cli::{DEBUG, FILE, FOLDER},
    configuration::Given,
    docker, output,
};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;
use std::{path::PathBuf, process::ExitCode};

const NAME: &str = "kuryr-server";

/// Options with a value: their names, aliases and the option of `[DEFAULT]` that each sets.
const VALUES: [(&str, &[&str], &str, &str, &str); 5] = [
    ("log-config-append", &["log-config", "log_config"], "PATH", "log_config_append", "Accepted and without effect"),
    ("log-date-format", &[], "DATE_FORMAT", "log_date_format", "Accepted and without effect"),
    ("log-dir", &["logdir"], "LOG_DIR", "log_dir", "Folder of the log file"),
    ("log-file", &["logfile"], "PATH", "log_file", "Append log lines to this file instead of standard error"),
    ("syslog-log-facility", &[], "SYSLOG_LOG_FACILITY", "syslog_log_facility", "Accepted and without effect"),
];

/// Switches, which have an inverse, and the option of `[DEFAULT]` that each sets. The last one given wins.
const SWITCHES: [(&str, &str, &str, &str); 4] = [
    (DEBUG, "nodebug", "debug", "Log what is of use to developers too"),
    ("use-journal", "nouse-journal", "use_journal", "Log to systemd's journal"),
    ("use-json", "nouse-json", "use_json", "Log one JSON object a line"),
    ("use-syslog", "nouse-syslog", "use_syslog", "Accepted: the journal hands lines to syslog"),
];

/// Runs the plugin on the configured cloud until a signal ends it. As with the original, a command line that is wrong
/// gives 2 and everything else that fails gives 1.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    if matches.get_flag("version") {
        return ended(output::write(format!("{}\n", env!("KURYR_VERSION")).as_bytes()));
    }
    if let Some(shell) = matches.get_one::<Shell>("shell_completion") {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut command(), NAME, &mut script);
        return ended(output::write(&script));
    }
    ended(docker::run(given(&matches)))
}

fn ended(outcome: Result<(), crate::failure::Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = failure.report();
            ExitCode::FAILURE
        }
    }
}

/// The files and folders that both of the original's programs read.
pub fn sources() -> [Arg; 3] {
    [
        Arg::new(FILE)
            .long("config-file")
            .value_name("PATH")
            .value_hint(ValueHint::FilePath)
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append)
            .help("Read this file instead of the default ones (repeatable, the later one wins)"),
        Arg::new(FOLDER)
            .long("config-dir")
            .value_name("DIR")
            .value_hint(ValueHint::DirPath)
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append)
            .help("Read *.conf of this folder, sorted by name"),
        Arg::new("shell_completion")
            .long("shell_completion")
            .value_name("SHELL")
            .value_parser(value_parser!(Shell))
            .help("Print a completion script for a shell"),
    ]
}

/// The command line.
pub fn command() -> Command {
    let mut command = Command::new(NAME)
        .about("Docker plugin on an OpenStack cloud, with the command line of kuryr-libnetwork's server")
        .after_help("Example:\n  kuryr-server --config-file /etc/kuryr/kuryr.conf\n\nIt is 'kuryr docker' otherwise.")
        .max_term_width(110)
        .disable_version_flag(true)
        .args_override_self(true)
        .arg(Arg::new("version").long("version").action(ArgAction::SetTrue).help("Print the version and exit"))
        .args(sources());
    for (name, aliases, value, _, help) in VALUES {
        let arg = Arg::new(name).long(name).visible_aliases(aliases).value_name(value).help(help);
        command = command.arg(arg.allow_hyphen_values(true));
    }
    for (name, inverse, _, help) in SWITCHES {
        let arg = Arg::new(name).long(name).action(ArgAction::SetTrue).overrides_with(inverse).help(help);
        command = command.arg(if name == DEBUG { arg.short('d') } else { arg });
        let help = format!("The inverse of --{name}");
        let arg = Arg::new(inverse).long(inverse).action(ArgAction::SetTrue).overrides_with(name).help(help);
        command = command.arg(arg);
    }
    command
}

fn given(matches: &ArgMatches) -> Given {
    let mut given = Given::new(matches);
    for (name, _, _, option, _) in VALUES {
        if let Some(value) = matches.get_one::<String>(name) {
            given.set("DEFAULT", option, &value.replace('$', "$$"), name);
        }
    }
    for (name, inverse, option, _) in SWITCHES {
        if matches.get_flag(name) {
            given.set("DEFAULT", option, "true", name);
        } else if matches.get_flag(inverse) {
            given.set("DEFAULT", option, "false", inverse);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_config::{Explicit, Override};

    fn read(words: &[&str]) -> (Vec<Explicit>, Vec<Override>) {
        let matches = command().try_get_matches_from([&[NAME], words].concat()).unwrap();
        let sources = given(&matches).sources();
        (sources.explicit, sources.overrides)
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn files_and_folders_keep_their_order() {
        let (explicit, _) = read(&["--config-file", "a", "--config-dir", "b", "--config-file=c"]);
        let file = |name: &str| Explicit::File(name.into());
        assert_eq!(explicit, [file("a"), Explicit::Folder("b".into()), file("c")]);
    }

    #[test]
    fn every_option_of_the_original_is_known() {
        for words in [
            &["--log-config-append", "x"][..],
            &["--log-config", "x"],
            &["--log_config", "x"],
            &["--log-date-format", "%Y"],
            &["--log-dir", "x"],
            &["--logdir", "x"],
            &["--log-file", "x"],
            &["--logfile", "x"],
            &["--syslog-log-facility", "LOG_USER"],
            &["--use-syslog"],
            &["--nouse-syslog"],
            &["--use-journal"],
            &["--nouse-journal"],
            &["--use-json"],
            &["--nouse-json"],
            &["-d"],
            &["--debug"],
            &["--nodebug"],
        ] {
            assert!(!read(words).1.is_empty(), "{words:?}");
        }
    }

    #[test]
    fn the_last_of_a_switch_and_its_inverse_wins() {
        let debug = |words: &[&str]| {
            let (_, overrides) = read(words);
            overrides.iter().rfind(|given| given.name == "debug").map(|given| given.value.clone())
        };
        assert_eq!(debug(&["--debug", "--nodebug"]).as_deref(), Some("false"));
        assert_eq!(debug(&["--nodebug", "-d"]).as_deref(), Some("true"));
        assert_eq!(debug(&["-d", "-d"]).as_deref(), Some("true"));
        assert_eq!(debug(&[]), None);
    }
}
