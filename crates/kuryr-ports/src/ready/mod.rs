//! Ports that are ready before a container asks for one, so that a start waits for no call to Neutron.
//!
//! They are made some at a time, bound to this host, with addresses of their own; a container that goes gives its port
//! back. Neutron knows them by their name, and so does the next process.

mod drain;
mod filler;
mod kind;
mod look;
mod pair;
mod shelf;

pub use drain::Drained;
pub(crate) use filler::REST;
pub(crate) use kind::Givens;
use kind::Kind;
pub use shelf::{Limits, Stock};

use crate::{Author, ControlPlane, Error, Ports, READY_PORT_NAME, UNBOUND_PORT_NAME, author};
use arc_swap::ArcSwap;
use kuryr_neutron::{NetworkId, Port, PortId, PortUpdate, SecurityGroupId, SubnetId};
use pair::Promise;
pub use pair::Wanted;
use shelf::Shelf;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::Notify;

/// The ready ports of this host, by kind. Clones share all.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    limits: Option<Arc<ArcSwap<Limits>>>,
    /// Which Kuryr this is: another on the same host keeps ports of its own.
    maker: Option<ControlPlane>,
    shelves: Arc<Mutex<HashMap<Kind, Shelf>>>,
    /// Held while ports are made, so that a subnet is not left while some are on their way to it.
    making: Arc<tokio::sync::Mutex<()>>,
    /// Held while addresses go from one port to another.
    moving: Arc<tokio::sync::Mutex<()>>,
    /// The second addresses of ports, for which Docker is about to ask.
    promises: Arc<Mutex<Vec<Promise>>>,
    wanted: Arc<Notify>,
    filler: Arc<std::sync::OnceLock<()>>,
    /// Ready ports in Neutron that were on no shelf when Neutron was looked at last.
    strays: Arc<Mutex<BTreeSet<PortId>>>,
}

impl Ready {
    /// Keeps so many ready; `None`: none at all.
    pub(crate) fn new(limits: Option<Limits>, maker: Option<ControlPlane>) -> Self {
        let (shelves, making, moving, promises, wanted, filler, strays) = Default::default();
        let limits = limits.map(|limits| Arc::new(ArcSwap::from_pointee(limits)));
        Self { limits, maker, shelves, making, moving, promises, wanted, filler, strays }
    }

    /// Whether ports are kept ready.
    pub(crate) fn is_kept(&self) -> bool {
        self.limits.is_some()
    }

    /// How many are kept ready now.
    fn limits(&self) -> Option<Limits> {
        self.limits.as_ref().map(|limits| **limits.load())
    }

    /// Whether an earlier process of this Kuryr made a port.
    pub(crate) fn made(&self, port: &Port) -> bool {
        matches!((author(&port.description), &self.maker), (Author::Kuryr(maker), Some(this)) if maker == *this)
    }

    /// Whether no container has this port, and the next may get it.
    pub(crate) fn has(&self, id: PortId) -> bool {
        self.shelves().values().any(|shelf| shelf.has(id))
    }

    /// While this is held, no port is made.
    pub(crate) async fn making(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.making.lock().await
    }

    /// While this is held, no address goes from one port to another.
    pub(crate) async fn moving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.moving.lock().await
    }

    /// A container of a network with these groups has a port that an earlier process promised it, or which was made for
    /// it; Docker has these of its addresses.
    pub(crate) fn claim(&self, port: &Port, groups: &[SecurityGroupId], held: &[IpAddr]) {
        let Some(kind) = Kind::of(port, groups).filter(|_| self.is_kept()) else { return };
        let mut shelves = self.shelves();
        shelves.values_mut().for_each(|shelf| shelf.forget(port.id));
        let shelf = shelves.entry(kind).or_insert_with(|| Shelf::new(port.network_id, Instant::now()));
        shelf.claim(port, held);
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<Kind, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shelf that has lent this port.
    fn lender_of(&self, id: PortId) -> Option<Kind> {
        self.shelves().iter().find(|(_, shelf)| shelf.lent(id).is_some()).map(|(kind, _)| kind.clone())
    }

    /// Whether a container has this port for a while, or is about to.
    pub(crate) fn has_lent(&self, id: PortId) -> bool {
        self.lender_of(id).is_some()
    }

    /// A port is no more.
    pub(crate) fn forget(&self, id: PortId) {
        self.shelves().values_mut().for_each(|shelf| shelf.forget(id));
    }

    /// Whether an address is of a port that no container has.
    pub(crate) fn holds(&self, subnet: SubnetId, address: IpAddr) -> bool {
        self.shelves().values().any(|shelf| shelf.holds(subnet, address))
    }
}

