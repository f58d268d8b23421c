//! A private machine with a real engine, the embedded cloud as a process of its own, and Kuryr's plugin as another, whose
//! way to the cloud leads through the proxy.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kuryr_neutron::{Network, NewPort, Port, SecurityGroup, Subnet, SubnetPool};
use kuryr_tests::{Cloud, Engine, Host, Kuryr, Paths, PrivateEngine, Started, binary, get, request, until};
use serde_json::{Value, json};

use crate::call::Call;
use crate::fault::Fault;
use crate::inventory::{self, Foreign, agree};
use crate::proxy::Proxy;

/// The longest that anything may be left over.
pub const IN_STEP: Duration = Duration::from_secs(10);
/// Pause between two looks at everything.
const LOOK: Duration = Duration::from_millis(100);
/// A look, with its pause, that takes longer tells of a machine that has too much to do.
const SLOW_LOOK: Duration = Duration::from_millis(500);
/// Where the cloud keeps its log.
const CLOUD_LOG: &str = "/run/kuryr-cloud.log";
/// Where the proxy listens.
const PROXY: &str = "127.0.0.1:9697";
/// Lines of Kuryr's log that a failure shows.
const TAIL: usize = 80;

/// Keeps ports ready; behind `[docker]`.
const READY: &str =
    "vif_pool_driver = neutron\n\n[vif_pool]\nports_pool_min = 2\nports_pool_max = 4\nports_pool_batch = 3";
/// Ports that may be ready then.
const MOST_READY: usize = 4;

/// What runs on it; the machine itself is dropped last.
pub struct Machine {
    kuryr: Option<Started>,
    pid: Arc<AtomicU32>,
    has_been_killed: bool,
    pub proxy: Proxy,
    pub cloud: Cloud,
    pub foreign: Foreign,
    _api: Started,
    /// Whether ports are kept ready.
    pub keeps_ready: bool,
    pub engine: PrivateEngine,
    pub host: Arc<Host>,
}

impl Machine {
    /// Boots it; others have things in its cloud, too. Perhaps with ports that are kept ready.
    pub fn boot(keeps_ready: bool) -> Result<Self> {
        Self::boot_with("timeout = 5", if keeps_ready { READY } else { "" })
    }

