//! A Neutron that has no tags for its resources: names tell what is whose.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::stories::{Story, families, lifecycle, options, replay, tell};
use kuryr_tests::{OpenStack, Release, Rig, Veil, skip, with_openstack};
use serde_json::json;

const STORIES: &[Story] = &[
    ("names", names),
    ("nothing that exists is used", nothing_that_exists),
    ("internal", options::internal),
    ("network first", replay::network_first),
    ("twice", replay::twice),
];

/// What no engine does in its own way.
const MORE: &[Story] = &[
    ("stop and start", lifecycle::stop_and_start),
    ("join and leave", lifecycle::join_and_leave),
    ("dual stack", families::dual_stack),
];

fn names(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("one", "blue", &["--expose", "80"])?;
    rig.engine.container("two", "blue", &[])?;
    let id = rig.engine.inspect("network", "blue")?["Id"].as_str().context("no id")?.to_owned();
    let network: Network = rig.cloud.one(&Query::new())?;
    ensure!(network.name == id && network.tags.is_empty(), "{network:?}");
    let subnet: Subnet = rig.cloud.one(&Query::new())?;
    ensure!(subnet.name == "kuryr-subnet-10.10.0.0/24" && subnet.tags.is_empty(), "{subnet:?}");
    for name in ["one", "two"] {
        let port = rig.owned_port(name, "blue")?;
        let endpoint = rig.engine.endpoint(name, "blue")?.id;
        ensure!(port.name == format!("{endpoint}-port") && port.tags.is_empty(), "{port:?}");
    }
    rig.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
    rig.set_apart("two", "blue", "guests")?;
    let one = rig.engine.endpoint("one", "blue")?.address;
    rig.engine.serve("one", 80)?;
    rig.engine.serve("one", 81)?;
    rig.reaches("two", &one, 80, true)?;
    rig.reaches("two", &one, 81, false)?;
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let left = rig.cloud.inventory()?;
    ensure!(left == ["security_group guests"], "{left:?}");
    rig.is_clean()
}

/// Nothing could remember that it was there before, so it would be deleted one day.
fn nothing_that_exists(rig: &mut Rig) -> Result<()> {
    let network: Network = rig.cloud.make(json!({ "name": "mine" }))?;
    let range = json!({ "name": "my-subnet", "network_id": network.id, "ip_version": 4, "cidr": "10.30.0.0/24" });
    let subnet: Subnet = rig.cloud.make(range)?;
    let before = rig.cloud.inventory()?;
    let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.30.0.0/24"];
    let net = format!("neutron.net.uuid={}", network.id);
    let sub = format!("neutron.subnet.uuid={}", subnet.id);
    for options in [["-o", net.as_str()], ["--ipam-opt", &sub]] {
        let told = rig.engine.refused(&[&create[..], &options, &["blue"]].concat())?;
        ensure!(told.contains("standard-attr-tag"), "{told}");
        let after = rig.cloud.inventory()?;
        ensure!(after == before, "before: {before:?}; after: {after:?}");
    }
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    let own = rig.cloud.subnet("10.10.0.0/24")?;
    let mine: Port = rig.cloud.make(json!({
        "name": "mine", "network_id": own.network_id,
        "fixed_ips": [{ "subnet_id": own.id, "ip_address": "10.10.0.50" }],
    }))?;
    let run = ["run", "-d", "--name", "one", "--network", "blue", "--ip", "10.10.0.50", "kuryr-busybox", "sleep", "9"];
    let told = rig.engine.refused(&run)?;
    ensure!(told.contains("10.10.0.50") || told.contains("standard-attr-tag"), "{told}");
    let still: Port = rig.cloud.one(&Query::new().eq("id", mine.id))?;
    ensure!(still == mine, "before: {mine:?}; after: {still:?}");
    Ok(())
}

fn without_tags(release: Result<Release>, stories: &[Story]) -> Result<()> {
    let veil = match OpenStack::find() {
        Ok(openstack) => Veil::without_tags(&openstack)?,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    with_openstack(release, &format!("endpoint_override = {}\n", veil.url), |rig| tell(rig, stories))
}

#[test]
fn the_installed_engine_without_tags() -> Result<()> {
    without_tags(Ok(Release::Installed), &[STORIES, MORE].concat())
}

#[test]
fn a_current_engine_without_tags() -> Result<()> {
    without_tags(Release::current(), STORIES)
}
