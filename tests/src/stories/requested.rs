//! Addresses that the user asks for.

use anyhow::{Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use crate::Rig;

const CREATE: &[&str] = &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

/// `--ip` and `--mac-address`.
pub fn address_and_mac(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    let mac = "02:42:ac:11:00:77";
    rig.engine.container("one", "blue", &["--ip", "10.10.0.77", "--mac-address", mac])?;
    rig.engine.container("two", "blue", &[])?;
    let one = rig.engine.endpoint("one", "blue")?;
    ensure!(one.address == "10.10.0.77" && one.mac == mac, "{one:?}");
    let port = rig.cloud.port_by_mac(mac)?;
    ensure!(port.fixed_ips.len() == 1 && port.fixed_ips[0].ip_address.to_string() == "10.10.0.77", "{port:?}");
    let link = rig.engine.exec("one", &["ip", "address", "show", "eth0"])?;
    ensure!(link.contains(mac) && link.contains("10.10.0.77/24"), "{link}");
    rig.ping("two", "10.10.0.77")
}

/// An address that somebody has, and one of another network.
pub fn taken_or_foreign(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &["--ip", "10.10.0.77"])?;
    rig.settles("everything of it", || {
        let taps = rig.kernel()?;
        ensure!(taps.iter().any(|tap| tap.contains("tap")), "{taps:?}");
        Ok(())
    })?;
    let before = (rig.cloud.inventory()?, rig.kernel()?);
    for wanted in ["10.10.0.77", "10.99.0.7"] {
        let run = ["run", "-d", "--name", "two", "--network", "blue", "--ip", wanted, "kuryr-busybox", "sleep", "9"];
        let told = rig.engine.refused(&run)?;
        ensure!(told.contains(wanted), "the error does not name {wanted}: {told}");
        rig.engine.docker(&["rm", "--force", "two"])?;
    }
    let after = (rig.cloud.inventory()?, rig.kernel()?);
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    ensure!(rig.engine.endpoint("one", "blue")?.address == "10.10.0.77");
    Ok(())
}

/// A port that was made before is taken by its address and given back.
pub fn prepared_port(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    let mine: Port = rig.cloud.make(serde_json::json!({
        "name": "mine", "network_id": subnet.network_id,
        "fixed_ips": [{ "subnet_id": subnet.id, "ip_address": "10.10.0.50" }],
    }))?;
    rig.engine.container("one", "blue", &["--ip", "10.10.0.50"])?;
    rig.engine.container("two", "blue", &[])?;
    let taken: Port = rig.cloud.one(&Query::new().eq("id", mine.id))?;
    ensure!(taken.name == "mine" && taken.device_owner == "compute:kuryr", "{taken:?}");
    rig.ping("two", "10.10.0.50")?;
    rig.engine.docker(&["rm", "--force", "one"])?;
    let back: Port = rig.cloud.one(&Query::new().eq("id", mine.id))?;
    ensure!(back.name == "mine" && back.device_id.is_empty() && back.binding_host_id.is_empty(), "{back:?}");
    ensure!(back.status == kuryr_neutron::Status::Down, "{back:?}");
    Ok(())
}

/// A device's port is not taken.
pub fn foreign_device(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    let theirs: Port = rig.cloud.make(serde_json::json!({
        "name": "theirs", "network_id": subnet.network_id, "device_owner": "compute:nova", "device_id": "a-machine",
        "fixed_ips": [{ "subnet_id": subnet.id, "ip_address": "10.10.0.50" }],
    }))?;
    let run = ["run", "-d", "--name", "one", "--network", "blue", "--ip", "10.10.0.50", "kuryr-busybox", "sleep", "9"];
    let told = rig.engine.refused(&run)?;
    ensure!(told.contains("10.10.0.50"), "the error does not name the address: {told}");
    rig.engine.docker(&["rm", "--force", "one"])?;
    let still: Port = rig.cloud.one(&Query::new().eq("id", theirs.id))?;
    ensure!(still == theirs, "before: {theirs:?}; after: {still:?}");
    Ok(())
}