impl Ports {
    /// Whether a port is one of those that are kept ready, and no container has it.
    pub fn is_kept_ready(&self, id: PortId) -> bool {
        self.ready.has(id)
    }

    /// Whether ports are kept ready: then Docker need not say a MAC when it asks for an address.
    pub fn keeps_ready(&self) -> bool {
        self.ready.is_kept() && !self.are_nested()
    }

    /// Keeps so many ready from now on, where any are kept at all.
    pub fn change_ready(&self, limits: Limits) {
        if let Some(current) = &self.ready.limits {
            current.store(Arc::new(limits));
            self.ready.wanted.notify_one();
        }
    }

    /// How many ports there are on each subnet for which some are kept ready.
    pub fn ready_stock(&self) -> Vec<(NetworkId, SubnetId, Stock)> {
        let mut all: BTreeMap<(NetworkId, SubnetId), Stock> = BTreeMap::new();
        for (kind, shelf) in self.ready.shelves().iter() {
            let stock = all.entry((shelf.network, kind.subnet)).or_default();
            *stock = stock.and(shelf.count());
        }
        all.into_iter().map(|((network, subnet), stock)| (network, subnet, stock)).collect()
    }

    /// A ready port, with this address if one is given, in the subnet of its kind that is asked for first.
    async fn take_ready(
        &self,
        network: NetworkId,
        kind: &Kind,
        address: Option<IpAddr>,
    ) -> Result<Option<Port>, Error> {
        let port = {
            let (mut shelves, now) = (self.ready.shelves(), Instant::now());
            let shelf = shelves.entry(kind.clone()).or_insert_with(|| Shelf::new(network, now));
            shelf.take(kind.subnet, address, now)
        };
        if let (Some(address), None) = (address, &port) {
            self.make_room(kind.subnet, address).await?;
        }
        self.ready.wanted.notify_one();
        let Some(port) = port else { return Ok(None) };
        // It may have been on its way back.
        self.behind().cancel(port.id).await;
        // From here on it waits for its endpoint as a new one does.
        Ok(Some(Port { name: UNBOUND_PORT_NAME.to_owned(), device_id: String::new(), ..port }))
    }

    /// Removes the ready port that has an address which somebody wants for another.
    async fn make_room(&self, subnet: SubnetId, address: IpAddr) -> Result<(), Error> {
        let in_the_way: Vec<Port> =
            self.ready.shelves().values_mut().filter_map(|shelf| shelf.evict(subnet, address)).collect();
        for port in in_the_way {
            self.behind().cancel(port.id).await;
            self.end(&port).await?;
        }
        Ok(())
    }

    /// Gives a port back to where it came from, or removes it, behind. False for a port that did not come from there.
    pub(crate) fn give_back_ready(&self, port: &Port) -> bool {
        let (Some(limits), Some(kind)) = (self.ready.limits(), self.ready.lender_of(port.id)) else { return false };
        let is_wanted = self.ready.shelves().get_mut(&kind).is_some_and(|shelf| {
            let is_as_lent = shelf.lent(port.id).is_some_and(|lent| is_the_same(lent, port));
            shelf.give_back(port, is_as_lent, limits)
        });
        self.memory.forget(port.id);
        if is_wanted {
            self.renew_behind(port, kind)
        } else {
            self.end_behind(port)
        }
        true
    }

