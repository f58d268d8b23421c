//! The original in Python, from PyPI, as another host of the same cloud runs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::host::{Host, Started, outside_command};
use crate::until_within;

/// Python needs its time on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A plugin that is found by an address, as the original is.
pub struct Original {
    /// Its process.
    pub process: Started,
}

impl Original {
    const CONFIG: &'static str = "/etc/kuryr/kuryr.conf";
    const LOG: &'static str = "/run/original.log";

    /// The original in a virtual environment below this folder, made once. The error is the reason why it cannot be had.
    pub fn environment(cache: &Path) -> Result<PathBuf> {
        let folder = cache.join("original");
        fs::create_dir_all(cache)?;
        let lock = File::create(cache.join("original.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        if !folder.join("bin/kuryr-server").exists() {
            drop(fs::remove_dir_all(&folder));
            run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&folder))
                .and_then(|()| {
                    run(outside_command(folder.join("bin/pip"))?.args(["install", "--quiet", "kuryr-libnetwork"]))
                })
                .context("the original cannot be installed from PyPI")?;
        }
        Ok(folder)
    }

    /// Let Docker find the plugin `kuryr` at this address, and write a kuryr.conf with this in it. The original binds by
    /// the scripts of its environment.
    pub fn configure(host: &Host, environment: Option<&Path>, address: &str, config: &str) -> Result<()> {
        for folder in ["/etc/kuryr", "/etc/docker/plugins"] {
            fs::create_dir_all(host.path(folder))?;
        }
        fs::write(host.path("/etc/docker/plugins/kuryr.spec"), format!("http://{address}\n"))?;
        let scripts = environment.map(|folder| format!("bindir = {}\n", folder.join("libexec/kuryr").display()));
        let text = format!("[DEFAULT]\nkuryr_uri = http://{address}\n{}\n{config}", scripts.unwrap_or_default());
        Ok(fs::write(host.path(Self::CONFIG), text)?)
    }

    /// Start a program that serves this address; `path` is where it looks for commands first.
    pub fn serve(host: &Host, words: &[&str], address: &str, path: &str) -> Result<Self> {
        let words = [words, &["--config-file", Self::CONFIG]].concat();
        let path = format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin");
        let mut process = host.start(&words, &[("PATH", &path)], Self::LOG)?;
        let port = address.rsplit(':').next().unwrap_or_default();
        until_within(START, "a server to listen", || {
            ensure!(process.ended()?.is_none(), "it ended: {}", Self::log(host));
            let listening = host.run(&["ss", "-Hltn", &format!("sport = :{port}")])?;
            ensure!(!listening.is_empty(), "{}", Self::log(host));
            Ok(())
        })?;
        Ok(Self { process })
    }

    /// What was served at that address, told so far.
    pub fn log(host: &Host) -> String {
        fs::read_to_string(host.path(Self::LOG)).unwrap_or_default()
    }
}

fn run(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}: {}", output.status, said.trim());
    Ok(())
}
