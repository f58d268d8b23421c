//! The product's process on a private machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cloud::Cloud;
use crate::host::{Host, Started};
use crate::{plugin, until};

/// Where things are on a machine that runs Kuryr as it comes.
pub struct Paths;

impl Paths {
    /// The plugin's socket.
    pub const PLUGIN: &'static str = "/run/docker/plugins/kuryr.sock";
    /// The API's socket.
    pub const API: &'static str = "/run/kuryr/api.sock";
    /// Credentials that the embedded cloud made.
    pub const CLOUDS: &'static str = "/var/lib/kuryr/clouds.yaml";
    /// The configuration file.
    pub const CONFIG: &'static str = "/etc/kuryr/kuryr.conf";
    /// The network namespace of the data plane.
    pub const NAMESPACE: &'static str = "/run/netns/kuryr";
    /// Where the tests keep the process's output.
    pub const LOG: &'static str = "/run/kuryr.log";
}

/// A running `kuryr up` or `kuryr docker`.
pub struct Kuryr {
    binary: PathBuf,
    subcommand: &'static str,
    plugin: String,
    process: Option<Started>,
}

/// The binary under test: `KURYR_BIN`, or `kuryr` beside the program that runs or one folder above it.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KURYR_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe().context("no path of the running program")?;
    let candidates: Vec<PathBuf> = own.ancestors().skip(1).take(2).map(|folder| folder.join("kuryr")).collect();
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .context("no kuryr binary; build it first (cargo build -p kuryr) or set KURYR_BIN")
}

impl Kuryr {
    /// Start `kuryr up` with this configuration file and wait until both of its sockets answer.
    pub fn up(host: &Host, config: &str) -> Result<Self> {
        Self::up_at(host, config, Paths::PLUGIN)
    }

    /// The same where the configuration puts the plugin's socket elsewhere.
    pub fn up_at(host: &Host, config: &str, plugin: &str) -> Result<Self> {
        Self::run(host, "up", config, plugin)
    }

    /// Start `kuryr docker`, whose cloud this configuration file names, and wait until it answers.
    pub fn docker(host: &Host, config: &str) -> Result<Self> {
        Self::run(host, "docker", config, Paths::PLUGIN)
    }

    fn run(host: &Host, subcommand: &'static str, config: &str, plugin: &str) -> Result<Self> {
        let path = host.path(Paths::CONFIG);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, config)?;
        let mut kuryr = Self { binary: binary()?, subcommand, plugin: plugin.to_owned(), process: None };
        kuryr.start(host)?;
        Ok(kuryr)
    }

    /// Start the process again, as a supervisor of services would.
    pub fn start(&mut self, host: &Host) -> Result<()> {
        let binary = self.binary.to_string_lossy().into_owned();
        let process = self.process.insert(host.start(&[&binary, self.subcommand], &[], Paths::LOG)?);
        let ready = until("kuryr to answer", || {
            let answer = plugin::request(&host.path(&self.plugin), "/Plugin.Activate", b"")?;
            ensure!(answer.status == 200, "the plugin answered {}", answer.status);
            if self.subcommand == "up" {
                let answer = plugin::get(&host.path(Paths::API), "/")?;
                ensure!(answer.status < 400, "the API answered {}", answer.status);
            }
            Ok(())
        });
        if let Err(error) = ready {
            let ended = process.ended()?.map(|status| format!(" (it ended with {status})")).unwrap_or_default();
            return Err(error.context(format!("kuryr does not start{ended}\n{}", Self::log(host))));
        }
        Ok(())
    }

    /// Its pid inside.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("kuryr does not run")?.pid)
    }

    /// Give it another configuration file while it runs; what its log says then, once these words are among it.
    pub fn reload(&self, host: &Host, config: &str, words: &str) -> Result<String> {
        fs::write(host.path(Paths::CONFIG), config)?;
        let before = Self::log(host).len();
        host.signal(self.pid()?, "-HUP")?;
        until("the configuration to be read", || {
            let log = Self::log(host);
            let news = log.get(before..).unwrap_or_default();
            ensure!(news.contains(words), "{words:?} is not in: {news}");
            Ok(news.to_owned())
        })
    }

    /// End it without a word.
    pub fn kill(&mut self, host: &Host) -> Result<()> {
        self.end(host, "-KILL").map(drop)
    }

    /// Ask it to end, and say how it did.
    pub fn stop(&mut self, host: &Host) -> Result<std::process::ExitStatus> {
        self.end(host, "-TERM")
    }

    fn end(&mut self, host: &Host, signal: &str) -> Result<std::process::ExitStatus> {
        let mut process = self.process.take().context("kuryr does not run")?;
        host.signal(process.pid, signal)?;
        process.wait()
    }

    /// Run another subcommand on the same machine.
    pub fn command(&self, host: &Host, arguments: &[&str]) -> Result<std::process::Output> {
        let output = host.command(&self.binary).args(arguments).output();
        output.with_context(|| format!("cannot run kuryr {}", arguments.join(" ")))
    }

    /// `kuryr status --json`.
    pub fn status(&self, host: &Host) -> Result<Value> {
        let output = self.command(host, &["status", "--json"])?;
        ensure!(output.status.success(), "kuryr status: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("kuryr status --json is not JSON")
    }

    /// A client of its API.
    pub fn cloud(host: &Host) -> Result<Cloud> {
        Cloud::connect(&host.path(Paths::API), &host.path(Paths::CLOUDS))
    }

    /// Its log so far.
    pub fn log(host: &Host) -> String {
        fs::read_to_string(host.path(Path::new(Paths::LOG))).unwrap_or_default()
    }
}
