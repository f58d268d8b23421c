//! Plug, unplug and look.

use crate::{Error, bridge::Pair, sockets::Sockets, wiring::Wiring};
use kuryr_netlink::{LinkEvent, LinkMonitor, Links, Namespace};
use kuryr_neutron::{Port, PortId};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// MTUs that an Ethernet interface for IP can have, in bytes.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;

/// The names of a plugged port's interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// The end in the bridge: `tap` and 11 characters of the port's id.
    pub host_interface: String,
    /// The end for the container: `t_c` and the same characters.
    pub container_interface: String,
}

impl Plugged {
    /// The names a port's interfaces have, plugged or not.
    pub fn names(port: PortId) -> Self {
        Self { host_interface: port.tap_name(), container_interface: port.container_name() }
    }
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
    /// MTU in bytes.
    pub mtu: u32,
    /// It belongs to a bridge.
    pub bridged: bool,
}

/// Plugs ports, within a tokio runtime with I/O. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Binder {
    host: Arc<Host>,
}

#[derive(Debug)]
struct Host {
    namespace: Namespace,
    sockets: Sockets,
}

impl Binder {
    /// Plugs with the calling thread's network namespace as the host's.
    pub fn new() -> Result<Self, Error> {
        let namespace = Namespace::current().map_err(|source| Error::Host { source })?;
        Ok(Self { host: Arc::new(Host { namespace, sockets: Sockets::default() }) })
    }

    /// Makes the port's interfaces, with this MTU in bytes on both ends. Done already counts as done; half done is done
    /// anew. A failure leaves nothing behind.
    pub async fn plug(&self, port: &Port, mtu: u32) -> Result<Plugged, Error> {
        let wiring = Wiring::of(port)?;
        if !MTUS.contains(&mtu) {
            return Err(Error::InvalidMtu { port: port.id, mtu });
        }
        let (id, mac) = (port.id, port.mac_address.0);
        let names = Plugged::names(id);
        let work = names.clone();
        self.blocking(id, move |host| {
            let namespace = host.open(wiring.namespace.as_deref()).map_err(|error| missing(id, &wiring, error))?;
            host.with(wiring.namespace.as_deref(), &namespace, id, |inside| {
                host.with(None, &host.namespace, id, |outside| {
                    let pair = Pair { port: id, names: &work, wiring: &wiring, mac, mtu };
                    pair.make(inside, outside, &host.namespace)
                })
            })
        })
        .await?;
        Ok(names)
    }

    /// Removes the port's interfaces, wherever the container's end is. Nothing there counts as done, and so does a port
    /// that could not have been plugged here because of its vif_type.
    pub async fn unplug(&self, port: &Port) -> Result<(), Error> {
        let id = port.id;
        let namespace = match Wiring::of(port) {
            Ok(wiring) => wiring.namespace,
            Err(error @ Error::InvalidDetail { .. }) => return Err(error),
            Err(_) => None,
        };
        self.remove(id, namespace, id.tap_name()).await?;
        // Already gone with its other end, unless that one was missing.
        self.remove(id, None, id.container_name()).await
    }

    /// Deletes an end of a port's pair, and with it the other. Returns once the kernel has taken the link out of its
    /// lists; it then waits some 20 ms for readers of the old ones, which is no concern of ours.
    async fn remove(&self, port: PortId, path: Option<PathBuf>, name: String) -> Result<(), Error> {
        let place = path.clone();
        let found = self.blocking(port, move |host| host.find(place.as_deref(), &name, port)).await?;
        let Some((index, mut monitor)) = found else { return Ok(()) };
        let deletion = self.blocking(port, move |host| host.delete(path.as_deref(), index, port));
        tokio::pin!(deletion);
        loop {
            tokio::select! {
                done = &mut deletion => return done,
                event = monitor.next() => match event {
                    Ok(LinkEvent::Removed { index: gone, .. }) if gone == index => return Ok(()),
                    Ok(_) => {}
                    Err(_) => return deletion.await,
                },
            }
        }
    }

    /// The state of the port's host end; nothing if it is not plugged.
    pub async fn interface(&self, port: &Port) -> Result<Option<Interface>, Error> {
        let wiring = Wiring::of(port)?;
        let id = port.id;
        self.blocking(id, move |host| {
            let path = wiring.namespace.as_deref();
            let namespace = match host.open(path) {
                Ok(namespace) => namespace,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(source) => return Err(Error::Kernel { port: id, source }),
            };
            let link = host.with(path, &namespace, id, |links| {
                links.get(&id.tap_name()).map_err(|source| Error::Kernel { port: id, source })
            })?;
            Ok(link.map(|link| Interface {
                name: link.name,
                up: link.up,
                carrier: link.carrier,
                mtu: link.mtu,
                bridged: link.controller.is_some(),
            }))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        port: PortId,
        work: impl FnOnce(&Host) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || work(&host)).await.unwrap_or(Err(Error::Stopped { port }))
    }
}

impl Host {
    fn open(&self, path: Option<&Path>) -> Result<Namespace, kuryr_netlink::Error> {
        path.map_or_else(|| self.namespace.try_clone(), Namespace::open)
    }

    fn with<T>(
        &self,
        path: Option<&Path>,
        namespace: &Namespace,
        port: PortId,
        work: impl FnOnce(&mut Links) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.sockets.with(path, namespace, work, |source| Error::Kernel { port, source })
    }
}

impl Host {
    /// An end of a port's pair, and the news of its namespace. A link of another kind is not ours.
    fn find(&self, path: Option<&Path>, name: &str, port: PortId) -> Result<Option<(u32, LinkMonitor)>, Error> {
        let kernel = |source| Error::Kernel { port, source };
        let namespace = match self.open(path) {
            Err(error) if error.is_not_found() => {
                if let Some(path) = path {
                    self.sockets.forget(path);
                }
                return Ok(None);
            }
            opened => opened.map_err(kernel)?,
        };
        match self.with(path, &namespace, port, |links| links.get(name).map_err(kernel))? {
            Some(link) if link.is("veth") => {
                let monitor = LinkMonitor::open_in(&namespace).map_err(kernel)?;
                Ok(Some((link.index, monitor)))
            }
            Some(link) => {
                tracing::warn!(%port, name, kind = ?link.kind, "an interface with the port's name is no veth; it stays");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn delete(&self, path: Option<&Path>, index: u32, port: PortId) -> Result<(), Error> {
        let kernel = |source| Error::Kernel { port, source };
        let namespace = self.open(path).map_err(kernel)?;
        self.with(path, &namespace, port, |links| match links.delete(index) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map_err(kernel),
        })
    }
}

fn missing(port: PortId, wiring: &Wiring, source: kuryr_netlink::Error) -> Error {
    match &wiring.namespace {
        Some(path) if source.is_not_found() => Error::NamespaceMissing { port, namespace: path.display().to_string() },
        _ => Error::Kernel { port, source },
    }
}

#[cfg(test)]
mod tests;
