//! The veth pair between a Linux bridge and the host's namespace.

use crate::{Error, Plugged, wiring::Wiring};
use kuryr_netlink::{BridgeSpec, Link, LinkChange, Links, Namespace, PeerSpec, VethSpec};
use kuryr_neutron::PortId;
use std::os::fd::AsFd;

/// A pair to make.
#[derive(Debug)]
pub struct Pair<'a> {
    pub port: PortId,
    pub names: &'a Plugged,
    pub wiring: &'a Wiring,
    pub mac: [u8; 6],
    pub mtu: u32,
}

impl Pair<'_> {
    /// Makes the pair: `inside` is the bridge's namespace, `outside` the host's.
    pub fn make(&self, inside: &mut Links, outside: &mut Links, host: &Namespace) -> Result<(), Error> {
        let (bridge, made) = self.bridge(inside)?;
        self.attach(bridge, inside, outside, host).inspect_err(|_| {
            if made && let Err(error) = inside.delete(bridge) {
                tracing::warn!(port = %self.port, %error, "a bridge made in vain could not be removed");
            }
        })
    }

    fn attach(&self, bridge: u32, inside: &mut Links, outside: &mut Links, host: &Namespace) -> Result<(), Error> {
        let peer = PeerSpec {
            name: &self.names.container_interface,
            mtu: self.mtu,
            mac: Some(self.mac),
            namespace: Some(host.as_fd()),
        };
        let spec = VethSpec {
            name: &self.names.host_interface,
            mtu: self.mtu,
            mac: Some(self.host_mac()),
            controller: Some(bridge),
            up: true,
            alias: None,
            peer,
        };
        match inside.create_veth(&spec) {
            Err(error) if error.is_exists() => {}
            done => return self.kernel(done),
        }
        let host_end = self.own(inside, &self.names.host_interface)?;
        let container_end = self.own(outside, &self.names.container_interface)?;
        match (&host_end, &container_end) {
            (Some(a), Some(b)) if a.peer_index == Some(b.index) && b.peer_index == Some(a.index) => {
                return self.adjust(bridge, (inside, a), (outside, b));
            }
            _ => {}
        }
        // One end is missing or belongs to another pair: what a crash or another hand left.
        for (links, end) in [(&mut *inside, host_end), (outside, container_end)] {
            if let Some(end) = end {
                match links.delete(end.index) {
                    Err(error) if error.is_not_found() => {}
                    done => self.kernel(done)?,
                }
            }
        }
        self.kernel(inside.create_veth(&spec))
    }

    /// The bridge's index, and whether it was made here. Only in the host's namespace is it ours to make.
    fn bridge(&self, inside: &mut Links) -> Result<(u32, bool), Error> {
        let name = self.wiring.bridge.as_str();
        if let Some(link) = self.kernel(inside.get(name))? {
            return self.is_bridge(link).map(|index| (index, false));
        }
        if let Some(path) = &self.wiring.namespace {
            let namespace = path.display().to_string();
            return Err(Error::BridgeMissing { port: self.port, bridge: name.to_owned(), namespace });
        }
        let made = match inside.create_bridge(&BridgeSpec { name, mtu: self.mtu, ..BridgeSpec::default() }) {
            Err(error) if error.is_exists() => false,
            done => self.kernel(done).map(|()| true)?,
        };
        match self.kernel(inside.get(name))? {
            Some(link) => self.is_bridge(link).map(|index| (index, made)),
            None => Err(Error::BridgeMissing {
                port: self.port,
                bridge: name.to_owned(),
                namespace: "the host's namespace".to_owned(),
            }),
        }
    }

    fn is_bridge(&self, link: Link) -> Result<u32, Error> {
        if link.is("bridge") { Ok(link.index) } else { Err(self.taken(link, "a bridge")) }
    }

    /// The link of this name, which must be a veth: anything else is not ours to touch.
    fn own(&self, links: &mut Links, name: &str) -> Result<Option<Link>, Error> {
        match self.kernel(links.get(name))? {
            Some(link) if !link.is("veth") => Err(self.taken(link, "a veth of this port")),
            found => Ok(found),
        }
    }

    fn taken(&self, link: Link, expected: &'static str) -> Error {
        let found = link.kind.map_or_else(|| "no virtual link".to_owned(), |kind| format!("a link of kind {kind}"));
        Error::NameTaken { port: self.port, name: link.name, found, expected }
    }

    /// Makes a whole pair what a new one would be. The container's end keeps its state: it may be in use.
    fn adjust(&self, bridge: u32, host: (&mut Links, &Link), container: (&mut Links, &Link)) -> Result<(), Error> {
        let (links, end) = host;
        let change = LinkChange {
            up: (!end.up).then_some(true),
            mtu: (end.mtu != self.mtu).then_some(self.mtu),
            controller: (end.controller != Some(bridge)).then_some(Some(bridge)),
            ..LinkChange::default()
        };
        if change.up.is_some() || change.mtu.is_some() || change.controller.is_some() {
            self.kernel(links.set(end.index, &change))?;
        }
        let (links, end) = container;
        let change = LinkChange {
            mtu: (end.mtu != self.mtu).then_some(self.mtu),
            mac: (end.mac != Some(self.mac)).then_some(self.mac),
            ..LinkChange::default()
        };
        if change.mtu.is_some() || change.mac.is_some() {
            self.kernel(links.set(end.index, &change))?;
        }
        Ok(())
    }

    /// The port's address with the highest first byte an individual one can have: a bridge that takes the lowest
    /// address among its ports for its own never takes this one. Both ends must differ, or the bridge would take
    /// frames to the container for its own.
    fn host_mac(&self) -> [u8; 6] {
        let mut mac = self.mac;
        mac[0] = if mac[0] == 0xfe { 0xfa } else { 0xfe };
        mac
    }

    fn kernel<T>(&self, result: Result<T, kuryr_netlink::Error>) -> Result<T, Error> {
        result.map_err(|source| Error::Kernel { port: self.port, source })
    }
}
