//! What Docker has at a moment.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::engine::Engine;
use crate::plugin;

/// Containers and networks of the load.
#[derive(Debug, Default)]
pub struct Seen {
    /// By name.
    pub containers: BTreeMap<String, Container>,
    /// Names of Kuryr's networks.
    pub networks: Vec<String>,
}

/// One container.
#[derive(Debug)]
pub struct Container {
    /// Whether it runs.
    pub running: bool,
    /// Its IPv4 address on each of its networks, empty while it has none.
    pub addresses: BTreeMap<String, String>,
}

impl Seen {
    /// Ask the engine.
    pub fn look(engine: &Engine) -> Result<Self> {
        let mut seen = Self::default();
        for container in list(engine, "/containers/json?all=1")? {
            let name = container["Names"][0].as_str().context("a container without a name")?.trim_start_matches('/');
            let networks = container["NetworkSettings"]["Networks"].as_object();
            let address = |endpoint: &Value| endpoint["IPAddress"].as_str().unwrap_or_default().to_owned();
            let addresses = networks.into_iter().flatten().map(|(name, it)| (name.clone(), address(it))).collect();
            seen.containers.insert(name.to_owned(), Container { running: container["State"] == "running", addresses });
        }
        for network in list(engine, "/networks")? {
            if network["Driver"] == "kuryr" {
                seen.networks.push(network["Name"].as_str().context("a network without a name")?.to_owned());
            }
        }
        seen.networks.sort();
        Ok(seen)
    }

    /// Whether a container, running or not, has this network.
    pub fn is_used(&self, network: &str) -> bool {
        self.containers.values().any(|container| container.addresses.contains_key(network))
    }

    /// Running containers with their addresses on this network.
    pub fn on(&self, network: &str) -> Vec<(&str, &str)> {
        let running = self.containers.iter().filter(|(_, container)| container.running);
        let with = running.filter_map(|(name, it)| Some((name.as_str(), it.addresses.get(network)?.as_str())));
        with.filter(|(_, address)| !address.is_empty()).collect()
    }
}

fn list(engine: &Engine, path: &str) -> Result<Vec<Value>> {
    let answer = plugin::get(engine.socket(), path)?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(answer.json()?.as_array().cloned().unwrap_or_default())
}
