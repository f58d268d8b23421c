//! Two Kuryrs use one network: whoever leaves takes nothing from the other, and the last one out takes what they made.

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Port, Subnet, SubnetPool};
use kuryr_openstack::Query;
use serde_json::json;

use crate::{Cloud, Rig, until, until_within};
use std::time::Duration;

const CIDR: &str = "10.50.0.0/24";
const CREATE: &[&str] = &["--subnet", CIDR, "--gateway", "10.50.0.1"];

/// How the second one says that it wants the first one's network.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Network,
    Subnet,
}

/// What an operator and the compute service have there, and must keep.
fn foreign(cloud: &Cloud) -> Result<()> {
    let network: Network = cloud.make(json!({ "name": "operators" }))?;
    let pool: SubnetPool = cloud.make(json!({ "name": "operators", "prefixes": ["10.60.0.0/16"] }))?;
    let _: Subnet = cloud.make(json!({
        "name": "operators", "network_id": network.id, "ip_version": 4, "subnetpool_id": pool.id, "prefixlen": 24,
    }))?;
    let machine = json!({ "name": "vm", "network_id": network.id, "device_owner": "compute:nova", "device_id": "vm" });
    cloud.make::<Port>(machine)?;
    cloud.group("operators").map(drop)
}

/// The second one uses the network that the first one has made.
fn join(rig: &Rig, wanted: Wanted) -> Result<Network> {
    let subnet = rig.cloud.subnet(CIDR)?;
    let network = format!("neutron.net.uuid={}", subnet.network_id);
    let subnet_id = format!("neutron.subnet.uuid={}", subnet.id);
    let mut options = vec!["-o", &network];
    if matches!(wanted, Wanted::Subnet) {
        options.extend(["-o", &subnet_id, "--ipam-opt", &subnet_id]);
    }
    rig.create_network("blue", &[CREATE, &options].concat())?;
    rig.cloud.one(&Query::new().eq("id", subnet.network_id))
}

/// The ports of a machine's containers on the common network.
fn ports_of(rig: &Rig, containers: &[&str]) -> Result<Vec<Port>> {
    containers.iter().map(|container| rig.owned_port(container, "blue")).collect()
}

/// Pings come back: on the embedded cloud at once, on an OpenStack that has much to do some time later.
fn ping(rig: &Rig, container: &str, address: &str) -> Result<()> {
    if rig.openstack.is_none() {
        return rig.engine.ping(container, address);
    }
    until_within(Duration::from_secs(90), "an answer to a ping", || rig.engine.ping(container, address))
}

/// Packets between the two machines, both ways.
fn meet(one: &Rig, a: &str, other: &Rig, b: &str) -> Result<()> {
    ping(one, a, &other.engine.endpoint(b, "blue")?.address)?;
    ping(other, b, &one.engine.endpoint(a, "blue")?.address)
}

/// All three sides agree, and nothing is there to be collected.
fn is_in_step(rig: &Rig) -> Result<()> {
    until("everything to be in step", || {
        let found = rig.differences()?;
        ensure!(found == (Some(0), vec![]), "{found:?}");
        Ok(())
    })?;
    let told = rig.kuryr.command(&rig.host, &["gc"])?;
    ensure!(told.status.success() && told.stdout == b"nothing to remove\n", "{told:?}");
    Ok(())
}

/// Kuryr has looked at everything at least twice from now on.
fn has_compared(rig: &Rig) -> Result<()> {
    let before = rig.comparisons()?;
    until_within(Duration::from_secs(60), "two comparisons", || {
        let now = rig.comparisons()?;
        ensure!(now >= before + 2, "{now} after {before}");
        Ok(())
    })
}

fn remove(rig: &Rig, containers: &[&str], network: &str) -> Result<()> {
    rig.engine.docker(&[&["rm", "--force"], containers].concat())?;
    rig.engine.docker(&["network", "rm", network]).map(drop)
}

