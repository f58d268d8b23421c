//! From what is there to what should be: ordered steps. Pure.

use super::desired::{Bridge, RouterLink, RouterPlan, Topology, Translation, UPLINK, Uplink, Vlan};
use ipnet::IpNet;
use kuryr_netlink::Link;
use kuryr_neutron::{PortId, RouterId};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Begins the names of ports' interfaces.
const TAP: &str = "tap";

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Links of the bridges' namespace by name.
    pub links: BTreeMap<String, Link>,
    /// Uplinks' ends in the host's namespace by name.
    pub uplinks: BTreeMap<String, ObservedLink>,
    /// Namespaces of routers that are ours, as far as they were looked at.
    pub routers: BTreeMap<RouterId, ObservedRouter>,
    /// Namespaces of routers that are ours and stand for no router.
    pub stale_routers: BTreeSet<RouterId>,
}

/// A link with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedLink {
    /// The link.
    pub link: Link,
    /// Its addresses without those the kernel gave it.
    pub addresses: BTreeSet<IpNet>,
}

/// A router's namespace as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedRouter {
    /// There is such a namespace, and it forwards.
    pub exists: bool,
    /// Its interfaces by name, without the loopback.
    pub interfaces: BTreeMap<String, ObservedLink>,
    /// Routes with a next hop.
    pub routes: BTreeMap<IpNet, IpAddr>,
    /// Its translation is installed as it should be.
    pub translates: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    /// Removes a link of the bridges' namespace.
    DeleteLink { interface: String },
    /// Makes a network's bridge.
    CreateBridge { name: String, bridge: Bridge },
    /// Changes the MTU of a link of the bridges' namespace.
    SetMtu { interface: String, mtu: u32 },
    /// Puts an interface on a bridge.
    Attach { interface: String, bridge: String },
    /// Makes a subport's interface, on its bridge and up.
    CreateVlan { name: String, vlan: Vlan },
    /// Sets a link of the bridges' namespace up.
    Raise { interface: String },
    /// Makes the way between the host and an external network, without addresses.
    CreateUplink { name: String, uplink: Uplink },
    /// Sets the host's end of an uplink up.
    RaiseUplink { name: String },
    /// Gives the host's end of an uplink an address.
    AddUplinkAddress { name: String, address: IpNet },
    /// Takes an address from the host's end of an uplink.
    RemoveUplinkAddress { name: String, address: IpNet },
    /// Removes a router's namespace and what is in it.
    DeleteRouter { router: RouterId },
    /// Makes a router's namespace, which forwards.
    CreateRouter { router: RouterId },
    /// Removes a link of a router.
    RemoveRouterLink { router: RouterId, name: String },
    /// Makes an interface of a router, up, without addresses.
    AddRouterLink { router: RouterId, name: String, link: RouterLink },
    /// Sets an interface of a router up.
    RaiseRouterLink { router: RouterId, name: String },
    /// Changes the MTU of an interface of a router.
    SetRouterMtu { router: RouterId, name: String, mtu: u32 },
    /// Gives an interface of a router an address.
    AddRouterAddress { router: RouterId, name: String, address: IpNet },
    /// Takes an address from an interface of a router.
    RemoveRouterAddress { router: RouterId, name: String, address: IpNet },
    /// Adds or replaces a route of a router.
    AddRoute { router: RouterId, destination: IpNet, next: IpAddr },
    /// Removes a route of a router.
    RemoveRoute { router: RouterId, destination: IpNet, next: IpAddr },
    /// Installs a router's translation of sources, or none.
    Translate { router: RouterId, translation: Option<Translation> },
}

impl Step {
    /// The router it is about.
    pub fn router(&self) -> Option<RouterId> {
        match self {
            Self::DeleteRouter { router }
            | Self::CreateRouter { router }
            | Self::RemoveRouterLink { router, .. }
            | Self::AddRouterLink { router, .. }
            | Self::RaiseRouterLink { router, .. }
            | Self::SetRouterMtu { router, .. }
            | Self::AddRouterAddress { router, .. }
            | Self::RemoveRouterAddress { router, .. }
            | Self::AddRoute { router, .. }
            | Self::RemoveRoute { router, .. }
            | Self::Translate { router, .. } => Some(*router),
            _ => None,
        }
    }
}

