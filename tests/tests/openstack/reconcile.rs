//! What Docker forgot while Kuryr was away goes from a real Neutron, its switch and the kernel, and nothing of others does.

use std::time::Duration;

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Port, SubnetPool};
use kuryr_tests::{Release, Rig, until_within, with_openstack};
use serde_json::json;

/// Longer than a port is too young for a command to judge, on a slow machine.
const OLD_ENOUGH: Duration = Duration::from_secs(150);
const CREATE: &[&str] = &["--subnet", "10.55.0.0/24", "--gateway", "10.55.0.1"];

/// As much like ours as it can be, and not ours: a virtual machine's port on the same network and host, what another
/// control plane on this host made, and what an operator named as we do.
fn foreign(rig: &Rig, network: &Network, host: &str) -> Result<()> {
    let theirs = "Created by Kuryr, req-1 on next-door";
    rig.cloud.make::<Port>(json!({
        "name": "vm", "network_id": network.id, "device_owner": "compute:nova", "device_id": "vm",
        "binding:host_id": host,
    }))?;
    let endpoint = "e".repeat(64);
    let port: Port = rig.cloud.make(json!({
        "name": format!("{endpoint}-port"), "network_id": network.id, "device_owner": "compute:kuryr",
        "device_id": endpoint, "binding:host_id": host, "description": theirs,
    }))?;
    let tag = "compute:kuryr".parse()?;
    rig.cloud.call(async |neutron| neutron.add_tag::<Port>(port.id, &tag).await)?;
    rig.cloud.make::<Network>(json!({ "name": "kuryr-net-eeeeeeee", "description": theirs }))?;
    rig.cloud.make::<SubnetPool>(json!({
        "name": "kuryrPool-10.56.0.0/24", "prefixes": ["10.56.0.0/24"], "description": theirs,
    }))?;
    rig.cloud.make::<Network>(json!({ "name": "kuryr-net-dddddddd", "description": "the operator's" }))?;
    rig.cloud.make::<SubnetPool>(json!({ "name": "kuryrPool-10.57.0.0/24", "prefixes": ["10.57.0.0/24"] })).map(drop)
}

/// An operator's network with a container that stays and one that goes, a network of ours that goes, and things of others;
/// what must be there in the end. Kuryr runs again, and has not looked around yet.
fn orphans(rig: &mut Rig) -> Result<Vec<String>> {
    let network: Network = rig.cloud.make(json!({ "name": "operators" }))?;
    let host = rig.openstack.as_ref().map(|place| place.openstack.host.clone()).unwrap_or_default();
    rig.create_network("blue", &[CREATE, &["-o", &format!("neutron.net.uuid={}", network.id)]].concat())?;
    foreign(rig, &network, &host)?;
    rig.engine.container("stays", "blue", &[])?;
    rig.owned_port("stays", "blue")?;
    rig.is_active("stays", "blue")?;
    let kept = rig.cloud.inventory()?;
    rig.engine.container("goes", "blue", &["--expose", "80"])?;
    rig.owned_port("goes", "blue")?;
    rig.create_network("red", &["--subnet", "10.58.0.0/24", "--gateway", "10.58.0.1"])?;
    rig.engine.container("too", "red", &[])?;
    rig.owned_port("too", "red")?;
    rig.without_kuryr(|rig| {
        rig.engine.docker(&["rm", "--force", "goes", "too"])?;
        rig.engine.docker(&["network", "rm", "red"]).map(drop)
    })?;
    let left = rig.cloud.inventory()?;
    ensure!(left.len() >= kept.len() + 6, "two ports, a group, a network, a subnet and its pool: {left:?}");
    Ok(kept)
}

/// What was to stay is there, and works; then it goes too.
fn ends(rig: &Rig, kept: &[String]) -> Result<()> {
    let now = rig.cloud.inventory()?;
    ensure!(now == kept, "{now:?}, not {kept:?}");
    let found = rig.differences()?;
    ensure!(found == (Some(0), vec![]), "{found:?}");
    rig.engine.container("new", "blue", &[])?;
    until_within(OLD_ENOUGH, "an answer to a ping", || {
        rig.engine.ping("new", &rig.engine.endpoint("stays", "blue")?.address)
    })?;
    rig.engine.docker(&["rm", "--force", "stays", "new"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    rig.cloud.clear()?;
    rig.is_clean()
}

#[test]
fn by_the_commands() -> Result<()> {
    with_openstack(Ok(Release::Installed), "\n[docker]\nreconcile_interval = 0\n", |rig| {
        let kept = orphans(rig)?;
        rig.kuryr.start(&rig.host)?;
        until_within(OLD_ENOUGH, "what is left over to be old enough", || {
            let (status, found) = rig.differences()?;
            let lost = found.iter().filter(|word| *word == "not_in_docker").count();
            ensure!(status == Some(3) && lost == found.len() && lost >= 3, "{status:?} {found:?}");
            Ok(())
        })?;
        let before = rig.cloud.inventory()?;
        let told = rig.kuryr.command(&rig.host, &["gc", "--dry-run"])?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        ensure!(told.matches("would remove port").count() == 2 && told.contains("would remove network"), "{told}");
        ensure!(rig.cloud.inventory()? == before, "a dry run removes nothing");
        // What held something else first goes, then that.
        until_within(OLD_ENOUGH, "nothing to be left", || {
            let done = rig.kuryr.command(&rig.host, &["gc"])?;
            ensure!(done.status.success() && done.stdout == b"nothing to remove\n", "{done:?}");
            Ok(())
        })?;
        ends(rig, &kept)
    })
}

#[test]
fn by_itself() -> Result<()> {
    with_openstack(Ok(Release::Installed), "\n[docker]\nreconcile_interval = 1\n", |rig| {
        let kept = orphans(rig)?;
        rig.kuryr.start(&rig.host)?;
        until_within(OLD_ENOUGH, "what Docker forgot to go", || {
            let now = rig.cloud.inventory()?;
            ensure!(now == kept, "{now:?}, not {kept:?}");
            Ok(())
        })?;
        ends(rig, &kept)
    })
}
