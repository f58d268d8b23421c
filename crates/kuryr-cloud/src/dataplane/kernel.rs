//! The kernel's side of the topology: looking, and doing one step.

use super::{
    desired::{RouterPlan, Topology},
    error::Error,
    hold,
    layout::Layout,
    plan::{ObservedLink, ObservedRouter, Step},
    ruleset::TABLE,
    translation,
};
use ipnet::IpNet;
use kuryr_netlink::{
    BridgeSpec, Link, LinkChange, Links, Namespace, PeerSpec, Route, Stacked, StackedSpec, VethSpec,
    conntrack::{self, Translated},
    nftables::{Delta, Family, Session, Shape},
    sysctl,
};
use kuryr_neutron::RouterId;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

/// On the loopback of routers that are ours: other programs may have namespaces of such names.
const OURS: &str = "kuryr";
const LOOPBACK: &str = "lo";

/// Handles of the namespaces that hold links.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) namespace: Namespace,
    links: Links,
    host: Links,
}

/// Settings of the bridges' namespace: it forwards frames and has no addresses itself.
const BRIDGE_SETTINGS: &[(&str, &str)] =
    &[("net.ipv6.conf.all.disable_ipv6", "1"), ("net.ipv6.conf.default.disable_ipv6", "1")];
/// A connection begins with its first packet, so that one whose rule was removed cannot go on by being taken for a new
/// one of the other side.
const TRACKING_SETTINGS: &[(&str, &str)] = &[("net.netfilter.nf_conntrack_tcp_loose", "0")];
/// Settings of a router's namespace.
const ROUTER_SETTINGS: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
];

impl Kernel {
    /// Opens the bridges' namespace, made if it is missing, and holds it.
    pub(super) fn open(layout: &Layout) -> Result<Self, Error> {
        ensure_bridge_netfilter()?;
        let namespace = Namespace::create(&layout.namespace)?;
        hold::take(&namespace, layout)?;
        for (name, value) in BRIDGE_SETTINGS {
            set(&namespace, name, value)?;
        }
        let links = Links::open_in(&namespace)?;
        Ok(Self { namespace, links, host: Links::open_in(&layout.host)? })
    }

    /// Makes connection tracking strict. Its settings are there only once rules that need it are.
    pub(super) fn tighten(&self) -> Result<(), Error> {
        TRACKING_SETTINGS.iter().try_for_each(|(name, value)| set(&self.namespace, name, value))
    }

    /// Binds the namespace that we hold to its path again, after someone removed that: interfaces of containers live
    /// in it.
    pub(super) fn bind_again(&self, layout: &Layout) -> Result<(), Error> {
        Namespace::remove(&layout.namespace)?;
        let held = format!("/proc/self/fd/{}", self.namespace.as_fd().as_raw_fd());
        let bound = std::fs::File::create(&layout.namespace)
            .and_then(|_| rustix::mount::mount_bind(held, &layout.namespace).map_err(Into::into));
        bound.map_err(|source| Error::Bind { path: layout.namespace.clone(), source })
    }

    /// Links of the bridges' namespace by name.
    pub(super) fn links(&mut self) -> Result<BTreeMap<String, Link>, Error> {
        Ok(self.links.list()?.into_iter().map(|link| (link.name.clone(), link)).collect())
    }

    /// Uplinks' ends in the host's namespace.
    pub(super) fn uplinks(&mut self, wanted: &Topology) -> Result<BTreeMap<String, ObservedLink>, Error> {
        let mut uplinks = BTreeMap::new();
        for name in wanted.uplinks.keys() {
            if let Some(link) = self.host.get(name)? {
                uplinks.insert(name.clone(), with_addresses(&mut self.host, link)?);
            }
        }
        Ok(uplinks)
    }