/// The steps from what is there to what should be, in the order in which they can be done. Routers that were not
/// looked at are left alone.
pub fn plan(wanted: &Topology, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(observed.stale_routers.iter().map(|router| Step::DeleteRouter { router: *router }));
    plan_bridges(wanted, observed, &mut steps);
    plan_vlans(wanted, observed, &mut steps);
    plan_uplinks(wanted, observed, &mut steps);
    for (router, there) in &observed.routers {
        if let Some(plan) = wanted.routers.get(router) {
            plan_router(*router, plan, there, &observed.links, &mut steps);
        }
    }
    steps
}

/// Steps that remove taps whose port is gone: a deletion that a crash cut short leaves such. `ports` are all there are.
pub fn strays(ports: impl Iterator<Item = PortId>, observed: &Observed) -> Vec<Step> {
    let is_tap = |link: &&Link| link.is("veth") && link.name.starts_with(TAP);
    let mut strays: BTreeSet<&str> = observed.links.values().filter(is_tap).map(|link| link.name.as_str()).collect();
    for port in ports {
        if strays.is_empty() {
            break;
        }
        strays.remove(port.tap_name().as_str());
    }
    strays.into_iter().map(|tap| Step::DeleteLink { interface: tap.to_owned() }).collect()
}

/// True for links of the bridges' namespace that nobody but us makes: taps are their container's.
fn is_ours(link: &Link) -> bool {
    link.kind.as_deref() == Some("bridge") || link.name.starts_with(UPLINK)
}

fn plan_bridges(wanted: &Topology, observed: &Observed, steps: &mut Vec<Step>) {
    let stays = |name: &String| {
        wanted.bridges.contains_key(name) || wanted.idle.contains(name) || wanted.uplinks.contains_key(name)
    };
    let unneeded = observed.links.iter().filter(|(name, link)| is_ours(link) && !stays(name));
    steps.extend(unneeded.map(|(name, _)| Step::DeleteLink { interface: name.clone() }));
    for (name, bridge) in &wanted.bridges {
        match observed.links.get(name) {
            None => steps.push(Step::CreateBridge { name: name.clone(), bridge: bridge.clone() }),
            Some(link) if link.mtu != bridge.mtu => {
                steps.push(Step::SetMtu { interface: name.clone(), mtu: bridge.mtu });
            }
            Some(_) => {}
        }
    }
    for (interface, bridge) in &wanted.bridged {
        let Some(link) = observed.links.get(&**interface).filter(|link| !is_stale(wanted, observed, link)) else {
            continue;
        };
        let index = observed.links.get(&**bridge).map(|bridge| bridge.index);
        if index.is_none() || link.controller != index {
            steps.push(Step::Attach { interface: interface.to_string(), bridge: bridge.to_string() });
        }
        let vlan = wanted.vlans.get(interface).map(|vlan| vlan.mtu);
        let mtu = vlan.or_else(|| wanted.bridges.get(&**bridge).map(|bridge| bridge.mtu));
        if let Some(mtu) = mtu.filter(|mtu| *mtu != link.mtu) {
            steps.push(Step::SetMtu { interface: interface.to_string(), mtu });
        }
    }
}

/// True for a VLAN that stands for no subport, or not as it should.
fn is_stale(wanted: &Topology, observed: &Observed, link: &Link) -> bool {
    let stands = |vlan: &Vlan| {
        let parent = observed.links.get(&*vlan.parent).map(|parent| parent.index);
        link.vlan == Some(vlan.id) && parent.is_some() && link.peer_index == parent
    };
    link.is("vlan") && link.name.starts_with(TAP) && !wanted.vlans.get(&*link.name).is_some_and(stands)
}

