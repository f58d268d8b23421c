//! The cloud is away altogether: nobody listens where it was, or nothing comes back at all.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use kuryr_tests::faults::Machine;
use kuryr_tests::{Paths, able_to_boot, request, skip, until};

/// The longest that Docker may be kept waiting for what it does without a cloud.
const PROMPT: Duration = Duration::from_secs(10);
/// The longest that an answer may take that needs no cloud.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How it is away.
#[derive(Debug, Clone, Copy)]
enum Away {
    /// Connections are refused.
    Refused,
    /// Packets vanish.
    Silent,
}

impl Away {
    fn begin(self, machine: &Machine) -> Result<()> {
        let fate = match self {
            Self::Refused => "reject with tcp reset",
            Self::Silent => "drop",
        };
        let rules = format!(
            "nft 'table inet away {{ chain out {{ type filter hook output priority 0; tcp dport 9697 {fate}; }}; }}'"
        );
        machine.host.run(&["sh", "-c", &rules]).map(drop)
    }

    fn end(machine: &Machine) -> Result<()> {
        machine.host.run(&["nft", "delete", "table", "inet", "away"]).map(drop)
    }
}

/// Does something that may not take longer than this.
fn within<T>(limit: Duration, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let done = work().with_context(|| what.to_owned())?;
    ensure!(began.elapsed() < limit, "{what} took {:.1} s", began.elapsed().as_secs_f64());
    Ok(done)
}

fn network(machine: &Machine, name: &str, range: &str) -> Result<()> {
    let words = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", range, name];
    machine.engine.docker(&words).map(drop)
}

fn container(machine: &Machine, name: &str) -> Result<()> {
    // The first process of a container ignores other signals, and Docker would wait for it.
    machine.engine.container(name, "blue", &["--expose", "80", "--stop-signal", "KILL"])
}

fn remove(machine: &Machine, name: &str) -> Result<()> {
    within(PROMPT, &format!("removing {name}"), || machine.engine.docker(&["rm", "--force", name]).map(drop))
}

/// With the limits as they come: nothing here may depend on shorter ones.
fn with_machine(docker: &str, test: impl FnOnce(&mut Machine) -> Result<()>) -> Result<()> {
    if let Err(reason) = able_to_boot() {
        return skip(&format!("{reason:#}"));
    }
    let mut machine = Machine::with_embedded_cloud(docker)?;
    let done = test(&mut machine);
    if done.is_err() {
        eprintln!("{}", machine.log());
    }
    done
}

fn containers_go_on_and_removals_are_made_up_for(how: Away) -> Result<()> {
    with_machine("", |machine| {
        network(machine, "blue", "10.10.0.0/24")?;
        network(machine, "red", "10.20.0.0/24")?;
        for name in ["stays", "peer", "stopped", "removed"] {
            container(machine, name)?;
        }
        let peer = machine.engine.endpoint("peer", "blue")?.address;
        machine.engine.ping("stays", &peer)?;

        how.begin(machine)?;
        let plugin = machine.host.path(Paths::PLUGIN);
        for path in ["/Plugin.Activate", "/NetworkDriver.GetCapabilities", "/IpamDriver.GetCapabilities"] {
            let answer = within(AT_ONCE, path, || request(&plugin, path, b"{}"))?;
            ensure!(answer.status == 200, "{path}: {answer:?}");
        }
        machine.engine.ping("stays", &peer)?;
        within(PROMPT, "stopping", || machine.engine.docker(&["stop", "stopped"]).map(drop))?;
        remove(machine, "removed")?;
        within(PROMPT, "removing a network", || machine.engine.try_docker(&["network", "rm", "red"]).map(drop))?;
        let words = ["run", "-d", "--name", "new", "--network", "blue", "kuryr-busybox", "sleep", "1000000"];
        let refusal = within(PROMPT, "a start", || machine.engine.refused(&words))?;
        ensure!(refusal.contains("127.0.0.1:9697") && refusal.contains("req-"), "{refusal}");
        machine.engine.ping("stays", &peer)?;
        Away::end(machine)?;

        // A Docker that was told of a failure may have kept it.
        machine.engine.try_docker(&["network", "rm", "red"])?;
        machine.in_step()?;
        machine.engine.docker(&["start", "stopped", "new"])?;
        machine.engine.ping("new", &peer)?;
        machine.clear()
    })
}

