//! Ports of Open vSwitch: its database's side, and the Linux bridge between in hybrid plug.

use crate::{Error, Plugged, bridge::Bridge, error::kernel, host::Host, pair::Pair};
use kuryr_netlink::{LinkChange, sysctl};
use kuryr_neutron::{Port, PortId};
use kuryr_ovsdb::{PortSpec, Vswitch};

/// `owner` in `external_ids`: ports of others are never touched.
pub const OWNER: &str = "kuryr";

/// What a port needs between its host end and the switch when its security groups are rules on a Linux bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hybrid {
    /// The bridge.
    pub bridge: String,
    /// The pair's end in the bridge.
    pub inner: String,
    /// The pair's end in the switch.
    pub outer: String,
}

impl Hybrid {
    /// The names a port's have.
    pub fn names(port: PortId) -> Self {
        let tap = port.tap_name();
        let rest = tap.strip_prefix("tap").unwrap_or(&tap);
        Self { bridge: format!("qbr{rest}"), inner: format!("qvb{rest}"), outer: format!("qvo{rest}") }
    }

    /// Makes the bridge with the port's pair and the pair to the switch. Tells as soon as something of it is
    /// new, whose parts are of no use without it.
    pub fn make(
        &self,
        host: &Host,
        port: PortId,
        names: &Plugged,
        (mac, mtu): ([u8; 6], u32),
        alias: &str,
        made: &mut bool,
    ) -> Result<(), Error> {
        let (inner, outer) = (&names.host_interface, &names.container_interface);
        // Two sockets: each pair is made with one for either end.
        host.at_home(port, |links| {
            host.at_home(port, |others| {
                let (index, new) = Bridge { port, name: &self.bridge, namespace: None, mtu }.provide(links)?;
                *made = new;
                let controller = Some(index);
                let pair = Pair { port, inner, outer, mac: Some(mac), mtu, controller, alias: Some(alias) };
                *made |= pair.make(links, others, &host.namespace)?;
                let pair = Pair { inner: &self.inner, outer: &self.outer, mac: None, alias: None, ..pair };
                pair.make(links, others, &host.namespace)?;
                let end = links.get(&self.outer).map_err(kernel(port))?.filter(|end| !end.up);
                if let Some(end) = end {
                    let up = LinkChange { up: Some(true), ..LinkChange::default() };
                    links.set(end.index, &up).map_err(kernel(port))?;
                }
                Ok(())
            })
        })?;
        silence(host, port, &self.outer)
    }

    /// Removes the bridge and the pair to the switch, if they are there and of their kinds.
    pub fn remove(&self, host: &Host, port: PortId) -> Result<(), Error> {
        host.at_home(port, |links| {
            for (name, kind) in [(&self.inner, "veth"), (&self.outer, "veth"), (&self.bridge, "bridge")] {
                let link = links.get(name).map_err(kernel(port))?;
                if let Some(link) = link.filter(|link| link.is(kind)) {
                    crate::host::delete(links, link.index, port)?;
                }
            }
            Ok(())
        })
    }
}

/// Keeps the host's own IPv6 off an end in the switch: with an address there the host would speak on the network.
pub fn silence(host: &Host, port: PortId, interface: &str) -> Result<(), Error> {
    match sysctl::write(&host.namespace, &format!("net.ipv6.conf.{interface}.disable_ipv6"), "1") {
        // A kernel without IPv6.
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map_err(kernel(port)),
    }
}

/// Adds a port's interface to a bridge of the switch.
pub async fn add(
    vswitch: &Vswitch,
    port: &Port,
    bridge: &str,
    interface: &str,
    hybrid: bool,
    endpoint: &str,
) -> Result<(), Error> {
    let (mac, id) = (port.mac_address.to_string(), port.id.to_string());
    let ids = [
        ("attached-mac", mac.as_str()),
        ("iface-id", id.as_str()),
        (if hybrid { "vm-id" } else { "vm-uuid" }, endpoint),
        ("iface-status", "active"),
        ("owner", OWNER),
    ];
    let spec = PortSpec { bridge, name: interface, external_ids: &ids };
    vswitch.add_port(&spec).await.map_err(|source| Error::Switch { port: port.id, source })
}

/// Removes a port from the switch, under whatever name it is there.
pub async fn remove(vswitch: &Vswitch, port: PortId) -> Result<(), Error> {
    match vswitch.remove_ports(&port.to_string(), OWNER).await {
        Ok(names) => {
            tracing::debug!(%port, ?names, "removed from Open vSwitch");
            Ok(())
        }
        Err(source) => Err(Error::Switch { port, source }),
    }
}
