//! A veth pair: one end for a bridge or a switch, the other for a container.

use crate::{Error, error::kernel, host::taken};
use kuryr_netlink::{Link, LinkChange, Links, Namespace, PeerSpec, VethSpec};
use kuryr_neutron::PortId;
use std::os::fd::AsFd;

/// A pair to make.
#[derive(Debug)]
pub struct Pair<'a> {
    pub port: PortId,
    /// The end on the bridge's or switch's side.
    pub inner: &'a str,
    /// The end on the container's side, always in the host's namespace.
    pub outer: &'a str,
    /// Address of the outer end; absent: random ones.
    pub mac: Option<[u8; 6]>,
    pub mtu: u32,
    /// The inner end's bridge; absent: it is left to others where it belongs.
    pub controller: Option<u32>,
    /// The alias of the inner end, which says whose the pair is for as long as it is there.
    pub alias: Option<&'a str>,
}

impl Pair<'_> {
    /// Makes the pair, or makes what is there what a new one would be; true if it is new. `inside` is the inner end's
    /// namespace, `outside` the host's.
    pub fn make(&self, inside: &mut Links, outside: &mut Links, host: &Namespace) -> Result<bool, Error> {
        let peer = PeerSpec { name: self.outer, mtu: self.mtu, mac: self.mac, namespace: Some(host.as_fd()) };
        let spec = VethSpec {
            name: self.inner,
            mtu: self.mtu,
            mac: self.mac.map(inner_mac),
            controller: self.controller,
            up: true,
            alias: self.alias,
            peer,
        };
        match inside.create_veth(&spec) {
            Err(error) if error.is_exists() => {}
            done => return self.kernel(done).map(|()| true),
        }
        let inner = self.own(inside, self.inner)?;
        let outer = self.own(outside, self.outer)?;
        match (&inner, &outer) {
            (Some(a), Some(b)) if a.peer_index == Some(b.index) && b.peer_index == Some(a.index) => {
                return self.adjust((inside, a), (outside, b)).map(|()| false);
            }
            _ => {}
        }
        // One end is missing or belongs to another pair: what a crash or another hand left.
        for (links, end) in [(&mut *inside, inner), (outside, outer)] {
            if let Some(end) = end {
                match links.delete(end.index) {
                    Err(error) if error.is_not_found() => {}
                    done => self.kernel(done)?,
                }
            }
        }
        self.kernel(inside.create_veth(&spec)).map(|()| true)
    }

    /// The link of this name, which must be a veth: anything else is not ours to touch.
    fn own(&self, links: &mut Links, name: &str) -> Result<Option<Link>, Error> {
        match self.kernel(links.get(name))? {
            Some(link) if !link.is("veth") => Err(taken(self.port, link, "a veth of this port")),
            found => Ok(found),
        }
    }

    /// Makes a whole pair what a new one would be. The outer end keeps its state: it may be in use.
    fn adjust(&self, inner: (&mut Links, &Link), outer: (&mut Links, &Link)) -> Result<(), Error> {
        let (links, end) = inner;
        let change = LinkChange {
            up: (!end.up).then_some(true),
            mtu: (end.mtu != self.mtu).then_some(self.mtu),
            controller: self.controller.filter(|wanted| end.controller != Some(*wanted)).map(Some),
            alias: self.alias.filter(|wanted| end.alias.as_deref() != Some(*wanted)),
            ..LinkChange::default()
        };
        if change.up.is_some() || change.mtu.is_some() || change.controller.is_some() || change.alias.is_some() {
            self.kernel(links.set(end.index, &change))?;
        }
        let (links, end) = outer;
        let change = LinkChange {
            mtu: (end.mtu != self.mtu).then_some(self.mtu),
            mac: self.mac.filter(|wanted| end.mac != Some(*wanted)),
            ..LinkChange::default()
        };
        if change.mtu.is_some() || change.mac.is_some() {
            self.kernel(links.set(end.index, &change))?;
        }
        Ok(())
    }

    fn kernel<T>(&self, result: Result<T, kuryr_netlink::Error>) -> Result<T, Error> {
        result.map_err(kernel(self.port))
    }
}

/// The address with the highest first byte an individual one can have: a bridge that takes the lowest address among
/// its ports for its own never takes this one. Both ends must differ, or the bridge would take frames to the container
/// for its own.
fn inner_mac(mut mac: [u8; 6]) -> [u8; 6] {
    mac[0] = if mac[0] == 0xfe { 0xfa } else { 0xfe };
    mac
}
