//! Log lines: to standard error, to the file that is configured, or to systemd's journal.

mod journal;

use anyhow::Context;
use journal::Journal;
use kuryr_config::LoggingSettings;
use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// Log everything of ours that matters, and of the libraries what is wrong.
const USUAL: &str = "warn,kuryr=info,kuryr_cloud=info,kuryr_docker=info,kuryr_ports=info,kuryr_binding=info,\
                     kuryr_openstack=info,kuryr_netlink=info,kuryr_http=info";

/// The same, with what is of use to developers.
const DEBUG: &str = "info,kuryr=debug,kuryr_cloud=debug,kuryr_docker=debug,kuryr_ports=debug,kuryr_binding=debug,\
                     kuryr_openstack=debug,kuryr_netlink=debug,kuryr_http=debug";

/// A running log, whose level and file can change.
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    level: Option<&'static str>,
    file: Option<(PathBuf, Arc<Mutex<File>>)>,
}

/// Starts logging. `RUST_LOG`, where it is set, decides what is logged.
///
/// # Errors
/// The log file cannot be opened.
pub fn start(settings: &LoggingSettings) -> anyhow::Result<Log> {
    start_at(settings, None)
}

/// The same, and nothing below `level`, if there is one.
pub fn start_at(settings: &LoggingSettings, level: Option<&'static str>) -> anyhow::Result<Log> {
    let (filter, handle) = reload::Layer::new(filter(settings, level));
    let file = match &settings.file {
        Some(path) => Some((path.clone(), Arc::new(Mutex::new(opened(path)?)))),
        None => None,
    };
    let (journal, missing) = match settings.journal.then(|| Journal::at(Path::new(journal::SOCKET))) {
        Some(Ok(journal)) => (Some(journal), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let output = Output {
        stderr: (file.is_none() && journal.is_none()) || settings.stderr,
        file: file.as_ref().map(|(_, file)| file.clone()),
    };
    let colour = file.is_none() && crate::failure::colour();
    // Under systemd the journal has the time already.
    let timeless = file.is_none() && !io::stderr().is_terminal() && std::env::var_os("JOURNAL_STREAM").is_some();
    let text = (output.stderr || output.file.is_some()).then(|| {
        let layer = tracing_subscriber::fmt::layer().with_writer(output).with_ansi(colour);
        match (settings.json, timeless) {
            (true, _) => layer.json().boxed(),
            (false, true) => layer.without_time().boxed(),
            (false, false) => layer.boxed(),
        }
    });
    tracing_subscriber::registry().with(filter).with(journal).with(text).try_init()?;
    if let Some(error) = missing {
        tracing::warn!(
            socket = journal::SOCKET,
            %error,
            "use_journal is set and there is no journal of systemd's: log lines go to {}",
            if file.is_some() { "the log file" } else { "standard error" }
        );
    }
    Ok(Log { filter: handle, level, file })
}

impl Log {
    /// Logs as much as these settings say from now on, to a log file that is opened anew: it may have been moved.
    pub fn change(&self, settings: &LoggingSettings) {
        if let Err(error) = self.filter.reload(filter(settings, self.level)) {
            tracing::warn!(%error, "what is logged could not be changed");
        }
        let Some((path, file)) = &self.file else { return };
        match opened(path) {
            Ok(newer) => *file.lock().unwrap_or_else(PoisonError::into_inner) = newer,
            Err(error) => tracing::warn!("{error:#}; the old file is written on"),
        }
    }
}

fn filter(settings: &LoggingSettings, level: Option<&str>) -> EnvFilter {
    let usual = level.unwrap_or(if settings.debug { DEBUG } else { USUAL });
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual))
}

fn opened(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open the log file '{}'", path.display()))
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
