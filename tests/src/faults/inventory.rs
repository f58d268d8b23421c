//! Everything there is, on all sides, and what of it should not be.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Resource, SecurityGroup, Subnet, SubnetPool};
use serde_json::Value;

use super::machine::Machine;
use crate::{Cloud, PrivateEngine, get};

/// What others have, as it was when it was made, by id.
#[derive(Debug, Default, Clone)]
pub struct Foreign {
    known: BTreeMap<String, Value>,
}

impl Foreign {
    /// Another one of theirs.
    pub fn add<R: Resource>(&mut self, theirs: &R) -> Result<()> {
        self.known.insert(theirs.id().to_string(), whole(theirs)?);
        Ok(())
    }

    /// They have removed it themselves.
    pub fn remove(&mut self, id: &str) {
        self.known.remove(id);
    }
}

/// One of Docker's endpoints.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    mac: String,
    address: String,
}

/// All that Docker has of ours.
struct InDocker {
    /// Ids with ranges.
    networks: BTreeMap<String, String>,
    endpoints: BTreeSet<Place>,
}

impl InDocker {
    fn see(engine: &PrivateEngine) -> Result<Self> {
        let ask = |path: &str| get(engine.socket(), path)?.json();
        let mut seen = Self { networks: BTreeMap::new(), endpoints: BTreeSet::new() };
        for network in ask("/networks")?.as_array().context("no networks")? {
            if network["Driver"] != "kuryr" {
                continue;
            }
            let id = network["Id"].as_str().context("a network without an id")?;
            let inspected = ask(&format!("/networks/{id}"))?;
            let range = inspected["IPAM"]["Config"][0]["Subnet"].as_str().unwrap_or_default();
            seen.networks.insert(id.to_owned(), range.to_owned());
            for endpoint in inspected["Containers"].as_object().into_iter().flat_map(|all| all.values()) {
                let text = |key: &str| endpoint[key].as_str().unwrap_or_default().to_owned();
                let address = text("IPv4Address").split('/').next().unwrap_or_default().to_owned();
                seen.endpoints.insert(Place { mac: text("MacAddress"), address });
            }
        }
        Ok(seen)
    }
}

/// The ports that no container has yet.
pub fn ready(cloud: &Cloud) -> Result<Vec<Port>> {
    Ok(cloud.all::<Port>()?.into_iter().filter(is_ready).collect())
}

fn is_ready(port: &Port) -> bool {
    port.name == "kuryr-ready-port" && port.device_id.is_empty()
}

/// Fails with what Docker, Neutron and the kernel disagree about, and what is not as others left it. `most_ready`: so many
/// ports may wait for containers, for each network.
pub fn agree(machine: &Machine, most_ready: usize) -> Result<()> {
    let Machine { engine, foreign, site, host, .. } = machine;
    let cloud = &site.cloud;
    let docker = InDocker::see(engine)?;
    let mut theirs = foreign.known.clone();
    let networks = ours::<Network>(cloud, &mut theirs)?;
    let subnets = ours::<Subnet>(cloud, &mut theirs)?;
    let pools = ours::<SubnetPool>(cloud, &mut theirs)?;
    let mut ports = ours::<Port>(cloud, &mut theirs)?;
    let mut groups = ours::<SecurityGroup>(cloud, &mut theirs)?;
    ensure!(theirs.is_empty(), "what is not ours was removed: {theirs:?}");
    groups.retain(|group| group.name != "default");
    ports.retain(|port| !port.device_owner.starts_with("network:"));
    for network in &networks {
        let ready = ports.iter().filter(|port| is_ready(port) && port.network_id == network.id).count();
        ensure!(ready <= most_ready, "{ready} ports are ready on {}", network.name);
    }
    ports.retain(|port| !is_ready(port));

    let names: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
    let has_one = |id: &String| names.iter().filter(|name| is_named_for(name, id)).count() == 1;
    ensure!(
        names.len() == docker.networks.len() && docker.networks.keys().all(has_one),
        "Docker has the networks {:?}, Neutron {names:?}",
        docker.networks
    );
    let ranges: BTreeSet<String> = docker.networks.values().cloned().collect();
    let of_subnets: Vec<String> = subnets.iter().map(|subnet| subnet.cidr.to_string()).collect();
    ensure!(is_same(&ranges, &of_subnets), "Docker has the ranges {ranges:?}, Neutron the subnets {of_subnets:?}");
    let of_pools: Vec<String> = pools.iter().flat_map(|pool| &pool.prefixes).map(ToString::to_string).collect();
    ensure!(is_same(&ranges, &of_pools), "Docker has the ranges {ranges:?}, Neutron the subnet pools {of_pools:?}");

    let place = |port: &Port| Place {
        mac: port.mac_address.to_string(),
        address: port.fixed_ips.first().map(|ip| ip.ip_address.to_string()).unwrap_or_default(),
    };
    let places: Vec<Place> = ports.iter().map(place).collect();
    ensure!(is_same(&docker.endpoints, &places), "Docker has {:?}, Neutron {places:?}", docker.endpoints);
    let strange: Vec<&SecurityGroup> =
        groups.iter().filter(|group| !ports.iter().any(|port| group.name.starts_with(&port.id.to_string()))).collect();
    ensure!(strange.is_empty(), "groups of ports that are gone: {strange:?}");

    let taps: BTreeSet<String> = ports.iter().map(|port| port.id.tap_name()).collect();
    for ends in site.interfaces(host)? {
        ensure!(is_same(&taps, &ends), "ports need the interfaces {taps:?}, and there are {ends:?}");
    }
    Ok(())
}

/// All of a kind that others do not have; theirs are taken from the list, and must be unchanged.
fn ours<R: Resource>(cloud: &Cloud, theirs: &mut BTreeMap<String, Value>) -> Result<Vec<R>> {
    let mut all = Vec::new();
    for one in cloud.all::<R>()? {
        match theirs.get(&one.id().to_string()) {
            Some(known) => {
                let now = whole(&one)?;
                ensure!(*known == now, "what is not ours was changed: {known}, and now {now}");
                theirs.remove(&one.id().to_string());
            }
            None => all.push(one),
        }
    }
    Ok(all)
}

/// Without what counts changes: others may look at it. Lists are in no order that would mean something.
fn whole<R: Resource>(one: &R) -> Result<Value> {
    let mut one = serde_json::to_value(one)?;
    let fields = one.as_object_mut().context("not an object")?;
    for counter in ["revision_number", "updated_at", "subnets"] {
        fields.remove(counter);
    }
    fields.values_mut().filter_map(Value::as_array_mut).for_each(|list| list.sort_by_cached_key(Value::to_string));
    Ok(one)
}

fn is_same<T: Ord>(wanted: &BTreeSet<T>, found: &[T]) -> bool {
    wanted.len() == found.len() && found.iter().all(|one| wanted.contains(one))
}

fn is_named_for(name: &str, id: &str) -> bool {
    let end = name.rsplit('-').next().unwrap_or_default();
    end.len() >= 8 && id.starts_with(end)
}