/// A subport's interface lives on its parent's, and comes and goes with it.
fn plan_vlans(wanted: &Topology, observed: &Observed, steps: &mut Vec<Step>) {
    let stale = |link: &&Link| is_stale(wanted, observed, link);
    // All go before any comes: two may have changed their ids.
    steps.extend(observed.links.values().filter(stale).map(|link| Step::DeleteLink { interface: link.name.clone() }));
    for (name, vlan) in &wanted.vlans {
        let plugged = observed.links.get(&*vlan.parent).is_some_and(|parent| parent.up);
        match observed.links.get(&**name).filter(|link| !stale(link)) {
            _ if !plugged => {}
            None => steps.push(Step::CreateVlan { name: name.to_string(), vlan: vlan.clone() }),
            Some(link) if link.is("vlan") && !link.up => steps.push(Step::Raise { interface: name.to_string() }),
            Some(_) => {}
        }
    }
}

fn plan_uplinks(wanted: &Topology, observed: &Observed, steps: &mut Vec<Step>) {
    for (name, uplink) in &wanted.uplinks {
        let host = observed.uplinks.get(name).filter(|_| observed.links.contains_key(name));
        match host {
            None => steps.push(Step::CreateUplink { name: name.clone(), uplink: uplink.clone() }),
            Some(there) if !there.link.up => steps.push(Step::RaiseUplink { name: name.clone() }),
            Some(_) => {}
        }
        let none = BTreeSet::new();
        let addresses = host.map_or(&none, |there| &there.addresses);
        for address in addresses.difference(&uplink.addresses) {
            steps.push(Step::RemoveUplinkAddress { name: name.clone(), address: *address });
        }
        for address in uplink.addresses.difference(addresses) {
            steps.push(Step::AddUplinkAddress { name: name.clone(), address: *address });
        }
    }
}

fn plan_router(
    router: RouterId,
    plan: &RouterPlan,
    there: &ObservedRouter,
    links: &BTreeMap<String, Link>,
    steps: &mut Vec<Step>,
) {
    if !there.exists {
        steps.push(Step::CreateRouter { router });
    }
    let mut cut = false;
    for name in there.interfaces.keys().filter(|name| !plan.interfaces.contains_key(*name)) {
        steps.push(Step::RemoveRouterLink { router, name: name.clone() });
        cut = true;
    }
    for (name, link) in &plan.interfaces {
        let outside = links.contains_key(&link.outside);
        let inside = there.interfaces.get(name).filter(|i| outside && i.link.mac == Some(link.mac.0));
        let none = BTreeSet::new();
        match inside {
            None => {
                if there.interfaces.contains_key(name) {
                    steps.push(Step::RemoveRouterLink { router, name: name.clone() });
                } else if outside {
                    steps.push(Step::DeleteLink { interface: link.outside.clone() });
                }
                steps.push(Step::AddRouterLink { router, name: name.clone(), link: link.clone() });
                cut = true;
            }
            Some(inside) => {
                if !inside.link.up {
                    steps.push(Step::RaiseRouterLink { router, name: name.clone() });
                    cut = true;
                }
                if inside.link.mtu != link.mtu {
                    steps.push(Step::SetRouterMtu { router, name: name.clone(), mtu: link.mtu });
                }
            }
        }
        let addresses = inside.map_or(&none, |inside| &inside.addresses);
        for address in addresses.difference(&link.addresses) {
            steps.push(Step::RemoveRouterAddress { router, name: name.clone(), address: *address });
            cut = true;
        }
        for address in link.addresses.difference(addresses) {
            steps.push(Step::AddRouterAddress { router, name: name.clone(), address: *address });
        }
    }
    for (destination, next) in &there.routes {
        if !plan.routes.contains_key(destination) {
            steps.push(Step::RemoveRoute { router, destination: *destination, next: *next });
        }
    }
    for (destination, next) in &plan.routes {
        // With an interface or an address, the kernel removes the routes through it.
        if cut || there.routes.get(destination) != Some(next) {
            steps.push(Step::AddRoute { router, destination: *destination, next: *next });
        }
    }
    if !there.translates {
        steps.push(Step::Translate { router, translation: plan.translation.clone() });
    }
}

#[cfg(test)]
mod tests;
