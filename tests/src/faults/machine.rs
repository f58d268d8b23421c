//! A private machine with a real engine, a cloud, and Kuryr's plugin, whose way to the cloud leads through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kuryr_neutron::{Network, NewPort, Port, SecurityGroup, Subnet, SubnetPool};
use serde_json::{Value, json};

use super::call::Call;
use super::fault::Fault;
use super::inventory::{self, Foreign};
use super::site::{Kind, Site};
use crate::{Cloud, Engine, Host, Kuryr, Paths, PrivateEngine, Started, binary, request, until};

/// The longest that anything may be left over.
pub const IN_STEP: Duration = Duration::from_secs(10);
/// Pause between two looks at everything; on a real OpenStack, where a look keeps Neutron from other work.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_ON_OPENSTACK: Duration = Duration::from_secs(1);
/// A look that takes longer tells of a machine, or of a Neutron, that has too much to do.
const SLOW_LOOK: Duration = Duration::from_millis(200);
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
    pub(super) site: Site,
    pub(super) foreign: Foreign,
    /// Whether ports are kept ready.
    pub(super) keeps_ready: bool,
    /// Its engine.
    pub engine: PrivateEngine,
    /// The machine itself.
    pub host: Arc<Host>,
}

impl Machine {
    /// Boots one with this cloud; others have things there, too. Perhaps with ports that are kept ready.
    pub(super) fn boot(kind: &Kind, keeps_ready: bool) -> Result<Self> {
        let docker = if keeps_ready { READY } else { "" };
        let (host, engine) = Self::with_engine(kind)?;
        let site = match kind {
            Kind::Embedded => Site::embedded(&host, "timeout = 5", docker),
            Kind::OpenStack(openstack) => Site::on(openstack.clone(), &host, docker),
        };
        Self::settle(host, engine, site?, keeps_ready)
    }

    /// Boots one with the embedded cloud, with these lines behind `[docker]`.
    ///
    /// # Errors
    /// Something does not start.
    pub fn with_embedded_cloud(docker: &str) -> Result<Self> {
        let (host, engine) = Self::with_engine(&Kind::Embedded)?;
        let site = Site::embedded(&host, "", docker)?;
        Self::settle(host, engine, site, !docker.is_empty())
    }

    fn with_engine(kind: &Kind) -> Result<(Arc<Host>, PrivateEngine)> {
        let host = Arc::new(kind.boot()?);
        let engine = PrivateEngine::start(&host)?;
        Ok((host, engine))
    }

    fn settle(host: Arc<Host>, engine: PrivateEngine, site: Site, keeps_ready: bool) -> Result<Self> {
        let (pid, foreign) = (Arc::default(), Foreign::default());
        let (kuryr, has_been_killed) = (None, false);
        let mut machine = Self { kuryr, pid, has_been_killed, site, foreign, keeps_ready, engine, host };
        machine.start()?;
        machine.add_foreign()?;
        Ok(machine)
    }

    /// A client of its cloud.
    pub fn cloud(&self) -> &Cloud {
        &self.site.cloud
    }

    fn add_foreign(&mut self) -> Result<()> {
        let network: Network = self.site.cloud.make(json!({"name": "theirs"}))?;
        let pool: SubnetPool = self.site.cloud.make(json!({"name": "theirs", "prefixes": ["10.77.0.0/16"]}))?;
        let subnet: Subnet = self.site.cloud.make(json!({
            "name": "theirs", "network_id": network.id, "ip_version": 4, "cidr": "10.78.0.0/24",
        }))?;
        let port: Port =
            self.site.cloud.make(json!({"name": "theirs", "network_id": network.id, "device_id": "vm"}))?;
        let group: SecurityGroup = self.site.cloud.make(json!({"name": "theirs"}))?;
        self.foreign.add(&network)?;
        self.foreign.add(&pool)?;
        self.foreign.add(&subnet)?;
        self.foreign.add(&port)?;
        self.foreign.add(&group)
    }

    /// A virtual machine's port on one of our networks.
    pub fn add_server(&mut self, cidr: &str) -> Result<()> {
        let subnet = self.site.cloud.subnet(cidr)?;
        let port = self.site.cloud.create::<Port>(&NewPort {
            network_id: Some(subnet.network_id),
            name: "server".to_owned(),
            device_id: Some("server".to_owned()),
            device_owner: Some("compute:nova".to_owned()),
            ..NewPort::default()
        })?;
        self.foreign.add(&port)
    }

    fn remove_servers(&mut self) -> Result<()> {
        for port in self.site.cloud.all::<Port>()?.into_iter().filter(|port| port.name == "server") {
            self.foreign.remove(&port.id.to_string());
            self.site.cloud.delete::<Port>(port.id)?;
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
        self.site.proxy.arm(call, fault, fault.is_kill().then(|| Box::new(kill) as _));
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
        if self.site.proxy.has_killed() {
            self.has_been_killed = true;
            self.revive()?;
        }
        Ok(())
    }

    /// Waits until there are ready ports.
    pub fn await_ready(&self) -> Result<()> {
        until("ready ports", || {
            let ready = inventory::ready(&self.site.cloud)?.len();
            ensure!(ready > 0, "there are none");
            Ok(())
        })
    }

    /// Waits until Docker, Neutron and the kernel agree, and what others have is as it was; how long it took.
    ///
    /// # Errors
    /// They do not, after the longest time that this may take.
    pub fn in_step(&self) -> Result<Duration> {
        let most_ready = if self.keeps_ready { MOST_READY } else { 0 };
        let pause = if self.site.openstack.is_some() { PAUSE_ON_OPENSTACK } else { PAUSE };
        let (began, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let since = Instant::now();
            match inventory::agree(self, most_ready).and_then(|()| self.no_difference()) {
                Ok(()) => return Ok(began.elapsed()),
                Err(error) if waited > IN_STEP => bail!("left over after {:.1} s: {error:#}", waited.as_secs_f64()),
                Err(_) => {}
            }
            // Kuryr is held up as much as the look was.
            waited += since.elapsed().min(SLOW_LOOK) + pause;
            std::thread::sleep(pause);
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
        ensure!(!differ.is_empty(), "kuryr diff finds nothing, and fails");
        for row in differ {
            ensure!(!self.site.is_own(row)?, "kuryr diff finds {row}");
        }
        Ok(())
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
        self.in_step().context("after everything was removed from Docker").map(drop)
    }

    /// The end of Kuryr's log.
    pub fn log(&self) -> String {
        let log = Kuryr::log(&self.host);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // An OpenStack stays when its machine goes.
        if self.site.openstack.is_some()
            && let Err(error) = self.site.cloud.clear()
        {
            println!("the project of a machine is not empty: {error:#}");
        }
    }
}