/// One network by both, made by the first; either leaves first.
pub fn one_network(rigs: &mut [Rig; 2]) -> Result<()> {
    foreign(&rigs[0].cloud)?;
    let before = rigs[0].cloud.inventory()?;
    for (maker_leaves_first, wanted) in [(true, Wanted::Network), (false, Wanted::Subnet)] {
        let [maker, guest] = &*rigs;
        maker.create_network("blue", CREATE)?;
        let network = join(guest, wanted)?;
        for rig in [maker, guest] {
            rig.engine.container("first", "blue", &[])?;
            rig.engine.container("second", "blue", &[])?;
        }
        meet(maker, "first", guest, "first")?;
        meet(maker, "second", guest, "second")?;
        guest.engine.serve("first", 8080)?;
        let address = guest.engine.endpoint("first", "blue")?.address;
        maker.reaches("first", &address, 8080, true)?;
        let mut ports = ports_of(maker, &["first", "second"])?;
        ports.extend(ports_of(guest, &["first", "second"])?);
        ensure!(ports.iter().all(|port| port.network_id == network.id), "{ports:?}");
        is_in_step(maker)?;
        is_in_step(guest)?;

        let [leaves, stays] = if maker_leaves_first { [maker, guest] } else { [guest, maker] };
        remove(leaves, &["first", "second"], "blue")?;
        let kept = ports_of(stays, &["first", "second"])?;
        ensure!(kept.iter().all(|port| port.network_id == network.id), "{kept:?}");
        stays.engine.container("third", "blue", &[])?;
        let second = stays.engine.endpoint("second", "blue")?.address;
        ping(stays, "first", &second)?;
        ping(stays, "third", &second)?;
        has_compared(leaves)?;
        has_compared(stays)?;
        is_in_step(leaves)?;
        is_in_step(stays)?;
        ensure!(ports_of(stays, &["first", "second"])?.iter().map(|port| port.id).eq(kept.iter().map(|port| port.id)));
        // It may come back, and be the last to leave.
        join(leaves, wanted)?;
        leaves.engine.container("first", "blue", &[])?;
        meet(leaves, "first", stays, "third")?;
        remove(stays, &["first", "second", "third"], "blue")?;
        leaves.engine.container("second", "blue", &[])?;
        ping(leaves, "first", &leaves.engine.endpoint("second", "blue")?.address)?;
        remove(leaves, &["first", "second"], "blue")?;
        let after = leaves.cloud.inventory()?;
        ensure!(after == before, "maker first: {maker_leaves_first}; before: {before:?}; after: {after:?}");
    }
    Ok(())
}

