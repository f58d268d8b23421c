//! A real Swarm of two engines, each in a network namespace of its own, whose network is one of Neutron's. Swarm takes
//! drivers from managed plugins only.

use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::packaging::{Login, Managed};
use kuryr_tests::{Cloud, IMAGE, Kuryr, Pair, Paths, PrivateEngine, Release, skip, with_pair};

/// The plugin's configuration; an engine in a root of its own shares `/run` alone with its machine.
const SETTINGS: &str = "/run/settings";

/// An engine on each machine, with the plugin, in one Swarm.
fn swarm(pair: &Pair, release: &Release) -> Result<[PrivateEngine; 2]> {
    let login = Login::read(&pair.hosts[0].path(Paths::CLOUDS))?;
    let [manager, worker] = &pair.hosts;
    let engines = [
        PrivateEngine::start_release(manager, release.clone())?,
        PrivateEngine::start_release(worker, release.clone())?,
    ];
    for ((host, engine), plane) in pair.hosts.iter().zip(&engines).zip(["one", "two"]) {
        // Both machines have one name, and would take each other's ports for left behind.
        let file = format!("[DEFAULT]\ncontrol_plane = {plane}\n[docker]\nreconcile_interval = 0\n");
        fs::create_dir_all(host.path(SETTINGS))?;
        fs::write(host.path(SETTINGS).join("kuryr.conf"), file)?;
        let plugin = Managed::create(host, engine)?;
        plugin.set(&login, &["CAPABILITY_SCOPE=global", &format!("config.source={SETTINGS}")])?;
        plugin.enable()?;
    }
    let [manager, worker] = &engines;
    manager.docker(&["swarm", "init", "--advertise-addr", Pair::ADDRESSES[0]])?;
    let token = manager.docker(&["swarm", "join-token", "--quiet", "worker"])?;
    let leader = format!("{}:2377", Pair::ADDRESSES[0]);
    worker.docker(&["swarm", "join", "--token", &token, "--advertise-addr", Pair::ADDRESSES[1], &leader])?;
    Ok(engines)
}

/// A service with a task on each machine.
fn serve(manager: &PrivateEngine, name: &str, mode: &str) -> Result<()> {
    let create = ["service", "create", "--detach", "--no-resolve-image", "--mode", "global", "--network", "blue"];
    let rest = ["--endpoint-mode", mode, "--name", name, IMAGE, "nc", "-ll", "-p", "80", "-e", "echo", name];
    manager.docker(&[&create[..], &rest].concat())?;
    kuryr_tests::until_within(std::time::Duration::from_secs(60), "the tasks of a service", || {
        let tasks = manager.docker(&["service", "ps", "--no-trunc", name])?;
        ensure!(tasks.matches("Running ").count() == 4, "{tasks}");
        Ok(())
    })
}

/// Addresses of a service's tasks on one machine.
fn address_of_task(engine: &PrivateEngine, service: &str) -> Result<String> {
    let name = engine.docker(&["ps", "--format", "{{.Names}}", "--filter", &format!("name={service}.")])?;
    Ok(engine.endpoint(&name, "blue")?.address)
}

fn reservation(cloud: &Cloud, address: &str) -> Result<Port> {
    let port = cloud.all::<Port>()?.into_iter().find(|port| port.fixed_ips[0].ip_address.to_string() == address);
    port.with_context(|| format!("no port has {address}"))
}

#[test]
fn tasks_of_a_swarm_talk_across_machines() -> Result<()> {
    tasks_talk_across_machines(Ok(Release::Installed))
}

#[test]
fn tasks_of_a_swarm_of_current_engines_talk_across_machines() -> Result<()> {
    tasks_talk_across_machines(Release::current())
}

fn tasks_talk_across_machines(release: Result<Release>) -> Result<()> {
    let release = match release {
        Ok(release) => release,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    with_pair(|pair| {
        let engines = swarm(pair, &release)?;
        let [manager, worker] = &engines;
        let cloud = Kuryr::cloud(&pair.hosts[0])?;
        let create = ["network", "create", "--scope", "swarm", "-d", Managed::NAME, "--ipam-driver"];
        let create = [&create[..], &[Managed::NAME, "--attachable"]].concat();
        manager.docker(&[&create[..], &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"]].concat())?;
        let network: Network = kuryr_tests::until("the network", || cloud.one(&Query::new()))?;

        serve(manager, "web", "dnsrr")?;
        manager.container("one", "blue", &[])?;
        worker.container("two", "blue", &[])?;
        let two = worker.endpoint("two", "blue")?;
        manager.ping("one", &two.address)?;
        for engine in &engines {
            let task = address_of_task(engine, "web")?;
            ensure!(manager.fetch("one", &task, 80)? == "web" && worker.fetch("two", &task, 80)? == "web", "{task}");
        }
        let now: Network = cloud.one(&Query::new())?;
        let subnet: Subnet = cloud.one(&Query::new())?;
        ensure!(now.id == network.id && subnet.network_id == network.id, "one network for all: {now:?}");
        let ports = cloud.all::<Port>()?;
        ensure!(ports.len() == 4 && ports.iter().all(|port| port.network_id == network.id), "{ports:?}");

        // A service's own address is reserved; only Docker's overlay driver brings packets from there to the tasks.
        serve(manager, "vip", "vip")?;
        let service = manager.inspect("service", "vip")?;
        let address = service["Endpoint"]["VirtualIPs"][0]["Addr"].as_str().context("the service has no address")?;
        let address = address.split('/').next().unwrap_or_default();
        let port = reservation(&cloud, address)?;
        ensure!(port.binding_host_id.0.is_empty() && port.device_id.is_empty(), "{port:?}");
        let task = address_of_task(worker, "vip")?;
        ensure!(manager.fetch("one", &task, 80)? == "vip", "a task is reached by its own address");
        ensure!(!manager.reaches("one", address, 80)?, "the service's address works now: say so in docs/swarm.md");

        manager.docker(&["service", "rm", "vip", "web"])?;
        manager.docker(&["rm", "--force", "one"])?;
        worker.docker(&["rm", "--force", "two"])?;
        kuryr_tests::until("the ports to go", || {
            let left = cloud.all::<Port>()?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })?;
        kuryr_tests::until("docker network rm", || manager.docker(&["network", "rm", "blue"]).map(drop))?;
        kuryr_tests::until("nothing to be left", || {
            let left = cloud.inventory()?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
    })
}
