//! Removes what demos leave: through Docker and Neutron while they answer, so that nothing is torn out half.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{
    Network, Port, PortUpdate, Router, RouterInterface, RouterUpdate, SecurityGroup, Subnet, SubnetPool,
};
use kuryr_openstack::Query;

use super::outside;
use super::place::{CLIENT, NETWORK, Place, SERVER};
use super::process;
use crate::cloud::Cloud;
use crate::engine::{Engine, IMAGE};
use crate::narrator::Narrator;

/// Security group of the demo's server.
pub const GROUP: &str = "demo-server";
/// The data plane's namespace.
const KURYR: &str = "kuryr";
/// Folder of named namespaces.
const NAMESPACES: &str = "/run/netns";

/// `--clean`.
pub fn remove(narrator: &Narrator, place: &Place) -> Result<()> {
    narrator.chapter("Removing what the demo left");
    narrator.explain_with(&place.log());
    leftovers(narrator, place)?;
    let engine = Engine::new(&place.engine());
    if engine.docker(&["version"]).is_ok() && engine.try_docker(&["image", "inspect", IMAGE])?.status.success() {
        narrator.step("the image", || engine.docker(&["image", "rm", "--force", IMAGE]).map(drop))?;
    }
    Ok(())
}

/// Start the Kuryr of a broken demo again, so that what it made can be taken down in order.
pub fn revive(narrator: &Narrator, place: &Place) -> Result<()> {
    narrator.explain_with(&place.log());
    if place.clouds().exists() && !process::is_running(place) {
        narrator.step("Kuryr starts again, to take down what it made", || process::start(place))?;
    }
    Ok(())
}

/// Remove a former demo, whole or broken; nothing happens if there was none.
pub fn leftovers(narrator: &Narrator, place: &Place) -> Result<()> {
    if !place.memory().exists() && !place.clouds().exists() {
        outside::remove();
        return Ok(());
    }
    revive(narrator, place)?;
    let engine = Engine::new(&place.engine());
    narrator.step("containers and network", || {
        for name in [CLIENT, SERVER] {
            drop(engine.try_docker(&["rm", "--force", name])?);
        }
        // Whoever tried things with --keep may have left containers of their own there.
        if let Ok(network) = engine.inspect("network", NETWORK) {
            for id in network["Containers"].as_object().into_iter().flat_map(|map| map.keys()) {
                engine.docker(&["rm", "--force", id])?;
            }
            engine.docker(&["network", "rm", NETWORK])?;
        }
        Ok(())
    })?;
    narrator.step("everything in the embedded cloud", || empty(&Cloud::connect(&place.api(), &place.clouds())?))?;
    narrator.step("Kuryr stops", || process::stop(place))?;
    narrator.step("namespaces, rules and files", || {
        outside::remove();
        let purge = process::command(place)?.args(["cloud", "purge", "--state", "--yes"]).output();
        let purge = purge.context("cannot run kuryr cloud purge")?;
        ensure!(purge.status.success(), "kuryr cloud purge: {}", String::from_utf8_lossy(&purge.stderr).trim());
        for file in [place.plugin(), place.api(), place.memory(), place.config()] {
            drop(fs::remove_file(file));
        }
        // The folders of the plugin's socket go only if nobody else uses them.
        for folder in place.plugin().ancestors().skip(1).take(2) {
            drop(fs::remove_dir(folder));
        }
        Ok(())
    })
}

/// The demo's security groups.
pub fn groups(cloud: &Cloud) -> Result<()> {
    for group in cloud.list::<SecurityGroup>(&Query::new().eq("name", GROUP))? {
        cloud.delete::<SecurityGroup>(group.id)?;
    }
    Ok(())
}

/// Delete all there is: the cloud is the demo's own.
fn empty(cloud: &Cloud) -> Result<()> {
    for router in cloud.all::<Router>()? {
        let no_gateway = RouterUpdate { external_gateway_info: Some(None), ..Default::default() };
        cloud.update::<Router>(router.id, &no_gateway)?;
        for port in cloud.list::<Port>(&Query::new().eq("device_id", router.id))? {
            let interface = RouterInterface { port_id: Some(port.id), ..Default::default() };
            cloud.call(async |neutron| neutron.remove_router_interface(router.id, interface).await)?;
        }
        cloud.delete::<Router>(router.id)?;
    }
    for port in cloud.all::<Port>()? {
        let unbound = PortUpdate { binding_host_id: Some(kuryr_neutron::HostId(String::new())), ..Default::default() };
        cloud.update::<Port>(port.id, &unbound)?;
        cloud.delete::<Port>(port.id)?;
    }
    for subnet in cloud.all::<Subnet>()? {
        cloud.delete::<Subnet>(subnet.id)?;
    }
    for network in cloud.all::<Network>()? {
        cloud.delete::<Network>(network.id)?;
    }
    for pool in cloud.all::<SubnetPool>()? {
        cloud.delete::<SubnetPool>(pool.id)?;
    }
    for group in cloud.all::<SecurityGroup>()?.iter().filter(|group| group.name != "default") {
        cloud.delete::<SecurityGroup>(group.id)?;
    }
    Ok(())
}

/// What of Kuryr is in the kernel: interfaces of ports and networks, and routers.
pub fn kernel() -> Result<Vec<String>> {
    let ours = |name: &str| ["tap", "t_c", "brq", "qr-", "qg-", "ext"].iter().any(|start| name.starts_with(start));
    let links = |words: &[&str]| -> Result<Vec<String>> {
        let json: serde_json::Value = serde_json::from_str(&outside::ip(words)?)?;
        let names = json.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
        Ok(names.filter(|name| ours(name)).map(str::to_owned).collect())
    };
    // Interfaces of the host are Kuryr's only if it has a data plane here at all.
    if !Path::new(NAMESPACES).join(KURYR).exists() {
        return Ok(Vec::new());
    }
    let mut all = links(&["-json", "link", "show", "type", "veth"])?;
    all.extend(links(&["-n", KURYR, "-json", "link", "show"])?);
    let entries = fs::read_dir(NAMESPACES)?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    all.extend(names.filter(|name| name.starts_with("qrouter-")));
    Ok(all)
}
