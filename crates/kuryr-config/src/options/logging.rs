//! `[DEFAULT]`: the options of oslo.log.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("DEFAULT", name, kind, help)
}

const FORMATS: &str = "log lines have Kuryr's own form; see use_json";
const ROTATION: &str = "leave rotation to logrotate or the journal";
const RATES: &str = "Kuryr does not drop log lines";

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("debug", Kind::Boolean, "Log what is of use to developers too.").default("false"),
    option("log_file", Kind::Path, "File to append log lines to instead of standard error, relative to log_dir.")
        .deprecated(&["logfile"]),
    option("log_dir", Kind::Path, "Directory of the log file; without log_file the file is kuryr-server.log.")
        .deprecated(&["logdir"]),
    option("use_json", Kind::Boolean, "Log one JSON object a line.").default("false"),
    option("use_stderr", Kind::Boolean, "Log to standard error even when there is a log file.").default("false"),
    option("log_config_append", Kind::Path, "File of Python logging configuration.")
        .deprecated(&["log_config"])
        .accepted("there is no Python logging"),
    option("log_date_format", Kind::Text, "Form of the date in a log line.")
        .default("%Y-%m-%d %H:%M:%S")
        .accepted(FORMATS),
    option("use_syslog", Kind::Boolean, "Log to syslog.")
        .default("false")
        .accepted("under systemd the journal has what is written to standard error and hands it to syslog"),
    option("syslog_log_facility", Kind::Text, "Facility of log lines in syslog.")
        .default("LOG_USER")
        .accepted("see use_syslog"),
    option(
        "use_journal",
        Kind::Boolean,
        "Log to systemd's journal in its own protocol: 'journalctl KURYR_PORT=ID' finds what was done for a port, and so do \
         KURYR_NETWORK, KURYR_ENDPOINT and KURYR_POOL.",
    )
    .default("false"),
    option("watch_log_file", Kind::Boolean, "Open the log file again when it was moved.")
        .default("false")
        .accepted("at SIGHUP the log file is opened again"),
    option("log_color", Kind::Boolean, "Colour log lines by level.")
        .default("false")
        .accepted("colours are used where a terminal shows them, unless NO_COLOR is set"),
    option("log_rotate_interval", Kind::INTEGER, "Time between two log files.").default("1").accepted(ROTATION),
    option(
        "log_rotate_interval_type",
        Kind::Choice { words: &["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"], any_case: true },
        "Unit of log_rotate_interval.",
    )
    .default("days")
    .accepted(ROTATION),
    option("max_logfile_count", Kind::INTEGER, "Number of old log files kept.").default("30").accepted(ROTATION),
    option("max_logfile_size_mb", Kind::INTEGER, "Largest log file in MB.").default("200").accepted(ROTATION),
    option(
        "log_rotation_type",
        Kind::Choice { words: &["interval", "size", "none"], any_case: true },
        "What makes a new log file begin.",
    )
    .default("none")
    .accepted(ROTATION),
    option("logging_context_format_string", Kind::Text, "Form of log lines that belong to a request.")
        .default(
            "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s %(request_id)s \
             %(user_identity)s] %(instance)s%(message)s",
        )
        .accepted(FORMATS),
    option("logging_default_format_string", Kind::Text, "Form of log lines that belong to no request.")
        .default("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s")
        .accepted(FORMATS),
    option("logging_debug_format_suffix", Kind::Text, "What is added to log lines of level DEBUG.")
        .default("%(funcName)s %(pathname)s:%(lineno)d")
        .accepted(FORMATS),
    option("logging_exception_prefix", Kind::Text, "Start of the lines of an exception.")
        .default("%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s")
        .accepted(FORMATS),
    option("logging_user_identity_format", Kind::Text, "Form of user_identity in logging_context_format_string.")
        .default("%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s")
        .accepted(FORMATS),
    option("default_log_levels", Kind::List, "Python loggers and their levels.")
        .default(
            "amqp=WARN,boto=WARN,sqlalchemy=WARN,suds=INFO,oslo.messaging=INFO,oslo_messaging=INFO,iso8601=WARN,\
             requests.packages.urllib3.connectionpool=WARN,urllib3.connectionpool=WARN,websocket=WARN,\
             requests.packages.urllib3.util.retry=WARN,urllib3.util.retry=WARN,keystonemiddleware=WARN,\
             routes.middleware=WARN,stevedore=WARN,taskflow=WARN,keystoneauth=WARN,oslo.cache=INFO,oslo_policy=INFO,\
             dogpile.core.dogpile=INFO",
        )
        .accepted("set levels with the environment variable RUST_LOG"),
    option("publish_errors", Kind::Boolean, "Publish errors as notifications.")
        .default("false")
        .accepted("Kuryr has no message bus"),
    option("instance_format", Kind::Text, "Form of an instance in a log line.")
        .default("[instance: %(uuid)s] ")
        .accepted(FORMATS),
    option("instance_uuid_format", Kind::Text, "Form of an instance's UUID in a log line.")
        .default("[instance: %(uuid)s] ")
        .accepted(FORMATS),
    option("rate_limit_interval", Kind::INTEGER, "Seconds over which log lines are counted.")
        .default("0")
        .accepted(RATES),
    option("rate_limit_burst", Kind::INTEGER, "Most log lines in rate_limit_interval.").default("0").accepted(RATES),
    option(
        "rate_limit_except_level",
        Kind::Choice { words: &["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""], any_case: false },
        "Level from which log lines are never dropped.",
    )
    .default("CRITICAL")
    .accepted(RATES),
    option("fatal_deprecations", Kind::Boolean, "Fail where something deprecated is used.")
        .default("false")
        .accepted("'kuryr config check' tells what is deprecated"),
];
