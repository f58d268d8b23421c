//! Log lines: to standard error, or to the file that is configured.

use anyhow::Context;
use kuryr_config::LoggingSettings;
use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

/// Log everything of ours that matters, and of the libraries what is wrong.
const USUAL: &str = "warn,kuryr=info,kuryr_cloud=info,kuryr_docker=info,kuryr_ports=info,kuryr_binding=info,\
                     kuryr_openstack=info,kuryr_netlink=info,kuryr_http=info";

/// The same, with what is of use to developers.
const DEBUG: &str = "info,kuryr=debug,kuryr_cloud=debug,kuryr_docker=debug,kuryr_ports=debug,kuryr_binding=debug,\
                     kuryr_openstack=debug,kuryr_netlink=debug,kuryr_http=debug";

/// Starts logging. `RUST_LOG`, where it is set, decides what is logged.
///
/// # Errors
/// The log file cannot be opened.
pub fn start(settings: &LoggingSettings) -> anyhow::Result<()> {
    start_at(settings, None)
}

/// The same, and nothing below `level`, if there is one.
pub fn start_at(settings: &LoggingSettings, level: Option<&str>) -> anyhow::Result<()> {
    let usual = level.unwrap_or(if settings.debug { DEBUG } else { USUAL });
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let file = match &settings.file {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some(file.with_context(|| format!("cannot open the log file '{}'", path.display()))?)
        }
        None => None,
    };
    let colour = file.is_none() && crate::failure::colour();
    let output =
        Output { stderr: file.is_none() || settings.stderr, file: file.map(|file| Arc::new(Mutex::new(file))) };
    let registry = tracing_subscriber::registry().with(filter);
    // Under systemd the journal has the time already.
    let in_journal =
        output.file.is_none() && !io::stderr().is_terminal() && std::env::var_os("JOURNAL_STREAM").is_some();
    let layer = tracing_subscriber::fmt::layer().with_writer(output).with_ansi(colour);
    match (settings.json, in_journal) {
        (true, _) => registry.with(layer.json()).try_init()?,
        (false, true) => registry.with(layer.without_time()).try_init()?,
        (false, false) => registry.with(layer).try_init()?,
    }
    Ok(())
}

/// Where lines go. A line that cannot be written is lost: logging never stops the work.
#[derive(Clone)]
struct Output {
    stderr: bool,
    file: Option<Arc<Mutex<File>>>,
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(file) = &self.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line);
        }
        if self.stderr {
            let _ = io::stderr().write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
