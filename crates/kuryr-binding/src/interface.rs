//! A port's host end as the kernel has it: how it stands, and for which endpoint it was made.
//!
//! The endpoint is the link's alias. It is there before anybody is told that the port is plugged, and goes with the link:
//! no process and no cloud has to remember it.

use crate::{
    Binder, Error,
    error::kernel,
    wiring::{Way, Wiring},
};
use kuryr_netlink::Link;
use kuryr_neutron::Port;

/// First part of the alias of a port's host end; the endpoint's id follows.
const ALIAS: &str = "endpoint ";

/// The alias for an endpoint.
pub fn alias_of(endpoint: &str) -> String {
    format!("{ALIAS}{endpoint}")
}

/// How a port's host end stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// The container's end is there and up.
    pub carrier: bool,
    /// MTU in bytes; 0 if nobody can tell.
    pub mtu: u32,
    /// It belongs to a bridge.
    pub bridged: bool,
}

impl Binder {
    /// True if the kernel remembers for which endpoint the port is plugged: then [`Binder::endpoint`] tells it.
    pub fn remembers(&self, port: &Port) -> bool {
        matches!(self.way(port), Ok(Way::Pair(_)))
    }

    /// The endpoint for which the port is plugged, whichever process did it. Nothing: it is not plugged, or nobody
    /// remembers ([`Binder::remembers`]).
    pub async fn endpoint(&self, port: &Port) -> Result<Option<String>, Error> {
        if !self.remembers(port) {
            return Ok(None);
        }
        let alias = self.host_end(port).await?.and_then(|link| link.alias);
        Ok(alias.and_then(|alias| alias.strip_prefix(ALIAS).map(str::to_owned)))
    }

    /// The state of the port's host end; nothing if it is not plugged. A port that never has a host end is said to be
    /// in use: nobody sees into all containers, and what may be in use must not be taken for left behind.
    pub async fn interface(&self, port: &Port) -> Result<Option<Interface>, Error> {
        if let Way::Stacked(_) | Way::Function = self.way(port)? {
            let name = self.container_interface(port)?;
            return Ok(Some(Interface { name, up: true, carrier: true, mtu: 0, bridged: false }));
        }
        Ok(self.host_end(port).await?.map(|link| Interface {
            name: link.name,
            up: link.up,
            carrier: link.carrier,
            mtu: link.mtu,
            bridged: link.controller.is_some(),
        }))
    }

    /// Whether the port's interface is in a container, or may be. One whose container's end is at home is not, nor is one
    /// that is not plugged.
    pub async fn is_inside(&self, port: &Port) -> Result<bool, Error> {
        if !self.remembers(port) {
            return Ok(true);
        }
        let id = port.id;
        let find = move |host: &crate::host::Host| {
            host.at_home(id, |links| Ok(links.get(&id.container_name()).map_err(kernel(id))?.is_some()))
        };
        Ok(self.host_end(port).await?.is_some() && !self.blocking(id, find).await?)
    }

    /// The end on the bridge's or switch's side.
    async fn host_end(&self, port: &Port) -> Result<Option<Link>, Error> {
        let path = match self.way(port)? {
            Way::Pair(Wiring::Bridge { namespace, .. }) => namespace,
            _ => None,
        };
        let id = port.id;
        self.blocking(id, move |host| {
            let namespace = match host.open(path.as_deref()) {
                Ok(namespace) => namespace,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(source) => return Err(Error::Kernel { port: id, source }),
            };
            host.with(path.as_deref(), &namespace, id, |links| links.get(&id.tap_name()).map_err(kernel(id)))
        })
        .await
    }
}