fn a_restart_forgets_nothing(how: Away) -> Result<()> {
    with_machine("", |machine| {
        network(machine, "blue", "10.10.0.0/24")?;
        for name in ["stays", "before", "after", "peer"] {
            container(machine, name)?;
        }
        let peer = machine.engine.endpoint("peer", "blue")?.address;
        how.begin(machine)?;
        remove(machine, "before")?;
        machine.kill()?;
        remove(machine, "after")?;
        machine.engine.ping("stays", &peer)?;
        Away::end(machine)?;
        machine.in_step()?;
        machine.clear()
    })
}

fn docker_starts_and_stops_promptly(how: Away) -> Result<()> {
    with_machine("", |machine| {
        network(machine, "blue", "10.10.0.0/24")?;
        let names: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
        for name in &names {
            container(machine, name)?;
        }
        how.begin(machine)?;
        let pid = machine.engine.pid();
        within(PROMPT, "stopping dockerd", || {
            machine.host.signal(pid, "-TERM")?;
            until("dockerd to end", || {
                ensure!(!machine.host.path("/run/docker.pid").exists(), "it runs");
                Ok(())
            })
        })?;
        let (engine, host) = (&mut machine.engine, &machine.host);
        within(PROMPT, "starting dockerd", || engine.start_again(host))?;
        Away::end(machine)?;
        let start: Vec<&str> = std::iter::once("start").chain(names.iter().map(String::as_str)).collect();
        until("containers to start again", || machine.engine.docker(&start).map(drop))?;
        machine.in_step()?;

        // It dies with its containers, so it finds sandboxes and endpoints of which nothing is left.
        how.begin(machine)?;
        machine.host.kill(&["dockerd", "containerd", "containerd-shim-runc-v2", "docker-init", "sleep"])?;
        let clean = "umount /run/docker/netns/* 2> /dev/null; rm -rf /run/docker/netns /run/docker.pid \
                     /run/docker.sock; rm -rf /run/docker/containerd/*.pid";
        machine.host.run(&["sh", "-c", clean])?;
        machine.kill()?;
        let (engine, host) = (&mut machine.engine, &machine.host);
        within(PROMPT, "starting dockerd after its death", || engine.start_again(host))?;
        Away::end(machine)?;
        machine.in_step()?;
        machine.engine.docker(&start)?;
        machine.clear()
    })
}

#[test]
fn nobody_listens_and_containers_go_on() -> Result<()> {
    containers_go_on_and_removals_are_made_up_for(Away::Refused)
}

#[test]
fn nothing_comes_back_and_containers_go_on() -> Result<()> {
    containers_go_on_and_removals_are_made_up_for(Away::Silent)
}

#[test]
fn nobody_listens_and_a_restart_forgets_nothing() -> Result<()> {
    a_restart_forgets_nothing(Away::Refused)
}

#[test]
fn nothing_comes_back_and_a_restart_forgets_nothing() -> Result<()> {
    a_restart_forgets_nothing(Away::Silent)
}

#[test]
fn nobody_listens_and_docker_starts_and_stops() -> Result<()> {
    docker_starts_and_stops_promptly(Away::Refused)
}

#[test]
fn nothing_comes_back_and_docker_starts_and_stops() -> Result<()> {
    docker_starts_and_stops_promptly(Away::Silent)
}

#[test]
fn starts_from_ready_ports_go_on() -> Result<()> {
    with_machine("vif_pool_driver = neutron\n\n[vif_pool]\nports_pool_min = 2\nports_pool_batch = 3", |machine| {
        network(machine, "blue", "10.10.0.0/24")?;
        machine.engine.container("first", "blue", &[])?;
        let ports = |machine: &Machine| machine.cloud().list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"));
        until("ready ports", || {
            let found = ports(machine)?.len();
            ensure!(found >= 3, "{found} ports");
            Ok(())
        })?;
        let first = machine.engine.endpoint("first", "blue")?.address;
        Away::Refused.begin(machine)?;
        within(PROMPT, "a start", || machine.engine.container("second", "blue", &[]))?;
        machine.engine.ping("second", &first)?;
        Away::end(machine)?;
        let mac = machine.engine.endpoint("second", "blue")?.mac;
        until("the port to be the container's in Neutron too", || {
            let port = ports(machine)?.into_iter().find(|port| port.mac_address.to_string() == mac);
            let port = port.context("it has no port")?;
            ensure!(port.device_id.len() == 64, "{port:?}");
            Ok(())
        })
    })
}
