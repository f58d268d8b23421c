//! A real Swarm of two engines on hosts of one OpenStack, whose network is one of its Neutron's.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Status, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::packaging::{Login, Swarm};
use kuryr_tests::{Host, OpenStack, Place, PrivateEngine, Release, skip, until, until_within};

/// Whatever many ports of a busy Neutron take.
const PATIENCE: Duration = Duration::from_secs(120);
const CIDR: &str = "10.65.0.0/24";

/// What the engines of a Swarm want in the OpenStack's network, where both machines are; one Swarm at a time.
struct Ground<'a> {
    openstack: &'a OpenStack,
    _alone: MutexGuard<'static, ()>,
}

impl<'a> Ground<'a> {
    /// The addresses by which they know each other.
    const ADDRESSES: [&'static str; 2] = ["203.0.113.1", "203.0.113.2"];
    const CABLE: &'static str = "swarm";
    /// Made by each engine that joins a Swarm.
    const BRIDGE: &'static str = "docker_gwbridge";

    fn take(openstack: &'a OpenStack) -> Result<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let ground = Self { openstack, _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner) };
        ground.clear();
        let peer = format!("{}-end", Self::CABLE);
        ground.ip(&["link", "add", Self::CABLE, "type", "veth", "peer", "name", &peer])?;
        ground.ip(&["link", "set", Self::CABLE, "up"])?;
        for address in Self::ADDRESSES {
            ground.ip(&["address", "add", &format!("{address}/32"), "dev", Self::CABLE])?;
        }
        Ok(ground)
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        let output = self.openstack.run(|| Ok(Command::new("ip").args(words).output()?))?;
        ensure!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn clear(&self) {
        drop(self.ip(&["link", "delete", Self::CABLE]));
        drop(self.ip(&["link", "delete", Self::BRIDGE]));
    }
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// No interface of these ports is left in the switch, nor in the kernel.
fn is_unplugged(openstack: &OpenStack, ports: &[Port]) -> Result<()> {
    until("the interfaces to be gone", || {
        let switch = Command::new(openstack.command("ovs-vsctl")).args(["list-ports", "br-int"]).output()?;
        let links = openstack.run(|| Ok(Command::new("ip").args(["-o", "link"]).output()?))?;
        ensure!(switch.status.success() && links.status.success(), "{switch:?} {links:?}");
        let seen = [switch.stdout, links.stdout].concat();
        let seen = String::from_utf8_lossy(&seen);
        let left: Vec<String> = ports.iter().map(|port| port.id.tap_name()).filter(|tap| seen.contains(tap)).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

fn tasks_talk_across_machines(release: Result<Release>) -> Result<()> {
    let (openstack, release) = match (OpenStack::find(), release) {
        (Ok(openstack), Ok(release)) => (openstack, release),
        (Err(reason), _) | (_, Err(reason)) => return skip(&format!("{reason:#}")),
    };
    let place = Place::only(openstack.clone(), openstack.tenant(&["admin"])?);
    let _ground = Ground::take(&openstack)?;
    let hosts = [Host::boot_in(&openstack)?, Host::boot_in(&openstack)?];
    tell(&place, &hosts, &release)
        .with_context(|| hosts.iter().map(PrivateEngine::log).collect::<Vec<_>>().join("\n--- the other engine\n"))
}

fn tell(place: &Place, hosts: &[Host; 2], release: &Release) -> Result<()> {
    let Place { openstack, tenant, .. } = place;
    let configurations =
        ["one", "two"].map(|plane| openstack.configuration(tenant, Some(&format!("{}-{plane}", tenant.name)), ""));
    let swarm = Swarm::form(hosts, release, &Login::of(tenant), &configurations, Ground::ADDRESSES)?;
    let (manager, worker) = (swarm.manager(), swarm.worker());
    let cloud = openstack.cloud(tenant)?;
    swarm.create_network("blue", CIDR)?;
    let network: Network = until("the network", || cloud.one(&Query::new()))?;

    swarm.serve("web", "blue", "dnsrr")?;
    manager.container("one", "blue", &[])?;
    worker.container("two", "blue", &[])?;
    let tasks = [Swarm::task(manager, "web", "blue")?, Swarm::task(worker, "web", "blue")?];
    for (engine, container) in [(manager, "one"), (worker, "two")] {
        for task in &tasks {
            until_within(PATIENCE, "a task to answer", || {
                let told = engine.fetch(container, task, 80)?;
                ensure!(told == "web", "{container} was told {told:?} by {task}");
                Ok(())
            })?;
        }
    }
    for (engine, container, other, name) in [(manager, "one", worker, "two"), (worker, "two", manager, "one")] {
        let address = other.endpoint(name, "blue")?.address;
        until_within(PATIENCE, "an answer to a ping", || engine.ping(container, &address))?;
    }
    let now: Network = cloud.one(&Query::new())?;
    let subnet: Subnet = cloud.one(&Query::new())?;
    ensure!(now.id == network.id && subnet.network_id == network.id, "one network for all: {now:?}");
    let ports = until_within(PATIENCE, "four active ports of this host", || {
        let ports = cloud.all::<Port>()?;
        let is_here = |port: &Port| port.binding_host_id.0 == openstack.host && port.status == Status::Active;
        ensure!(ports.len() == 4 && ports.iter().all(is_here), "{ports:?}");
        Ok(ports)
    })?;

    manager.docker(&["service", "rm", "web"])?;
    manager.docker(&["rm", "--force", "one"])?;
    worker.docker(&["rm", "--force", "two"])?;
    until_within(PATIENCE, "the ports to go", || {
        let left = cloud.all::<Port>()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    until_within(PATIENCE, "docker network rm", || manager.docker(&["network", "rm", "blue"]).map(drop))?;
    until_within(PATIENCE, "nothing to be left", || {
        let left = cloud.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    is_unplugged(openstack, &ports)
}

#[test]
fn tasks_of_a_swarm_talk_across_machines() -> Result<()> {
    tasks_talk_across_machines(Ok(Release::Installed))
}

#[test]
fn tasks_of_a_swarm_of_current_engines_talk_across_machines() -> Result<()> {
    tasks_talk_across_machines(Release::current())
}
