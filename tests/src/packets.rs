//! Packets between containers, on either cloud.
//!
//! The embedded cloud has wired a port when it answers, so the first packet must pass. A real Neutron answers first and
//! wires afterwards, so there packets are awaited.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Port, SecurityGroup, Status};

use crate::rig::Rig;
use crate::until;

impl Rig {
    /// How Neutron says that ports are wired here.
    pub fn vif_type(&self) -> &'static str {
        if self.openstack.is_some() { "ovs" } else { "bridge" }
    }

    /// See something that follows an answer of the cloud: on the embedded one at once.
    pub fn settles<T>(&self, what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
        if self.openstack.is_some() { until(what, look) } else { look() }
    }

    /// Pings of a container come back.
    pub fn ping(&self, container: &str, address: &str) -> Result<()> {
        self.settles("an answer to a ping", || self.engine.ping(container, address))
    }

    /// A container reaches a TCP service, or it does not.
    pub fn reaches(&self, container: &str, address: &str, port: u16, expected: bool) -> Result<()> {
        self.settles("a rule to be in force", || {
            let open = self.engine.reaches(container, address, port)?;
            ensure!(open == expected, "{container} reaches {address}:{port}: {open}");
            Ok(())
        })
    }

    /// The port of a container.
    pub fn port(&self, container: &str, network: &str) -> Result<Port> {
        self.cloud.port_by_mac(&self.engine.endpoint(container, network)?.mac)
    }

    /// A container's port, once the cloud has been told whose it is: that is written behind.
    pub fn owned_port(&self, container: &str, network: &str) -> Result<Port> {
        let endpoint = self.engine.endpoint(container, network)?;
        until("a port to be told its endpoint", || {
            let port = self.cloud.port_by_mac(&endpoint.mac)?;
            ensure!(port.device_id == endpoint.id, "device {:?} of endpoint {}", port.device_id, endpoint.id);
            Ok(port)
        })
    }

    /// Wait until the cloud calls a container's port active.
    pub fn is_active(&self, container: &str, network: &str) -> Result<()> {
        until("a port to be ACTIVE", || {
            let status = self.port(container, network)?.status;
            ensure!(status == Status::Active, "{status}");
            Ok(())
        })
    }

    /// The host's end of a port's interface, as `ip link` shows it.
    pub fn host_interface(&self, port: &Port) -> Result<String> {
        let name = port.id.tap_name();
        let namespace: &[&str] = if self.openstack.is_some() { &[] } else { &["-n", "kuryr"] };
        self.host.run(&[&["ip"], namespace, &["link", "show", &name]].concat())
    }

    /// A container's network namespace.
    pub fn sandbox(&self, container: &str) -> Result<File> {
        let pid = self.engine.docker(&["inspect", "--format", "{{.State.Pid}}", container])?;
        let path = self.host.path(format!("/proc/{pid}/ns/net"));
        File::open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// Put a container into a new group, apart from its neighbours.
    pub fn set_apart(&self, container: &str, network: &str, group: &str) -> Result<SecurityGroup> {
        let group = self.cloud.group(group)?;
        self.cloud.put_into(self.port(container, network)?.id, &[group.id])?;
        Ok(group)
    }

    /// A name that no other test of the same cloud uses.
    pub fn own(&self, name: &str) -> String {
        format!("{name}-{}", self.host.name().chars().rev().take(8).collect::<String>())
    }
}
