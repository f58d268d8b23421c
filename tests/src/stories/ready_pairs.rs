//! Containers whose ports were ready, with an address of each IP version.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use kuryr_neutron::Port;

use super::ready::{filled, is_back, of, remove};
use crate::Rig;

pub(super) const CREATE_BOTH: &[&str] = &[
    "--subnet",
    "10.10.0.0/24",
    "--gateway",
    "10.10.0.1",
    "--ipv6",
    "--subnet",
    "fd00:10::/64",
    "--gateway",
    "fd00:10::1",
];

/// A container's port, which has exactly its addresses.
pub(super) fn port_of(rig: &Rig, container: &str) -> Result<Port> {
    let endpoint = rig.engine.endpoint(container, "blue")?;
    let port = rig.cloud.port_by_mac(&endpoint.mac)?;
    let has: BTreeSet<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
    let wanted = [&endpoint.address, &endpoint.address6].into_iter().filter(|address| !address.is_empty());
    ensure!(has == wanted.cloned().collect(), "{container}: {port:?} {endpoint:?}");
    Ok(port)
}

/// Ports with both addresses come from the pool and go back, whatever a container wishes and whoever dies.
pub(super) fn both_versions(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE_BOTH)?;
    rig.engine.container("one", "blue", &["--stop-signal", "KILL"])?;
    let ready = filled(rig, 2)?;
    ensure!(ready.iter().all(|port| port.fixed_ips.len() == 2), "{ready:?}");
    rig.engine.container("two", "blue", &["--stop-signal", "KILL"])?;
    let two = of(rig, &ready, "two")?;
    rig.engine.container("three", "blue", &["--ip", "10.10.0.99", "--ip6", "fd00:10::99"])?;
    rig.engine.container("four", "blue", &["--ip6", "fd00:10::88"])?;
    let reach = |names: &[&str]| {
        names.iter().try_for_each(|name| {
            port_of(rig, name)?;
            let endpoint = rig.engine.endpoint(name, "blue")?;
            let from = if *name == "one" { "two" } else { "one" };
            rig.ping(from, &endpoint.address)?;
            rig.ping(from, &endpoint.address6)
        })
    };
    reach(&["one", "two", "three", "four"])?;
    ensure!(rig.engine.endpoint("four", "blue")?.address6 == "fd00:10::88");
    rig.engine.docker(&["stop", "two"])?;
    is_back(rig, &two)?;
    let ready = filled(rig, 2)?;
    rig.engine.docker(&["start", "two"])?;
    of(rig, &ready, "two")?;
    reach(&["two"])?;

    rig.kuryr.kill(&rig.host)?;
    rig.kuryr.start(&rig.host)?;
    rig.engine.container("five", "blue", &[])?;
    let names = ["one", "two", "three", "four", "five"];
    let reach = |name: &str| rig.ping("one", &rig.engine.endpoint(name, "blue")?.address6);
    reach("five")?;
    let ports: BTreeSet<_> = names.iter().map(|name| Ok(port_of(rig, name)?.id)).collect::<Result<_>>()?;
    ensure!(ports.len() == names.len(), "a port is used twice: {ports:?}");
    remove(rig, &names)
}
