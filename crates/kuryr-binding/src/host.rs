//! The host's network namespace, and the others that ports are plugged into.

use crate::{Error, error::kernel, sockets::Sockets};
use kuryr_netlink::{Link, LinkMonitor, Links, Namespace};
use kuryr_neutron::PortId;
use std::path::Path;

/// Kinds of links that are ours when they have a port's name.
const KINDS: [&str; 4] = ["veth", "macvlan", "ipvlan", "vlan"];

/// The host.
#[derive(Debug)]
pub struct Host {
    pub namespace: Namespace,
    pub sockets: Sockets,
}

impl Host {
    /// The namespace at a path; absent: the host's.
    pub fn open(&self, path: Option<&Path>) -> Result<Namespace, kuryr_netlink::Error> {
        path.map_or_else(|| self.namespace.try_clone(), Namespace::open)
    }

    /// Lends a socket into a namespace.
    pub fn with<T>(
        &self,
        path: Option<&Path>,
        namespace: &Namespace,
        port: PortId,
        work: impl FnOnce(&mut Links) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.sockets.with(path, namespace, work, kernel(port))
    }

    /// Lends a socket into the host's namespace.
    pub fn at_home<T>(&self, port: PortId, work: impl FnOnce(&mut Links) -> Result<T, Error>) -> Result<T, Error> {
        self.with(None, &self.namespace, port, work)
    }

    /// A link of a port, and the news of its namespace. A link of another kind is not ours.
    pub fn find(&self, path: Option<&Path>, name: &str, port: PortId) -> Result<Option<(u32, LinkMonitor)>, Error> {
        let namespace = match self.open(path) {
            Err(error) if error.is_not_found() => {
                if let Some(path) = path {
                    self.sockets.forget(path);
                }
                return Ok(None);
            }
            opened => opened.map_err(kernel(port))?,
        };
        match self.with(path, &namespace, port, |links| links.get(name).map_err(kernel(port)))? {
            Some(link) if is_ours(&link) => {
                let monitor = LinkMonitor::open_in(&namespace).map_err(kernel(port))?;
                Ok(Some((link.index, monitor)))
            }
            Some(link) => {
                tracing::warn!(%port, name, kind = ?link.kind, "an interface with the port's name is of a foreign kind; it stays");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Deletes a link. One that is gone counts as deleted.
    pub fn delete(&self, path: Option<&Path>, index: u32, port: PortId) -> Result<(), Error> {
        let namespace = self.open(path).map_err(kernel(port))?;
        self.with(path, &namespace, port, |links| delete(links, index, port))
    }
}

/// Whether a link with a port's name is of a kind that we make.
pub fn is_ours(link: &Link) -> bool {
    KINDS.iter().any(|kind| link.is(kind))
}

/// Deletes a link. One that is gone counts as deleted.
pub fn delete(links: &mut Links, index: u32, port: PortId) -> Result<(), Error> {
    match links.delete(index) {
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map_err(kernel(port)),
    }
}

/// The error for a name that something else has.
pub fn taken(port: PortId, link: Link, expected: &'static str) -> Error {
    let found = link.kind.map_or_else(|| "no virtual link".to_owned(), |kind| format!("a link of kind {kind}"));
    Error::NameTaken { port, name: link.name, found, expected }
}