/// Networks of each engine's own, of one name and one range: neither takes the other's for its own.
pub fn networks_of_their_own(rigs: &mut [Rig; 2]) -> Result<()> {
    foreign(&rigs[0].cloud)?;
    let before = rigs[0].cloud.inventory()?;
    let [one, other] = &*rigs;
    let mut networks = Vec::new();
    for rig in [one, other] {
        rig.create_network("blue", CREATE)?;
        for name in ["first", "second"] {
            rig.engine.container(name, "blue", &[])?;
        }
        networks.push(rig.port("first", "blue")?.network_id);
        ping(rig, "first", &rig.engine.endpoint("second", "blue")?.address)?;
    }
    ensure!(networks[0] != networks[1], "both are on {}", networks[0]);
    has_compared(one)?;
    has_compared(other)?;
    is_in_step(one)?;
    is_in_step(other)?;
    remove(one, &["first", "second"], "blue")?;
    let left = other.cloud.list::<Network>(&Query::new().eq("id", networks[0]))?;
    ensure!(left.is_empty(), "{left:?}");
    ping(other, "first", &other.engine.endpoint("second", "blue")?.address)?;
    other.engine.container("third", "blue", &[])?;
    ping(other, "third", &other.engine.endpoint("second", "blue")?.address)?;
    remove(other, &["first", "second", "third"], "blue")?;
    let after = one.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

/// One of them is killed while its containers start, and Docker forgets a container and the network without it: neither
/// the one that stays nor the one that comes back takes anything of the other's.
pub fn one_is_killed(rigs: &mut [Rig; 2]) -> Result<()> {
    foreign(&rigs[0].cloud)?;
    let before = rigs[0].cloud.inventory()?;
    let [killed, stays] = rigs;
    killed.create_network("blue", CREATE)?;
    join(stays, Wanted::Network)?;
    for rig in [&*killed, stays] {
        rig.engine.container("first", "blue", &[])?;
        rig.engine.container("second", "blue", &[])?;
    }
    let theirs = ports_of(stays, &["first", "second"])?;

    // In the middle of six starts.
    let engine = (*killed.engine).clone();
    let starts: Vec<_> = (0..6)
        .map(|number| {
            let engine = engine.clone();
            // Some of them fail.
            std::thread::spawn(move || drop(engine.container(&format!("late{number}"), "blue", &[])))
        })
        .collect();
    until_within(Duration::from_secs(60), "some of them to have a port", || {
        let ports = stays.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?;
        ensure!(ports.len() >= 6, "{}", ports.len());
        Ok(())
    })?;
    killed.kuryr.kill(&killed.host)?;
    has_compared(stays)?;
    let found = stays.differences()?;
    ensure!(found == (Some(0), vec![]), "what the other left is none of its business: {found:?}");
    // Its containers are reached without it.
    meet(killed, "first", stays, "first")?;
    stays.engine.container("third", "blue", &[])?;
    meet(killed, "second", stays, "third")?;
    killed.kuryr.start(&killed.host)?;
    for start in starts {
        ensure!(start.join().is_ok(), "a start panicked");
    }
    let late = killed.engine.docker(&["ps", "--all", "--quiet", "--filter", "name=late"])?;
    let late: Vec<&str> = late.lines().collect();
    killed.engine.docker(&[&["rm", "--force"], &late[..]].concat())?;
    killed.is_alone_with(stays, &["first", "second"], &["first", "second", "third"])?;

    // Docker forgets its containers and its network.
    killed.without_kuryr(|rig| remove(rig, &["first", "second"], "blue"))?;
    has_compared(stays)?;
    let network = stays.port("first", "blue")?.network_id;
    let found: Network = stays.cloud.one(&Query::new().eq("id", network))?;
    let users = |network: &Network| network.tags.iter().filter(|tag| tag.as_str().starts_with("kuryr.cp:")).count();
    ensure!(users(&found) == 2, "{:?}", found.tags);
    killed.kuryr.start(&killed.host)?;
    until_within(Duration::from_secs(60), "what Docker forgot to go", || {
        let found: Network = stays.cloud.one(&Query::new().eq("id", network))?;
        ensure!(users(&found) == 1, "{:?}", found.tags);
        killed.is_alone_with(stays, &[], &["first", "second", "third"])
    })?;
    let kept = ports_of(stays, &["first", "second"])?;
    ensure!(kept.iter().map(|port| port.id).eq(theirs.iter().map(|port| port.id)), "{theirs:?} {kept:?}");
    ping(stays, "first", &stays.engine.endpoint("second", "blue")?.address)?;
    stays.engine.container("fourth", "blue", &[])?;
    ping(stays, "fourth", &stays.engine.endpoint("second", "blue")?.address)?;
    remove(stays, &["first", "second", "third", "fourth"], "blue")?;
    let after = stays.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

impl Rig {
    /// Wait until the cloud has the ports of these containers of both, and none else of Kuryr's.
    fn is_alone_with(&self, other: &Rig, own: &[&str], others: &[&str]) -> Result<()> {
        let mut wanted = ports_of(self, own)?;
        wanted.extend(ports_of(other, others)?);
        let mut wanted: Vec<_> = wanted.into_iter().map(|port| port.id).collect();
        wanted.sort();
        until_within(Duration::from_secs(60), "what is left over to go", || {
            let found = self.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?;
            let mut found: Vec<_> = found.into_iter().map(|port| port.id).collect();
            found.sort();
            ensure!(found == wanted, "{found:?}, not {wanted:?}");
            Ok(())
        })
    }
}