    /// The same with these lines in `[neutron]` and behind `[docker]`.
    pub fn boot_with(neutron: &str, docker: &str) -> Result<Self> {
        let host = Arc::new(Host::boot()?);
        let engine = PrivateEngine::start(&host)?;
        let api = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], CLOUD_LOG)?;
        until("the API to answer", || {
            ensure!(get(&host.path(Paths::API), "/")?.status < 400);
            Ok(())
        })?;
        let cloud = Kuryr::cloud(&host)?;
        let proxy = Proxy::start(host.network()?, PROXY, "127.0.0.1:9696")?;
        let path = host.path(Paths::CONFIG);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, configuration(&fs::read_to_string(host.path(Paths::CLOUDS))?, neutron, docker)?)?;
        let (pid, foreign) = (Arc::default(), Foreign::default());
        let keeps_ready = !docker.is_empty();
        let (kuryr, has_been_killed) = (None, false);
        let mut machine =
            Self { kuryr, pid, has_been_killed, proxy, cloud, foreign, _api: api, keeps_ready, engine, host };
        machine.start()?;
        machine.add_foreign()?;
        Ok(machine)
    }

    fn add_foreign(&mut self) -> Result<()> {
        let network: Network = self.cloud.make(json!({"name": "theirs"}))?;
        let pool: SubnetPool = self.cloud.make(json!({"name": "theirs", "prefixes": ["10.77.0.0/16"]}))?;
        let subnet: Subnet = self.cloud.make(json!({
            "name": "theirs", "network_id": network.id, "ip_version": 4, "cidr": "10.78.0.0/24",
        }))?;
        let port: Port = self.cloud.make(json!({"name": "theirs", "network_id": network.id, "device_id": "vm"}))?;
        let group: SecurityGroup = self.cloud.make(json!({"name": "theirs"}))?;
        self.foreign.add(&network)?;
        self.foreign.add(&pool)?;
        self.foreign.add(&subnet)?;
        self.foreign.add(&port)?;
        self.foreign.add(&group)
    }

    /// A virtual machine's port on one of our networks.
    pub fn add_server(&mut self, cidr: &str) -> Result<()> {
        let subnet = self.cloud.subnet(cidr)?;
        let port = self.cloud.create::<Port>(&NewPort {
            network_id: Some(subnet.network_id),
            name: "server".to_owned(),
            device_id: Some("server".to_owned()),
            device_owner: Some("compute:nova".to_owned()),
            ..NewPort::default()
        })?;
        self.foreign.add(&port)
    }

    fn remove_servers(&mut self) -> Result<()> {
        for port in self.cloud.all::<Port>()?.into_iter().filter(|port| port.name == "server") {
            self.foreign.remove(&port.id.to_string());
            self.cloud.delete::<Port>(port.id)?;
        }
        Ok(())
    }

    /// Starts Kuryr, as a supervisor of services would.
    pub fn start(&mut self) -> Result<()> {
        let process = self.kuryr.insert(self.host.start(&[&binary()?.to_string_lossy(), "docker"], &[], Paths::LOG)?);
        self.pid.store(process.pid, Ordering::SeqCst);
        until("the plugin to answer", || {
            ensure!(request(&self.host.path(Paths::PLUGIN), "/Plugin.Activate", b"")?.status == 200);
            Ok(())
        })
    }

    /// Ends Kuryr without a word, and starts it again.
    pub fn kill(&mut self) -> Result<()> {
        self.host.signal(self.pid.load(Ordering::SeqCst), "-KILL")?;
        self.revive()
    }

    /// Starts Kuryr again after it has died.
    pub fn revive(&mut self) -> Result<()> {
        self.kuryr.take().context("Kuryr does not run")?.wait()?;
        self.start()
    }

    /// Waits for the proxy to end Kuryr, unless it has done so since it was armed, and starts it again.
    pub fn await_kill(&mut self) -> Result<()> {
        until("the kill", || {
            self.revive_if_killed()?;
            ensure!(self.has_been_killed, "not yet");
            Ok(())
        })
    }

    /// This call goes wrong from now on.
    pub fn arm(&mut self, call: &Call, fault: Fault) {
        self.has_been_killed = false;
        let (host, pid) = (Arc::clone(&self.host), Arc::clone(&self.pid));
        // It may have died already.
        let kill = move || drop(host.signal(pid.load(Ordering::SeqCst), "-KILL"));
        self.proxy.arm(call, fault, fault.is_kill().then(|| Box::new(kill) as _));
    }

    /// Does something with the engine; Kuryr is started again whenever it is killed.
    pub fn supervised<T: Send>(&mut self, work: impl FnOnce(&Engine) -> T + Send) -> Result<T> {
        let engine = (*self.engine).clone();
        std::thread::scope(|scope| {
            let work = scope.spawn(move || work(&engine));
            loop {
                let is_finished = work.is_finished();
                self.revive_if_killed()?;
                if is_finished {
                    return work.join().map_err(|_| anyhow!("a thread panicked"));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }

    /// Starts Kuryr again if the proxy has ended it.
    pub fn revive_if_killed(&mut self) -> Result<()> {
        if self.proxy.has_killed() {
            self.has_been_killed = true;
            self.revive()?;
        }
        Ok(())
    }

    /// Waits until there are ready ports.
    pub fn await_ready(&self) -> Result<()> {
        until("ready ports", || {
            let ready = inventory::ready(&self.cloud)?.len();
            ensure!(ready > 0, "there are none");
            Ok(())
        })
    }

    /// Waits until Docker, Neutron and the kernel agree, and what others have is as it was.
    pub fn in_step(&self) -> Result<()> {
        let most_ready = if self.keeps_ready { MOST_READY } else { 0 };
        let mut waited = Duration::ZERO;
        loop {
            let since = Instant::now();
            let agreed = agree(&self.host, &self.engine, &self.cloud, &self.foreign, most_ready)
                .and_then(|()| self.no_difference());
            match agreed {
                Ok(()) => return Ok(()),
                Err(error) if waited > IN_STEP => bail!("left over after {:.1} s: {error:#}", waited.as_secs_f64()),
                Err(_) => std::thread::sleep(LOOK),
            }
            // Kuryr is held up as much as the look was.
            waited += since.elapsed().min(SLOW_LOOK);
        }
    }

    /// What Kuryr itself finds.
    fn no_difference(&self) -> Result<()> {
        let output = self.host.command(binary()?).args(["diff", "--json"]).output()?;
        if output.status.success() {
            return Ok(());
        }
        let found: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("kuryr diff: {}", String::from_utf8_lossy(&output.stderr)))?;
        let rows = found["rows"].as_array().into_iter().flatten();
        let differ: Vec<&Value> = rows.filter(|row| row["difference"] != "none").collect();
        bail!("kuryr diff finds {differ:?}");
    }

    /// Removes what Docker has; then nothing of ours may be left.
    pub fn clear(&mut self) -> Result<()> {
        let list = |words: &[&str]| -> Result<Vec<String>> {
            Ok(self.engine.docker(words)?.split_whitespace().map(str::to_owned).collect())
        };
        let containers = list(&["ps", "--all", "--quiet"])?;
        if !containers.is_empty() {
            let mut words = vec!["rm", "--force"];
            words.extend(containers.iter().map(String::as_str));
            self.engine.docker(&words)?;
        }
        let networks = list(&["network", "ls", "--quiet", "--filter", "driver=kuryr"])?;
        self.remove_servers()?;
        if !networks.is_empty() {
            let mut words = vec!["network", "rm"];
            words.extend(networks.iter().map(String::as_str));
            self.engine.docker(&words)?;
        }
        self.in_step().context("after everything was removed from Docker")
    }

    /// The end of Kuryr's log.
    pub fn log(&self) -> String {
        let log = Kuryr::log(&self.host);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

/// A kuryr.conf with the credentials of a clouds.yaml, by way of the proxy.
fn configuration(clouds: &str, neutron: &str, docker: &str) -> Result<String> {
    let all: Value = serde_norway::from_str(clouds)?;
    let auth = &all["clouds"]["kuryr"]["auth"];
    let word = |key: &str| auth[key].as_str().with_context(|| format!("clouds.yaml has no {key}"));
    let url = word("auth_url")?.replace("127.0.0.1:9696", PROXY);
    ensure!(url.contains(PROXY), "the cloud is elsewhere: {url}");
    Ok(format!(
        "[neutron]\nauth_type = password\nauth_url = {url}\nusername = {}\npassword = {}\nproject_name = {}\n\
         user_domain_name = {}\nproject_domain_name = {}\nendpoint_override = http://{PROXY}/networking\n{neutron}\n\n\
         [docker]\nreconcile_interval = 1\n{docker}\n",
        word("username")?,
        word("password")?,
        word("project_name")?,
        auth["user_domain_name"].as_str().unwrap_or("Default"),
        auth["project_domain_name"].as_str().unwrap_or("Default"),
    ))
}
