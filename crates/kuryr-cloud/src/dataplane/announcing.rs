//! Neighbours are told who has an address now. Linux believes what it knows of a neighbour for up to 45 seconds, and of one
//! that it hears from for longer: an address that another container had a moment ago would not be reached until then.

use super::desired::{Desired, LocalPort};
use super::policy::Guard;
use kuryr_netlink::{Announcement, Announcer, Link, Namespace};
use std::collections::BTreeMap;

/// Announces ports on their bridges.
#[derive(Debug)]
pub(super) struct Announcing(Option<Announcer>);

impl Announcing {
    /// Without the right to it nothing is announced: that an address is found later is no reason to do without networks.
    pub(super) fn open(namespace: &Namespace) -> Self {
        let opened = Announcer::open_in(namespace).inspect_err(|error| {
            let advice = "give Kuryr CAP_NET_RAW, or an address that is used again may not be reached for 45 seconds";
            tracing::warn!(%error, advice, "ports will not be announced to their neighbours");
        });
        Self(opened.ok())
    }

    /// Tells all others on a port's bridge that its addresses are its own, before its container can. Each is told by its own
    /// interface, not by the bridge: so no rule is in the way, and the port itself hears nothing, which would take
    /// an advertisement of its own address for somebody else's (RFC 4862 §5.4.4).
    pub(super) fn port(&self, port: &LocalPort, desired: &Desired, links: &BTreeMap<String, Link>) {
        let Some(announcer) = &self.0 else { return };
        let may_speak = |name: &str| desired.interfaces.get(name).is_some_and(|policy| policy.guard != Guard::Closed);
        if !may_speak(&port.interface) {
            return;
        }
        let neighbours = desired.topology.bridged.iter().filter(|(_, bridge)| **bridge == port.bridge);
        let neighbours = neighbours.filter(|(name, _)| **name != port.interface && may_speak(name));
        // One whose other end is not up yet remembers nothing.
        for link in neighbours.filter_map(|(name, _)| links.get(&**name)).filter(|link| link.carrier) {
            for address in &port.addresses {
                let announcement = Announcement { address: *address, mac: port.mac.0, routes: port.routes };
                // A neighbour that leaves at this moment needs to know nothing.
                if let Err(error) = announcer.send(link.index, &announcement) {
                    tracing::debug!(%error, %address, interface = link.name, "not announced");
                }
            }
        }
    }
}
