//! A plugin as a process of its own, with a cloud behind a counting proxy.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::proxy::Proxy;
use crate::wire::{Message, Wire};

/// A plugin that has not answered in this time has failed.
const START: Duration = Duration::from_secs(60);
/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(300);

/// One of the two.
pub struct Plugin {
    /// Its name in messages.
    pub name: &'static str,
    /// Calls to its cloud.
    pub proxy: Proxy,
    program: PathBuf,
    arguments: Vec<String>,
    address: String,
    log: PathBuf,
    process: Option<Child>,
    /// Connections that nothing is asked on.
    idle: Mutex<Vec<Wire<TcpStream>>>,
}

impl Plugin {
    /// This Kuryr.
    pub fn ours(scratch: &Path) -> Result<Self> {
        let rig = std::env::var("KURYR_RIG_DIR").context("KURYR_RIG_DIR is not set: run this inside the rig")?;
        let binding = format!("[binding]\novsdb_connection = unix:{rig}/run/ovs/db.sock\n");
        let mut plugin = Self::new("kuryr", crate::binary()?, scratch, "", &binding)?;
        let socket = scratch.join("kuryr.sock").display().to_string();
        plugin.arguments.splice(0..0, ["docker".to_owned(), "--plugin-socket".to_owned(), socket]);
        Ok(plugin)
    }

    /// This Kuryr, and so many ports are kept ready.
    pub fn ready(scratch: &Path, ports: usize) -> Result<Self> {
        let mut plugin = Self::ours(scratch)?;
        let config = scratch.join(format!("{}.conf", plugin.name));
        let mut text = fs::read_to_string(&config)?;
        text += &format!("[docker]\nvif_pool_driver = neutron\n\n[vif_pool]\nports_pool_min = {ports}\n");
        fs::write(&config, text)?;
        plugin.name = "kuryr with ready ports";
        Ok(plugin)
    }

    /// The original, of this virtual environment.
    pub fn original(scratch: &Path, environment: &Path) -> Result<Self> {
        let scripts = environment.join("libexec/kuryr");
        ensure!(scripts.join("ovs").is_file(), "the original has no binding scripts in {}", scripts.display());
        let more = format!("bindir = {}\n", scripts.display());
        Self::new("original", environment.join("bin/kuryr-server"), scratch, &more, "")
    }

    fn new(name: &'static str, program: PathBuf, scratch: &Path, more: &str, sections: &str) -> Result<Self> {
        let proxy = Proxy::start()?;
        // The port is free again when the plugin takes it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let password = std::env::var("OS_PASSWORD").context("OS_PASSWORD is not set: run this inside the rig")?;
        let config = scratch.join(format!("{name}.conf"));
        let text = format!(
            "[DEFAULT]\nkuryr_uri = http://{address}\n{more}\n[neutron]\nauth_type = password\nauth_url = \
             http://{}/v3\nusername = kuryr\npassword = {password}\nproject_name = kuryr\nproject_domain_name = \
             Default\nuser_domain_name = Default\n\n{sections}",
            proxy.keystone
        );
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let arguments = vec!["--config-file".to_owned(), config.display().to_string()];
        let log = scratch.join(format!("{name}.log"));
        Ok(Self { name, proxy, program, arguments, address, log, process: None, idle: Mutex::default() })
    }

    /// Start it anew; the time until it answered its first request.
    pub fn start(&mut self) -> Result<Duration> {
        self.stop()?;
        let log = File::create(&self.log)?;
        let mut command = Command::new(&self.program);
        // The cloud is the file's: nothing of the rig's administrator must shine through.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OS_")) {
            command.env_remove(name);
        }
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        self.process = Some(command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?);
        loop {
            if TcpStream::connect(&self.address).is_ok() && self.call("/Plugin.Activate", &json!({})).is_ok() {
                return Ok(started.elapsed());
            }
            let ended = self.process.as_mut().map(Child::try_wait).transpose()?.flatten();
            let told = || fs::read_to_string(&self.log).unwrap_or_default();
            ensure!(ended.is_none(), "{} ended: {}", self.name, told());
            ensure!(started.elapsed() < START, "{} does not answer: {}", self.name, told());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// End it, as a service manager does.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(process.id())?) {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            }
            process.wait()?;
        }
        self.idle().clear();
        Ok(())
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> Result<f64> {
        let pid = self.process.as_ref().context("it does not run")?.id();
        super::super::process::resident_at(Path::new(&format!("/proc/{pid}/status")))
    }

    /// One call as Docker makes it, which keeps connections as long as they are left open, and what came back.
    pub fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let media = "application/vnd.docker.plugins.v1.2+json";
        let headers = [("Content-Type", media), ("Accept", media)];
        let request = Message::request("POST", path, &headers, body.to_string());
        let kept = self.idle().pop();
        let (wire, answer) = match kept.map(|wire| ask(wire, &request)) {
            Some(Ok(answered)) => answered,
            // It was closed meanwhile.
            Some(Err(_)) | None => ask(self.connect()?, &request)?,
        };
        let stays_open = answer.first.starts_with("HTTP/1.1")
            && !answer.header("Connection").is_some_and(|said| said.eq_ignore_ascii_case("close"));
        if stays_open {
            self.idle().push(wire);
        }
        let body = answer.expect(200).with_context(|| format!("{}: {path}", self.name))?;
        serde_json::from_slice(&body).with_context(|| format!("{}: {path} is not answered in JSON", self.name))
    }

    fn connect(&self) -> Result<Wire<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Wire::new(stream))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Wire<TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// File with its output.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

fn ask(mut wire: Wire<TcpStream>, request: &Message) -> Result<(Wire<TcpStream>, Message)> {
    let answer = wire.ask(request)?;
    Ok((wire, answer))
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
