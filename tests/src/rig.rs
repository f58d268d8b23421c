//! A private machine with a real engine and a real Kuryr, and what happens around a test on it.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use crate::cloud::Cloud;
use crate::engine::PrivateEngine;
use crate::host::Host;
use crate::kuryr::{Kuryr, Paths};
use crate::openstack::{OpenStack, Tenant};
use crate::pair::Pair;
use crate::release::Release;
use crate::until;

/// Lines of each log that a failure shows.
const TAIL: usize = 60;
/// The longest that an interface may take to follow its port.
const GOING: Duration = Duration::from_secs(3);

/// Everything a test of the product needs.
pub struct Rig {
    /// The product's process; dropped first.
    pub kuryr: Kuryr,
    /// A client of its cloud.
    pub cloud: Cloud,
    /// The container engine.
    pub engine: PrivateEngine,
    /// The machine; dropped last.
    pub host: Host,
    /// The real OpenStack that the machine is a host of; without, its cloud is the embedded one.
    pub openstack: Option<Place>,
}

/// Where on an OpenStack a machine is.
pub struct Place {
    /// The cloud.
    pub openstack: OpenStack,
    /// Whose resources are made.
    pub tenant: Tenant,
    /// Which of the tenant's Kuryrs is on the machine.
    pub plane: String,
}

impl Place {
    /// For a tenant's only Kuryr.
    pub fn only(openstack: OpenStack, tenant: Tenant) -> Self {
        Self { plane: tenant.name.clone(), openstack, tenant }
    }

    /// The kuryr.conf of the machine; `more` goes into `[neutron]`.
    pub fn configuration(&self, more: &str) -> String {
        self.openstack.configuration(&self.tenant, Some(&self.plane), more)
    }
}

impl Rig {
    /// Start a machine, its engine and Kuryr with this configuration file.
    pub fn start(config: &str) -> Result<Self> {
        Self::start_release(config, Release::Installed)
    }

    /// The same with an engine of this release.
    pub fn start_release(config: &str, release: Release) -> Result<Self> {
        let host = Host::boot()?;
        let started = (|| {
            let engine = PrivateEngine::start_release(&host, release)?;
            let kuryr = Kuryr::up(&host, config)?;
            let cloud = Kuryr::cloud(&host)?;
            Ok((engine, kuryr, cloud))
        })();
        match started {
            Ok((engine, kuryr, cloud)) => Ok(Self { kuryr, cloud, engine, host, openstack: None }),
            Err(error) => {
                explain(&host);
                Err(error)
            }
        }
    }

    /// Start a machine that is a host of a real OpenStack, its engine, and Kuryr's plugin; `more` goes into `[neutron]`.
    pub fn start_on(place: Place, release: Release, more: &str) -> Result<Self> {
        let host = Host::boot_in(&place.openstack)?;
        let started = (|| {
            let engine = PrivateEngine::start_release(&host, release)?;
            let kuryr = Kuryr::docker(&host, &place.configuration(more))?;
            let cloud = place.openstack.cloud(&place.tenant)?;
            Ok((engine, kuryr, cloud))
        })();
        match started {
            Ok((engine, kuryr, cloud)) => Ok(Self { kuryr, cloud, engine, host, openstack: Some(place) }),
            Err(error) => {
                explain(&host);
                Err(error)
            }
        }
    }

    /// `docker network create` with Kuryr's two drivers.
    pub fn create_network(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let mut all = vec!["network", "create", "--driver", "kuryr", "--ipam-driver", "kuryr"];
        all.extend(arguments);
        all.push(name);
        self.engine.docker(&all).map(drop)
    }

