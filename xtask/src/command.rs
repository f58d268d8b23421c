//! One external command: its output kept in a log, its last lines shown when it fails.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::interrupt::{self, Running};
use crate::screen::Progress;

/// Lines of output shown with a failure.
const TAIL: usize = 40;

/// A command about to be run.
pub struct Run {
    command: Command,
    log: Option<PathBuf>,
    always: bool,
}

impl Run {
    /// A command by name or path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { command: Command::new(program), log: None, always: false }
    }

    /// Add arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Run also after an interruption, and to its end: what takes something down.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Unset an environment variable.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Set an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Run in this folder.
    pub fn dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Keep the whole output in this file.
    pub fn log(mut self, path: PathBuf) -> Self {
        self.log = Some(path);
        self
    }

    /// Run; progress shows the last line.
    pub fn run(self, progress: &Progress) -> Result<()> {
        self.each_line(|line| progress.note(line))
    }

    /// Run and hand every line of output (both streams, in order) to `see`.
    pub fn each_line(mut self, mut see: impl FnMut(&str)) -> Result<()> {
        if !self.always {
            interrupt::check()?;
        }
        let shown = self.shown();
        let mut log = match &self.log {
            Some(path) => Some(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
            None => None,
        };
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        self.command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        // A group of its own: an interruption reaches it through us, with all that it has started.
        let mut child = self.command.process_group(0).spawn().with_context(|| format!("cannot run `{shown}`"))?;
        let running = (!self.always).then(|| Running::register(child.id()));
        // The parent's copies of the pipe's writing end must go, or the reader never sees its end.
        drop(self.command);
        let mut tail = VecDeque::new();
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            if let Some(log) = &mut log {
                log.write_all(&bytes)?;
            }
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if line.is_empty() {
                continue;
            }
            see(&line);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        }
        let status = child.wait()?;
        drop(running);
        if !status.success() {
            if !self.always {
                interrupt::check()?;
            }
            let tail: Vec<String> = tail.into_iter().map(|line| format!("    | {line}")).collect();
            let log = self.log.map(|path| format!("\n  its whole output: {}", path.display())).unwrap_or_default();
            bail!("`{shown}` ended with {status}; its last lines:\n{}{log}", tail.join("\n"));
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let mut words: Vec<OsString> = vec![self.command.get_program().to_owned()];
        words.extend(self.command.get_args().map(OsStr::to_owned));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// The standard output of a short command that must succeed.
pub fn output(program: impl AsRef<OsStr>, args: &[&str]) -> Result<String> {
    let program = program.as_ref();
    let shown = format!("{} {}", program.to_string_lossy(), args.join(" "));
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be found, also where administrators' programs are.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
