//! Linux bridges.

use crate::{Error, error::kernel, host::taken};
use kuryr_netlink::{BridgeSpec, Link, Links};
use kuryr_neutron::PortId;
use std::path::Path;

/// A bridge that a port needs.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    pub port: PortId,
    pub name: &'a str,
    /// Its namespace; absent: the host's, where it is made if it is missing.
    pub namespace: Option<&'a Path>,
    pub mtu: u32,
}

impl Bridge<'_> {
    /// Its index, and whether it was made here. Only in the host's namespace is it ours to make.
    pub fn provide(&self, inside: &mut Links) -> Result<(u32, bool), Error> {
        if let Some(link) = inside.get(self.name).map_err(kernel(self.port))? {
            return self.checked(link).map(|index| (index, false));
        }
        if let Some(path) = self.namespace {
            return Err(self.missing(path.display().to_string()));
        }
        let spec = BridgeSpec { name: self.name, mtu: self.mtu, ..BridgeSpec::default() };
        let made = match inside.create_bridge(&spec) {
            Err(error) if error.is_exists() => false,
            done => done.map(|()| true).map_err(kernel(self.port))?,
        };
        match inside.get(self.name).map_err(kernel(self.port))? {
            Some(link) => self.checked(link).map(|index| (index, made)),
            None => Err(self.missing("the host's namespace".to_owned())),
        }
    }

    fn checked(&self, link: Link) -> Result<u32, Error> {
        if link.is("bridge") { Ok(link.index) } else { Err(taken(self.port, link, "a bridge")) }
    }

    fn missing(&self, namespace: String) -> Error {
        Error::BridgeMissing { port: self.port, bridge: self.name.to_owned(), namespace }
    }
}
