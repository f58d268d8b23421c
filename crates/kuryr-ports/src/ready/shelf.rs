//! The ports of one kind that are ready for containers: what is where, as plain data.

use kuryr_neutron::{NetworkId, Port, PortId, SubnetId};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

/// How many ports are kept ready for a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fewer than this are added to.
    pub min: usize,
    /// Never more than this; 0: no limit but [`Limits::batch`] beyond what is wanted.
    pub max: usize,
    /// So many are made with one call.
    pub batch: usize,
}

/// How many ports of a subnet are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// For the next containers.
    pub ready: usize,
    /// In use by containers.
    pub lent: usize,
    /// Given back, and not yet ready again.
    pub returning: usize,
    /// Left by an earlier process, and kept back while Docker may come for them.
    pub resting: usize,
    /// To be deleted, and not yet gone.
    pub leaving: usize,
}

impl Stock {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            ready: self.ready + other.ready,
            lent: self.lent + other.lent,
            returning: self.returning + other.returning,
            resting: self.resting + other.resting,
            leaving: self.leaving + other.leaving,
        }
    }
}

/// The ready ports of one kind.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) network: NetworkId,
    ready: VecDeque<Port>,
    /// Left by an earlier process: Docker may still come back for one of these.
    resting: Vec<Port>,
    /// Given back, and not yet what a new one is.
    returning: BTreeMap<PortId, Port>,
    /// To be deleted: nobody gets them, and they count until they are gone.
    leaving: BTreeMap<PortId, Port>,
    /// Ports in use that came from here.
    lent: BTreeMap<PortId, Lent>,
    /// Last time that a port was taken.
    taken: Instant,
    /// False once it was drained: nothing is added before somebody asks for a port again.
    is_open: bool,
    /// Asked of Neutron, and not answered yet.
    coming: usize,
    /// After a refusal nothing is added before this.
    rests_until: Option<Instant>,
    /// The next pause after a refusal.
    pause: Duration,
}

/// A port in use.
#[derive(Debug)]
struct Lent {
    /// As it was.
    port: Port,
    /// Those of its addresses that Docker has: it asks for each of a pair, and gives each back.
    held: BTreeSet<IpAddr>,
}