    /// True if the path still leads to the namespace that we hold.
    pub(super) fn is_current(&self, layout: &Layout) -> bool {
        let held = rustix::fs::fstat(self.namespace.as_fd());
        let named = rustix::fs::stat(&layout.namespace);
        matches!((held, named), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// Does one step. Those that find their work done are fine.
    pub(super) fn apply(&mut self, layout: &Layout, step: &Step) -> Result<(), Error> {
        match step {
            Step::DeleteLink { interface } => {
                self.links.delete_by_name(interface)?;
            }
            Step::CreateBridge { name, bridge } => self.links.create_bridge(&BridgeSpec {
                name,
                mtu: bridge.mtu,
                mac: None,
                nf_call_iptables: true,
                nf_call_ip6tables: true,
                alias: Some(&bridge.network.to_string()),
            })?,
            Step::SetMtu { interface, mtu } => {
                change(&mut self.links, interface, &LinkChange { mtu: Some(*mtu), ..LinkChange::default() })?;
            }
            Step::Attach { interface, bridge } => {
                let controller = self.index(bridge)?;
                let attach = LinkChange { controller: Some(Some(controller)), ..LinkChange::default() };
                change(&mut self.links, interface, &attach)?;
            }
            Step::CreateVlan { name, vlan } => {
                let (parent, controller) = (self.index(&vlan.parent)?, self.index(&vlan.bridge)?);
                let (kind, mtu) = (Stacked::Vlan(vlan.id), Some(vlan.mtu));
                let made = self.links.create_stacked(&StackedSpec { name, parent, kind, mtu, mac: None });
                made.map_err(|error| if error.is_not_supported() { Error::NoVlan(error) } else { error.into() })?;
                let join = LinkChange { controller: Some(Some(controller)), up: Some(true), ..LinkChange::default() };
                change(&mut self.links, name, &join)?;
            }
            Step::Raise { interface } => raise(&mut self.links, interface)?,
            Step::CreateUplink { name, uplink } => {
                self.links.delete_by_name(name)?;
                self.host.delete_by_name(name)?;
                let controller = Some(self.index(&uplink.bridge)?);
                let peer = PeerSpec { name, mtu: uplink.mtu, mac: None, namespace: Some(layout.host.as_fd()) };
                let mtu = uplink.mtu;
                self.links.create_veth(&VethSpec { name, mtu, mac: None, controller, up: true, alias: None, peer })?;
                let up = LinkChange { up: Some(true), alias: Some(OURS), ..LinkChange::default() };
                change(&mut self.host, name, &up)?;
            }
            Step::RaiseUplink { name } => raise(&mut self.host, name)?,
            Step::AddUplinkAddress { name, address } => add_address(&mut self.host, name, *address)?,
            Step::RemoveUplinkAddress { name, address } => remove_address(&mut self.host, name, *address)?,
            Step::DeleteRouter { router } => delete_router(layout, *router)?,
            Step::CreateRouter { router } => create_router(layout, *router)?,
            Step::AddRouterLink { router, name, link } => {
                let namespace = Namespace::open(&layout.router(*router))?;
                let controller = Some(self.index(&link.bridge)?);
                let mac = Some(link.mac.0);
                let peer = PeerSpec { name, mtu: link.mtu, mac, namespace: Some(namespace.as_fd()) };
                let (outside, mtu) = (&link.outside, link.mtu);
                let veth = VethSpec { name: outside, mtu, mac: None, controller, up: true, alias: None, peer };
                self.links.create_veth(&veth)?;
                raise(&mut Links::open_in(&namespace)?, name)?;
            }
            Step::RemoveRouterLink { router, name } => {
                inside(layout, *router)?.delete_by_name(name)?;
            }
            Step::RaiseRouterLink { router, name } => raise(&mut inside(layout, *router)?, name)?,
            Step::SetRouterMtu { router, name, mtu } => {
                let mtu = LinkChange { mtu: Some(*mtu), ..LinkChange::default() };
                change(&mut inside(layout, *router)?, name, &mtu)?;
            }
            Step::AddRouterAddress { router, name, address } => {
                add_address(&mut inside(layout, *router)?, name, *address)?;
            }
            Step::RemoveRouterAddress { router, name, address } => {
                remove_address(&mut inside(layout, *router)?, name, *address)?;
            }
            Step::AddRoute { router, destination, next } => {
                inside(layout, *router)?.replace_route(&route(*destination, *next))?;
            }
            Step::RemoveRoute { router, destination, next } => {
                let gone = inside(layout, *router)?.delete_route(&route(*destination, *next));
                gone.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })?;
            }
            Step::Translate { router, translation } => {
                let namespace = Namespace::open(&layout.router(*router))?;
                let mut session = Session::open_in(&namespace)?;
                let wanted = translation.as_ref().map(translation::of_router).unwrap_or_default();
                replace_table(&mut session, Family::Ipv4, &wanted)?;
                let stale = |known: &Translated| translation.as_ref().is_none_or(|now| !now.keeps(known));
                let known = conntrack::translated(&namespace)?;
                let stale: Vec<_> = known.into_iter().filter(stale).map(|known| known.flow).collect();
                conntrack::delete_all(&namespace, &stale)?;
            }
        }
        Ok(())
    }