    /// Links of a network namespace of the machine, by name; its own if none is given.
    pub fn links(&self, namespace: Option<&str>) -> Result<Vec<String>> {
        let mut words = vec!["ip"];
        words.extend(namespace.into_iter().flat_map(|name| ["-n", name]));
        words.extend(["-json", "link", "show"]);
        let links: serde_json::Value = serde_json::from_str(&self.host.run(&words)?)?;
        let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// `kuryr diff --json`: its exit status and its rows by how they differ.
    pub fn differences(&self) -> Result<(Option<i32>, Vec<String>)> {
        let output = self.kuryr.command(&self.host, &["diff", "--json"])?;
        let found: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("kuryr diff: {}", String::from_utf8_lossy(&output.stderr)))?;
        let rows = found["rows"].as_array().into_iter().flatten();
        let all = rows.filter_map(|row| Some(row["difference"].as_str()?.to_owned())).filter(|word| word != "none");
        Ok((output.status.code(), all.collect()))
    }

    /// Whatever of Kuryr is in the kernel: interfaces, namespaces, rules. Beside others on an OpenStack: interfaces of
    /// this tenant's ports, and those of ports that are gone.
    pub fn kernel(&self) -> Result<Vec<String>> {
        // A port goes before its interface does: another's may be on its way.
        let mut seen = self.interfaces()?;
        let began = Instant::now();
        while seen.1 > 0 && began.elapsed() < GOING {
            seen = self.interfaces()?;
        }
        let mut all = seen.0;
        if self.host.path(Paths::NAMESPACE).exists() {
            all.extend(
                self.links(Some("kuryr"))?
                    .into_iter()
                    .filter(|name| is_kuryrs(name))
                    .map(|name| format!("kuryr:{name}")),
            );
            let rules = self.host.run(&["ip", "netns", "exec", "kuryr", "nft", "list", "ruleset"])?;
            let named = rules.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
            all.extend(named.filter(|word| word.starts_with("tap")).map(|word| format!("kuryr:nft:{word}")));
        }
        let namespaces = self.host.run(&["ip", "netns", "list"])?;
        all.extend(namespaces.lines().filter(|line| line.starts_with("qrouter-")).map(str::to_owned));
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Interfaces of Kuryr's, and how many of them are no port's on an OpenStack.
    fn interfaces(&self) -> Result<(Vec<String>, usize)> {
        let mut all: Vec<String> = self.links(None)?.into_iter().filter(|name| is_kuryrs(name)).collect();
        let Some(place) = &self.openstack else { return Ok((all, 0)) };
        let switch = self.host.run(&[&place.openstack.command("ovs-vsctl"), "list-ports", "br-int"])?;
        all.extend(switch.lines().map(str::to_owned).filter(|name| is_kuryrs(name)));
        let ports = self.cloud.call(async |neutron| neutron.list::<Port>(&Query::new()).await)?;
        let (mine, theirs): (Vec<_>, Vec<_>) = ports.iter().partition(|port| port.project_id == place.tenant.project);
        let names = |ports: Vec<&Port>| -> Vec<String> {
            ports.iter().flat_map(|port| [port.id.tap_name(), port.id.container_name()]).collect()
        };
        let (mine, theirs) = (names(mine), names(theirs));
        all.retain(|name| !theirs.contains(name));
        let orphans = all.iter().filter(|name| !mine.contains(name)).count();
        Ok((all, orphans))
    }

    /// Wait until nothing of Kuryr is in the kernel.
    pub fn is_clean(&self) -> Result<()> {
        until("the kernel to be clean", || {
            let left = self.kernel()?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
    }
}

/// By its name.
fn is_kuryrs(interface: &str) -> bool {
    ["tap", "t_c", "brq", "qr-", "qg-", "ext"].iter().any(|prefix| interface.starts_with(prefix))
}

/// Run a test on a rig with the configuration as it comes; logs are shown if it fails.
pub fn with_rig(test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_release(Ok(Release::Installed), |release| Rig::start_release("", release), test)
}

/// The same with this configuration file.
pub fn with_configured_rig(config: &str, test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_release(Ok(Release::Installed), |release| Rig::start_release(config, release), test)
}

/// The same with the current engine, where it can be had.
pub fn with_current_rig(test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_configured_current_rig("", test)
}

/// The same with the current engine and this configuration file.
pub fn with_configured_current_rig(config: &str, test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_release(Release::current(), |release| Rig::start_release(config, release), test)
}

/// The same on a real OpenStack; `more` goes into `[neutron]` of kuryr.conf.
pub fn with_openstack(release: Result<Release>, more: &str, test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_tenant(release, more, &["admin"], test)
}

/// On a real OpenStack, by an account that has these roles in its project.
pub fn with_openstack_as(roles: &[&str], test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    with_tenant(Ok(Release::Installed), "", roles, test)
}

fn with_tenant(
    release: Result<Release>,
    more: &str,
    roles: &[&str],
    test: impl FnOnce(&mut Rig) -> Result<()>,
) -> Result<()> {
    let openstack = match OpenStack::find() {
        Ok(openstack) => openstack,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let start = |release| {
        let tenant = openstack.tenant(roles)?;
        Rig::start_on(Place::only(openstack, tenant), release, more)
    };
    with_release(release, start, test)
}

fn with_release(
    release: Result<Release>,
    start: impl FnOnce(Release) -> Result<Rig>,
    test: impl FnOnce(&mut Rig) -> Result<()>,
) -> Result<()> {
    let release = match able_to_boot().and(release) {
        Ok(release) => release,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    watched(&mut start(release)?, test, |rig| vec![&rig.host])
}

/// Run a test, and show what happened on these machines if it fails.
pub(crate) fn watched<T>(
    rigs: &mut T,
    test: impl FnOnce(&mut T) -> Result<()>,
    hosts: impl FnOnce(&T) -> Vec<&Host>,
) -> Result<()> {
    let outcome = catch_unwind(AssertUnwindSafe(|| test(rigs)));
    if !matches!(outcome, Ok(Ok(()))) {
        hosts(rigs).into_iter().for_each(explain);
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Run a test on a machine that has only an engine.
pub fn with_host(test: impl FnOnce(&Host, &PrivateEngine) -> Result<()>) -> Result<()> {
    if let Err(reason) = able_to_boot() {
        return skip(&format!("{reason:#}"));
    }
    let host = Host::boot()?;
    let engine = PrivateEngine::start(&host)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&host, &engine)));
    if !matches!(outcome, Ok(Ok(()))) {
        complain(&outcome);
        explain(&host);
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Run a test on two machines beside each other.
pub fn with_pair(test: impl FnOnce(&Pair) -> Result<()>) -> Result<()> {
    if let Err(reason) = able_to_boot() {
        return skip(&format!("{reason:#}"));
    }
    let pair = Pair::boot()?;
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&pair)));
    if !matches!(outcome, Ok(Ok(()))) {
        complain(&outcome);
        pair.hosts.iter().for_each(explain);
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Say that this test does not run here, and why. The line reaches the terminal although tests' output is captured.
pub fn skip(reason: &str) -> Result<()> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stdout(), "\nskipped: {test}: {reason}")?;
    Ok(())
}

/// Whether this machine can run a private one; if not, why.
pub fn able_to_boot() -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "not root");
    for program in ["dockerd", "docker", "busybox", "ip", "nsenter", "unshare"] {
        let folders = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
        ensure!(
            folders.iter().any(|folder| std::path::Path::new(folder).join(program).exists()),
            "no {program} on this machine"
        );
    }
    Ok(())
}

/// What went wrong, before all that explains it; a panic has told already.
fn complain<P>(outcome: &std::result::Result<Result<()>, P>) {
    if let Ok(Err(error)) = outcome {
        eprintln!("--- wrong: {error:#}");
    }
}

/// What happened on the machine, for whoever reads the failure.
fn explain(host: &Host) {
    let rules = host.output(&["ip", "netns", "exec", "kuryr", "nft", "list", "ruleset"]);
    let rules = rules.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for (name, text, lines) in
        [("kuryr", Kuryr::log(host), TAIL), ("dockerd", PrivateEngine::log(host), TAIL / 3), ("nft", rules, TAIL * 4)]
    {
        eprintln!("--- {name}: last lines");
        let all: Vec<&str> = text.lines().collect();
        for line in &all[all.len().saturating_sub(lines)..] {
            eprintln!("{line}");
        }
    }
}