/// The first pause after a refusal; it doubles with each that follows.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Shelf {
    pub(crate) fn new(network: NetworkId, now: Instant) -> Self {
        let (ready, resting, returning, leaving, lent) = Default::default();
        Self {
            network,
            ready,
            resting,
            returning,
            leaving,
            lent,
            taken: now,
            is_open: true,
            coming: 0,
            rests_until: None,
            pause: PAUSE,
        }
    }

    /// Takes the port with this address, wherever it is; or any that is ready. Docker has its address in this subnet from
    /// here on, and no other.
    pub(crate) fn take(&mut self, subnet: SubnetId, address: Option<IpAddr>, now: Instant) -> Option<Port> {
        (self.taken, self.is_open) = (now, true);
        let port = match address {
            None => self.ready.pop_front(),
            Some(address) => self.with_address(subnet, address).and_then(|id| self.remove(id)),
        }?;
        let held = port.fixed_ips.iter().filter(|ip| ip.subnet_id == subnet).map(|ip| ip.ip_address).collect();
        self.lent.insert(port.id, Lent { port: port.clone(), held });
        Some(port)
    }

    /// A container has this port, which an earlier process promised it, or which was made for it; Docker has these of its
    /// addresses.
    pub(crate) fn claim(&mut self, port: &Port, held: &[IpAddr]) {
        self.remove(port.id);
        self.lent.insert(port.id, Lent { port: port.clone(), held: held.iter().copied().collect() });
    }

    /// The addresses of a lent port that Docker has.
    pub(crate) fn held(&mut self, id: PortId) -> Option<&mut BTreeSet<IpAddr>> {
        self.lent.get_mut(&id).map(|lent| &mut lent.held)
    }

    /// Takes a port out of everything but use, and the way out.
    fn remove(&mut self, id: PortId) -> Option<Port> {
        if let Some(at) = self.ready.iter().position(|port| port.id == id) {
            return self.ready.remove(at);
        }
        if let Some(at) = self.resting.iter().position(|port| port.id == id) {
            return Some(self.resting.remove(at));
        }
        self.returning.remove(&id)
    }

    /// New ports.
    pub(crate) fn add(&mut self, ports: Vec<Port>) {
        (self.coming, self.rests_until, self.pause) = (0, None, PAUSE);
        self.ready.extend(ports);
    }

    /// No new ports: there will be none for a while. True for the first such time in a row.
    pub(crate) fn refused(&mut self, now: Instant) -> bool {
        self.coming = 0;
        let is_first = self.pause == PAUSE;
        self.rests_until = now.checked_add(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        is_first
    }

    /// A port that an earlier process left; one that is known already stays where it is.
    pub(crate) fn rest(&mut self, port: Port) {
        if !self.lent.contains_key(&port.id) && self.all().all(|known| known.id != port.id) {
            self.resting.push(port);
        }
    }

    /// Docker has given up on what it asked of an earlier process.
    pub(crate) fn wake(&mut self) {
        self.ready.extend(self.resting.drain(..));
    }

    /// The port as it was lent; nothing: it is none of ours.
    pub(crate) fn lent(&self, id: PortId) -> Option<&Port> {
        self.lent.get(&id).map(|lent| &lent.port)
    }

    /// A container has given a port back, as it is now. True if it is wanted again: then it is on its way until it has
    /// [`Shelf::returned`]. Else it leaves.
    pub(crate) fn give_back(&mut self, now: &Port, is_as_lent: bool, limits: Limits) -> bool {
        let Some(Lent { port, .. }) = self.lent.remove(&now.id) else { return false };
        let room = limits.max == 0 || self.all().count() + self.coming < limits.max;
        let is_wanted = is_as_lent && self.is_open && room;
        if is_wanted {
            self.returning.insert(port.id, port);
        } else {
            // The addresses that it had may be others' by now.
            self.leaving.insert(port.id, now.clone());
        }
        is_wanted
    }

    /// A port that was given back is what it was before; unless it was taken meanwhile.
    pub(crate) fn returned(&mut self, id: PortId) {
        self.ready.extend(self.returning.remove(&id));
    }

    fn with_address(&self, subnet: SubnetId, address: IpAddr) -> Option<PortId> {
        let has = |port: &Port| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address);
        self.usable().find(|port| has(port)).map(|port| port.id)
    }

    /// Lets go of the port with this address, which somebody wants for a port of another kind.
    pub(crate) fn evict(&mut self, subnet: SubnetId, address: IpAddr) -> Option<Port> {
        let id = self.with_address(subnet, address)?;
        self.leave(id);
        self.leaving.get(&id).cloned()
    }

    /// Nobody gets this port any more.
    pub(crate) fn leave(&mut self, id: PortId) {
        if let Some(port) = self.remove(id) {
            self.leaving.insert(id, port);
        }
    }

    /// A port is no more.
    pub(crate) fn forget(&mut self, id: PortId) {
        self.remove(id);
        self.lent.remove(&id);
        self.leaving.remove(&id);
    }

    /// The ports that the next containers may get, now or soon.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Port> {
        self.ready.iter().chain(&self.resting)
    }

    /// The ports on their way back.
    pub(crate) fn returning(&self) -> impl Iterator<Item = &Port> {
        self.returning.values()
    }

    /// The ports on their way out.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = &Port> {
        self.leaving.values()
    }

    /// How many ports to make now. They count from here on, until they were [`Shelf::add`]ed or [`Shelf::refused`].
    pub(crate) fn order(&mut self, limits: Limits, now: Instant) -> usize {
        self.coming = self.missing(limits, now);
        self.coming
    }

    fn missing(&self, limits: Limits, now: Instant) -> usize {
        let usable = self.usable().count();
        let is_resting = self.rests_until.is_some_and(|until| now < until);
        if !self.is_open || is_resting || usable >= limits.min {
            return 0;
        }
        let wanted = limits.batch.max(limits.min - usable);
        if limits.max == 0 { wanted } else { wanted.min(limits.max.saturating_sub(self.all().count())) }
    }

    /// Lets go of what nobody has needed for so long, and of what is more than there may be.
    pub(crate) fn shrink(&mut self, limits: Limits, idle: Duration, now: Instant) {
        let is_idle = now.duration_since(self.taken) >= idle;
        let idle = if is_idle { self.ready.len().saturating_sub(limits.min) } else { 0 };
        let beyond = if limits.max == 0 { 0 } else { self.usable().count().saturating_sub(limits.max) };
        let surplus = idle.max(beyond.min(self.ready.len()));
        self.leaving.extend(self.ready.drain(..surplus).map(|port| (port.id, port)));
    }

    /// Lets go of everything that no container has, and of what one gives back, until somebody asks for a port again.
    pub(crate) fn drain(&mut self) {
        self.is_open = false;
        let returning = std::mem::take(&mut self.returning).into_values();
        let all = self.ready.drain(..).chain(self.resting.drain(..)).chain(returning);
        self.leaving.extend(all.map(|port| (port.id, port)));
    }

    /// Whether there is nothing left to do for it.
    pub(crate) fn is_done(&self) -> bool {
        !self.is_open && self.lent.is_empty() && self.all().next().is_none()
    }

    /// Whether a port is here, and no container has it.
    pub(crate) fn has(&self, id: PortId) -> bool {
        self.all().any(|port| port.id == id)
    }

    /// Whether an address is of a port here that no container has.
    pub(crate) fn holds(&self, subnet: SubnetId, address: IpAddr) -> bool {
        self.all().any(|port| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address))
    }

    /// The ports that containers may get, now or later.
    fn usable(&self) -> impl Iterator<Item = &Port> {
        self.waiting().chain(self.returning.values())
    }

    fn all(&self) -> impl Iterator<Item = &Port> {
        self.usable().chain(self.leaving.values())
    }

    pub(crate) fn count(&self) -> Stock {
        Stock {
            ready: self.ready.len(),
            lent: self.lent.len(),
            returning: self.returning.len(),
            resting: self.resting.len(),
            leaving: self.leaving.len(),
        }
    }
}

#[cfg(test)]
mod tests;
