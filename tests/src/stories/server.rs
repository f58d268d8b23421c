//! A machine of the cloud on a container's network, in groups of its own. Only on a real OpenStack.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{HostId, Port, SecurityGroup, Status};
use kuryr_openstack::Query;
use serde_json::json;

use crate::{Rig, Server, until};

/// Packets both ways, and only those that the groups of both allow.
pub fn neighbours(rig: &mut Rig) -> Result<()> {
    let openstack = rig.openstack.as_ref().context("there are no machines without an OpenStack")?.openstack.clone();
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.serve("one", 8080)?;
    let one = rig.port("one", "blue")?;
    let default: SecurityGroup = rig.cloud.one(&Query::new().eq("name", "default"))?;
    let port: Port = rig.cloud.make(json!({
        "network_id": one.network_id, "device_owner": "compute:nova", "device_id": "a-machine",
        "binding:host_id": HostId(openstack.host.clone()), "security_groups": [default.id],
    }))?;
    let mut server = Server::boot(&rig.host, &openstack, &port)?;
    until("the machine's port to be ACTIVE", || {
        let status = rig.cloud.port_by_mac(&port.mac_address.to_string())?.status;
        ensure!(status == Status::Active, "{status}");
        Ok(())
    })?;
    let (own, theirs) = (one.fixed_ips[0].ip_address.to_string(), port.fixed_ips[0].ip_address.to_string());
    server.serve("machine", 9090)?;
    // Members of one group.
    rig.ping("one", &theirs)?;
    server.ping(&own)?;
    ensure!(server.fetch(&own, 8080)? == "one");
    rig.reaches("one", &theirs, 9090, true)?;
    // Apart, nothing comes in but what a rule allows.
    let machines = rig.cloud.group("machines")?;
    rig.cloud.put_into(port.id, &[machines.id])?;
    rig.reaches("one", &theirs, 9090, false)?;
    until("the container to be closed", || {
        ensure!(server.fetch(&own, 8080).is_err(), "the machine still reaches the container");
        Ok(())
    })?;
    rig.cloud.open(machines.id, "IPv4", 9090)?;
    rig.reaches("one", &theirs, 9090, true)?;
    ensure!(server.fetch(&own, 8080).is_err(), "a rule of the machine opened the container");
    // The container goes and leaves the machine alone.
    rig.engine.docker(&["rm", "--force", "one"])?;
    let still = rig.cloud.port_by_mac(&port.mac_address.to_string())?;
    ensure!(still.id == port.id && still.device_id == "a-machine" && still.status == Status::Active, "{still:?}");
    Ok(())
}