    fn index(&mut self, name: &str) -> Result<u32, Error> {
        index(&mut self.links, name)
    }
}

/// Namespaces of routers that are ours and stand for no router.
pub(super) fn stale_routers(layout: &Layout, wanted: &Topology) -> BTreeSet<RouterId> {
    let unwanted = layout.router_namespaces().into_iter().filter(|router| !wanted.routers.contains_key(router));
    unwanted.filter(|router| is_ours(layout, *router)).collect()
}

/// A router's namespace as it is.
pub(super) fn observe_router(layout: &Layout, router: RouterId, plan: &RouterPlan) -> Result<ObservedRouter, Error> {
    let namespace = match Namespace::open(&layout.router(router)) {
        Ok(namespace) => namespace,
        // A file that is no namespace is what remains of one after a reboot of its mounts.
        Err(_) => return Ok(ObservedRouter::default()),
    };
    let mut links = Links::open_in(&namespace)?;
    let mut there = ObservedRouter::default();
    for link in links.list()? {
        if link.name == LOOPBACK {
            there.exists = link.alias.as_deref() == Some(OURS) && forwards(&namespace);
        } else if link.name.starts_with('q') {
            there.interfaces.insert(link.name.clone(), with_addresses(&mut links, link)?);
        }
    }
    let routes = links.routes()?.into_iter();
    there.routes = routes.filter_map(|route| Some((route.destination, route.gateway?))).collect();
    let wanted = plan.translation.as_ref().map(translation::of_router).unwrap_or_default();
    let shape = Session::open_in(&namespace)?.shape_of(Family::Ipv4, TABLE)?.unwrap_or_default();
    there.translates = shape == wanted.shape();
    Ok(there)
}

/// The kernel's lending of IP's connection tracking to bridges, loaded if it is not there, for which a process needs
/// CAP_SYS_MODULE.
///
/// # Errors
/// It is not there and cannot be loaded.
pub fn ensure_bridge_netfilter() -> Result<(), Error> {
    let there = || std::path::Path::new("/proc/sys/net/bridge").exists();
    if there() {
        return Ok(());
    }
    // Whatever is in this process's environment is not its business.
    let mut command = std::process::Command::new("modprobe");
    let output = command.arg("br_netfilter").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    if there() {
        return Ok(());
    }
    Err(Error::NoBridgeNetfilter(match output {
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("modprobe: {error}"),
    }))
}

fn forwards(namespace: &Namespace) -> bool {
    sysctl::read(namespace, "net.ipv4.ip_forward").is_ok_and(|value| value == "1")
}