    /// Makes a port that was given back what it was before, a moment later.
    fn renew_behind(&self, port: &Port, kind: Kind) {
        let (ports, port, id) = (self.clone(), port.clone(), port.id);
        self.behind().schedule(id, "return of a port", move || {
            let (ports, port, kind) = (ports.clone(), port.clone(), kind.clone());
            async move { ports.renew(&port, &kind).await }
        });
    }

    /// Removes a port that leaves, a moment later.
    fn end_behind(&self, port: &Port) {
        let (ports, port, id) = (self.clone(), port.clone(), port.id);
        self.behind().schedule(id, "end of a port", move || {
            let (ports, port) = (ports.clone(), port.clone());
            async move { ports.end(&port).await }
        });
    }

    async fn renew(&self, port: &Port, kind: &Kind) -> Result<(), Error> {
        self.binder.unplug(port).await?;
        let update = PortUpdate {
            device_id: Some(String::new()),
            name: Some(READY_PORT_NAME.to_owned()),
            ..PortUpdate::default()
        };
        let tags = if self.tagging().await?.resources { vec![crate::created_port_tag()] } else { Vec::new() };
        let renewed = async {
            let now = self.neutron.update::<Port>(port.id, &update).await?;
            if !tags.is_empty() {
                self.neutron.set_tags::<Port>(port.id, &tags).await?;
            }
            Ok::<_, kuryr_openstack::Error>(now)
        };
        let now = match renewed.await {
            // What stands before Neutron may have said so: a port that is forgotten and there is nobody's for ever.
            Err(error) if error.is_not_found() && self.neutron.find::<Port>(port.id).await?.is_none() => {
                self.ready.forget(port.id);
                return Ok(());
            }
            now => now?,
        };
        let changed = self.ready.shelves().get_mut(kind).is_some_and(|shelf| {
            let is_as_lent = shelf.returning().all(|lent| lent.id != port.id || is_the_same(lent, &now));
            if is_as_lent {
                shelf.returned(port.id)
            } else {
                shelf.leave(port.id)
            }
            !is_as_lent
        });
        if changed { self.end(port).await } else { Ok(()) }
    }

    /// Removes a port that nobody gets any more.
    async fn end(&self, port: &Port) -> Result<(), Error> {
        self.binder.unplug(port).await?;
        self.neutron.delete_if_exists::<Port>(port.id).await?;
        self.ready.forget(port.id);
        Ok(())
    }

    /// A ready port that an earlier process left on this host.
    pub(crate) async fn adopt_ready(&self, port: Port, givens: &mut Givens) -> Result<(), Error> {
        if !self.ready.made(&port) {
            return Ok(());
        }
        match self.kind_of(&port, givens).await? {
            Some(kind) if self.keeps_ready() => {
                self.start_filler();
                let mut shelves = self.ready.shelves();
                if !shelves.values().any(|shelf| shelf.has(port.id) || shelf.lent(port.id).is_some()) {
                    shelves.entry(kind).or_insert_with(|| Shelf::new(port.network_id, Instant::now())).rest(port);
                }
                Ok(())
            }
            _ => self.end(&port).await,
        }
    }
}

/// True if nothing was changed about a port while it was in use that its next user must not find.
fn is_the_same(lent: &Port, port: &Port) -> bool {
    let addresses =
        |port: &Port| port.fixed_ips.iter().map(|ip| (ip.subnet_id, ip.ip_address)).collect::<BTreeSet<_>>();
    lent.mac_address == port.mac_address
        && addresses(lent) == addresses(port)
        && lent.security_groups == port.security_groups
        && lent.port_security_enabled == port.port_security_enabled
        && lent.qos_policy_id == port.qos_policy_id
        && lent.dns_name == port.dns_name
        && lent.binding_host_id == port.binding_host_id
        && lent.admin_state_up == port.admin_state_up
        && lent.allowed_address_pairs == port.allowed_address_pairs
}
