//! A real Swarm of two engines whose networks are Neutron's. Swarm takes drivers from managed plugins only.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::managed::{Login, Managed};
use crate::engine::{Engine, IMAGE, PrivateEngine};
use crate::host::Host;
use crate::plugin::{Answer, raw};
use crate::release::Release;
use crate::{until, until_within};

/// The plugin's configuration; an engine in a root of its own shares `/run` alone with its machine.
const SETTINGS: &str = "/run/settings";
/// Tasks start one after the other.
const TASKS: Duration = Duration::from_secs(120);

/// Two engines; the first one manages the Swarm.
pub struct Swarm {
    /// The engines.
    pub engines: [PrivateEngine; 2],
}

impl Swarm {
    /// Start an engine of this release on each machine, with the plugin, whose kuryr.conf is given, and join them at these
    /// addresses.
    pub fn form(
        hosts: &[Host; 2],
        release: &Release,
        login: &Login,
        configurations: &[String; 2],
        addresses: [&str; 2],
    ) -> Result<Self> {
        let [first, second] = hosts;
        let engines = [
            PrivateEngine::start_release(first, release.clone())?,
            PrivateEngine::start_release(second, release.clone())?,
        ];
        for ((host, engine), configuration) in hosts.iter().zip(&engines).zip(configurations) {
            fs::create_dir_all(host.path(SETTINGS))?;
            fs::write(host.path(SETTINGS).join("kuryr.conf"), configuration)?;
            let plugin = Managed::create(host, engine)?;
            plugin.set(login, &["CAPABILITY_SCOPE=global", &format!("config.source={SETTINGS}")])?;
            plugin.enable()?;
        }
        let [manager, worker] = &engines;
        let [at, worker_at] = addresses.map(|address| ["--advertise-addr", address, "--listen-addr", address]);
        manager.docker(&[&["swarm", "init"], &at[..]].concat())?;
        if first.shares_network() {
            // The network of published ports is a VXLAN, of which there cannot be two in one network namespace.
            // Docker makes it a moment after its answer.
            until("Docker's network 'ingress' to be removed", || remove_ingress(manager))?;
        }
        let token = manager.docker(&["swarm", "join-token", "--quiet", "worker"])?;
        let leader = format!("{}:2377", addresses[0]);
        worker.docker(&[&["swarm", "join", "--token", &token], &worker_at[..], &[&leader]].concat())?;
        Ok(Self { engines })
    }

    /// The engine that manages it.
    pub fn manager(&self) -> &PrivateEngine {
        &self.engines[0]
    }

    /// The other one.
    pub fn worker(&self) -> &PrivateEngine {
        &self.engines[1]
    }

    /// Make a network for all of it.
    pub fn create_network(&self, name: &str, cidr: &str) -> Result<()> {
        let gateway = cidr.replace(".0/24", ".1");
        let create = ["network", "create", "--scope", "swarm", "--attachable", "-d", Managed::NAME, "--ipam-driver"];
        let rest = [Managed::NAME, "--subnet", cidr, "--gateway", &gateway, name];
        self.manager().docker(&[&create[..], &rest].concat()).map(drop)
    }

    /// Start a service with a task on each machine, which says its name at port 80; with this endpoint mode.
    pub fn serve(&self, name: &str, network: &str, mode: &str) -> Result<()> {
        let create = ["service", "create", "--detach", "--no-resolve-image", "--mode", "global", "--network", network];
        let rest = ["--endpoint-mode", mode, "--name", name, IMAGE, "nc", "-ll", "-p", "80", "-e", "echo", name];
        self.manager().docker(&[&create[..], &rest].concat())?;
        until_within(TASKS, "the tasks of a service", || {
            let tasks = self.manager().docker(&["service", "ps", "--no-trunc", name])?;
            ensure!(tasks.matches("Running ").count() == 4, "{tasks}");
            Ok(())
        })
    }

    /// Address of a service's task on one machine.
    pub fn task(engine: &Engine, service: &str, network: &str) -> Result<String> {
        let name = engine.docker(&["ps", "--format", "{{.Names}}", "--filter", &format!("name={service}.")])?;
        Ok(engine.endpoint(&name, network)?.address)
    }

    /// A service's own address on its network.
    pub fn virtual_address(&self, service: &str) -> Result<String> {
        let service = self.manager().inspect("service", service)?;
        let address = service["Endpoint"]["VirtualIPs"][0]["Addr"].as_str().context("the service has no address")?;
        Ok(address.split('/').next().unwrap_or_default().to_owned())
    }
}

/// Without the question that the command line asks.
fn remove_ingress(manager: &Engine) -> Result<()> {
    let request = b"DELETE /networks/ingress HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let answer = Answer::parse(&raw(manager.socket(), request)?)?;
    ensure!(answer.status < 300, "Docker keeps its network 'ingress': {answer:?}");
    Ok(())
}