fn create_router(layout: &Layout, router: RouterId) -> Result<(), Error> {
    let namespace = Namespace::create(&layout.router(router))?;
    for (name, value) in ROUTER_SETTINGS {
        set(&namespace, name, value)?;
    }
    let mark = LinkChange { up: Some(true), alias: Some(OURS), ..LinkChange::default() };
    change(&mut Links::open_in(&namespace)?, LOOPBACK, &mark)
}

/// Removes a router's namespace. Its links go first: the namespace itself may live on in someone's hand.
pub(super) fn delete_router(layout: &Layout, router: RouterId) -> Result<(), Error> {
    if let Ok(mut links) = inside(layout, router) {
        for link in links.list()?.into_iter().filter(|link| link.name.starts_with('q')) {
            links.delete_by_name(&link.name)?;
        }
    }
    Ok(Namespace::remove(&layout.router(router))?)
}

/// True if we made a router's namespace.
pub(super) fn is_ours(layout: &Layout, router: RouterId) -> bool {
    let loopback = inside(layout, router).and_then(|mut links| Ok(links.get(LOOPBACK)?));
    loopback.is_ok_and(|link| link.is_some_and(|link| link.alias.as_deref() == Some(OURS)))
}

fn inside(layout: &Layout, router: RouterId) -> Result<Links, Error> {
    Ok(Links::open_in(&Namespace::open(&layout.router(router))?)?)
}

/// Makes our table in a namespace what it should be.
pub(super) fn replace_table(
    session: &mut Session,
    family: Family,
    wanted: &kuryr_netlink::nftables::Table,
) -> Result<(), Error> {
    let there = session.shape_of(family, TABLE)?;
    let mut delta = Delta::new(family, TABLE);
    if there.is_none() && !wanted.chains.is_empty() {
        delta.create_table();
    }
    delta.replace(&there.unwrap_or_else(Shape::default), wanted);
    Ok(session.commit(&[delta], None)?)
}

fn with_addresses(links: &mut Links, link: Link) -> Result<ObservedLink, Error> {
    let given = |net: &IpNet| matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local());
    let addresses = links.addresses(link.index)?.into_iter().filter(|net| !given(net)).collect();
    Ok(ObservedLink { link, addresses })
}

fn route(destination: IpNet, next: IpAddr) -> Route {
    Route { destination, gateway: Some(next), index: None }
}

fn index(links: &mut Links, name: &str) -> Result<u32, Error> {
    let link = links.get(name)?;
    link.map(|link| link.index).ok_or_else(|| Error::Missing { what: "interface", name: name.to_owned() })
}

fn change(links: &mut Links, name: &str, change: &LinkChange<'_>) -> Result<(), Error> {
    let index = index(links, name)?;
    Ok(links.set(index, change)?)
}

fn raise(links: &mut Links, name: &str) -> Result<(), Error> {
    change(links, name, &LinkChange { up: Some(true), ..LinkChange::default() })
}

fn add_address(links: &mut Links, name: &str, address: IpNet) -> Result<(), Error> {
    let index = index(links, name)?;
    let added = links.add_address(index, address);
    Ok(added.or_else(|error| if error.is_exists() { Ok(()) } else { Err(error) })?)
}

fn remove_address(links: &mut Links, name: &str, address: IpNet) -> Result<(), Error> {
    let index = index(links, name)?;
    let removed = links.delete_address(index, address);
    Ok(removed.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })?)
}

/// Writes a setting unless it has the value: some may be read-only in containers, and rightly set.
pub(super) fn set(namespace: &Namespace, name: &str, value: &str) -> Result<(), Error> {
    match sysctl::read(namespace, name) {
        Ok(now) if now == value => Ok(()),
        // A kernel without IPv6 needs no settings of it.
        Err(error) if error.is_not_found() && name.starts_with("net.ipv6.") => Ok(()),
        _ => Ok(sysctl::write(namespace, name, value)?),
    }
}
