//! A real Swarm of two engines, each in a network namespace of its own, whose network is one of the embedded cloud's.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::packaging::{Login, Swarm};
use kuryr_tests::{Cloud, Kuryr, Pair, Paths, Release, skip, with_pair};

/// Both machines have one name, and would take each other's ports for left behind.
fn configuration(plane: &str) -> String {
    format!("[DEFAULT]\ncontrol_plane = {plane}\n[docker]\nreconcile_interval = 0\n")
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
        let login = Login::read(&pair.hosts[0].path(Paths::CLOUDS))?;
        let configurations = ["one", "two"].map(configuration);
        let swarm = Swarm::form(&pair.hosts, &release, &login, &configurations, Pair::ADDRESSES)?;
        let (manager, worker) = (swarm.manager(), swarm.worker());
        let cloud = Kuryr::cloud(&pair.hosts[0])?;
        swarm.create_network("blue", "10.10.0.0/24")?;
        let network: Network = kuryr_tests::until("the network", || cloud.one(&Query::new()))?;

        swarm.serve("web", "blue", "dnsrr")?;
        manager.container("one", "blue", &[])?;
        worker.container("two", "blue", &[])?;
        let two = worker.endpoint("two", "blue")?;
        manager.ping("one", &two.address)?;
        for engine in &swarm.engines {
            let task = Swarm::task(engine, "web", "blue")?;
            ensure!(manager.fetch("one", &task, 80)? == "web" && worker.fetch("two", &task, 80)? == "web", "{task}");
        }
        let now: Network = cloud.one(&Query::new())?;
        let subnet: Subnet = cloud.one(&Query::new())?;
        ensure!(now.id == network.id && subnet.network_id == network.id, "one network for all: {now:?}");
        let ports = cloud.all::<Port>()?;
        ensure!(ports.len() == 4 && ports.iter().all(|port| port.network_id == network.id), "{ports:?}");

        // A service's own address is reserved; only Docker's overlay driver brings packets from there to the tasks.
        swarm.serve("vip", "blue", "vip")?;
        let address = swarm.virtual_address("vip")?;
        let port = reservation(&cloud, &address)?;
        ensure!(port.binding_host_id.0.is_empty() && port.device_id.is_empty(), "{port:?}");
        let task = Swarm::task(worker, "vip", "blue")?;
        ensure!(manager.fetch("one", &task, 80)? == "vip", "a task is reached by its own address");
        ensure!(!manager.reaches("one", &address, 80)?, "the service's address works now: say so in docs/swarm.md");

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
