//! Containers within a virtual machine: links on top of the machine's own interface, which holds a port itself.

use crate::{
    Error,
    error::kernel,
    host::{Host, delete, taken},
};
use kuryr_netlink::{Link, Stacked, StackedSpec};
use kuryr_neutron::PortId;

/// Makes the container's link on top of the parent. One that is there, in the host's namespace, belongs to nobody yet
/// and is made anew.
pub fn make(
    host: &Host,
    port: PortId,
    name: &str,
    parent: &str,
    kind: Stacked,
    mac: [u8; 6],
    mtu: u32,
) -> Result<(), Error> {
    let parent = self::parent(host, parent)?;
    host.at_home(port, |links| {
        let mac = if kind == Stacked::Ipvlan { None } else { Some(mac) };
        let mtu = Some(mtu.min(parent.mtu));
        let spec = StackedSpec { name, parent: parent.index, kind, mtu, mac };
        match links.create_stacked(&spec) {
            Err(error) if error.is_exists() => {}
            done => return done.map_err(kernel(port)),
        }
        if let Some(link) = links.get(name).map_err(kernel(port))? {
            if !["macvlan", "ipvlan", "vlan"].iter().any(|kind| link.is(kind)) {
                return Err(taken(port, link, "a link of this port on top of another"));
            }
            delete(links, link.index, port)?;
        }
        links.create_stacked(&spec).map_err(kernel(port))
    })
}

/// The parent, which must be there.
pub fn parent(host: &Host, name: &str) -> Result<Link, Error> {
    let refused = |source| Error::Parent { parent: name.to_owned(), source };
    let found = host.sockets.with(None, &host.namespace, |links| links.get(name).map_err(refused), refused)?;
    found.ok_or_else(|| Error::ParentMissing { parent: name.to_owned() })
}
