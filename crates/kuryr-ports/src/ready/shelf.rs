//! The ports of one subnet that are ready for containers: what is where, as plain data.

use kuryr_neutron::{NetworkId, Port, PortId, SubnetId};
use std::{
    collections::{BTreeMap, VecDeque},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// For the next containers.
    pub ready: usize,
    /// In use by containers.
    pub lent: usize,
    /// Given back, and not yet ready again.
    pub returning: usize,
    /// Left by an earlier process, and kept back while Docker may come for them.
    pub resting: usize,
}

/// The ready ports of one subnet.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) network: NetworkId,
    ready: VecDeque<Port>,
    /// Left by an earlier process: Docker may still come back for one of these.
    resting: Vec<Port>,
    /// Given back, and not yet what a new one is.
    returning: BTreeMap<PortId, Port>,
    /// Ports in use that came from here, as they were.
    lent: BTreeMap<PortId, Port>,
    /// Last time that a port was taken.
    taken: Instant,
}

impl Shelf {
    pub(crate) fn new(network: NetworkId, now: Instant) -> Self {
        let (ready, resting, returning, lent) = Default::default();
        Self { network, ready, resting, returning, lent, taken: now }
    }

    /// Takes the port with this address, wherever it is; or any that is ready.
    pub(crate) fn take(&mut self, subnet: SubnetId, address: Option<IpAddr>, now: Instant) -> Option<Port> {
        self.taken = now;
        let port = match address {
            None => self.ready.pop_front(),
            Some(address) => {
                let has =
                    |port: &Port| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address);
                let found = self.all().find(|port| has(port)).map(|port| port.id);
                found.and_then(|id| self.remove(id))
            }
        }?;
        self.lent.insert(port.id, port.clone());
        Some(port)
    }

    /// A container has this port, which an earlier process promised it.
    pub(crate) fn claim(&mut self, port: &Port) {
        self.remove(port.id);
        self.lent.insert(port.id, port.clone());
    }

    /// Takes a port out of everything but use.
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
        self.ready.extend(ports);
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
        self.lent.get(&id)
    }

    /// A container has given a port back. True if it is wanted again: then it is on its way until it has
    /// [`Shelf::returned`].
    pub(crate) fn give_back(&mut self, id: PortId, limits: Limits) -> bool {
        let Some(port) = self.lent.remove(&id) else { return false };
        let room = limits.max == 0 || self.stock() < limits.max;
        if room {
            self.returning.insert(id, port);
        }
        room
    }

    /// A port that was given back is what it was before; unless it was taken meanwhile.
    pub(crate) fn returned(&mut self, id: PortId) {
        self.ready.extend(self.returning.remove(&id));
    }

    /// A port is no more.
    pub(crate) fn forget(&mut self, id: PortId) {
        self.remove(id);
        self.lent.remove(&id);
    }

    /// The ports that the next container may get.
    pub(crate) fn ready(&self) -> impl Iterator<Item = PortId> + '_ {
        self.ready.iter().map(|port| port.id)
    }

    /// How many ports to make now.
    pub(crate) fn missing(&self, limits: Limits) -> usize {
        if self.stock() >= limits.min {
            return 0;
        }
        let wanted = limits.batch.max(limits.min - self.stock());
        if limits.max == 0 { wanted } else { wanted.min(limits.max.saturating_sub(self.stock())) }
    }

    /// Takes away what nobody has needed for so long.
    pub(crate) fn surplus(&mut self, limits: Limits, idle: Duration, now: Instant) -> Vec<Port> {
        let is_idle = now.duration_since(self.taken) >= idle;
        let surplus = if is_idle { self.ready.len().saturating_sub(limits.min) } else { 0 };
        self.ready.drain(..surplus).collect()
    }

    /// Takes away everything that no container has.
    pub(crate) fn drain(&mut self) -> Vec<Port> {
        let returning = std::mem::take(&mut self.returning).into_values();
        self.ready.drain(..).chain(self.resting.drain(..)).chain(returning).collect()
    }

    /// Whether a port is here, and no container has it.
    pub(crate) fn has(&self, id: PortId) -> bool {
        self.all().any(|port| port.id == id)
    }

    /// Whether an address is of a port here that no container has.
    pub(crate) fn holds(&self, subnet: SubnetId, address: IpAddr) -> bool {
        self.all().any(|port| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address))
    }

    fn all(&self) -> impl Iterator<Item = &Port> {
        self.ready.iter().chain(&self.resting).chain(self.returning.values())
    }

    pub(crate) fn count(&self) -> Stock {
        let (ready, lent) = (self.ready.len(), self.lent.len());
        Stock { ready, lent, returning: self.returning.len(), resting: self.resting.len() }
    }

    fn stock(&self) -> usize {
        self.all().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LIMITS: Limits = Limits { min: 3, max: 6, batch: 4 };

    fn port(number: u128) -> Port {
        serde_json::from_value(serde_json::json!({
            "id": uuid::Uuid::from_u128(number), "network_id": uuid::Uuid::nil(),
            "mac_address": "02:42:0a:00:00:02", "name": "kuryr-ready-port",
            "fixed_ips": [{"subnet_id": uuid::Uuid::nil(), "ip_address": format!("10.0.0.{}", number % 250)}],
        }))
        .unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        TakeAddress(u8),
        GiveBack(usize),
        Returned(usize),
        Make,
        Rest(u8),
        Wake,
        Shrink,
        Drain,
        Gone(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            2 => (0u8..20).prop_map(Step::TakeAddress),
            4 => any::<usize>().prop_map(Step::GiveBack),
            4 => any::<usize>().prop_map(Step::Returned),
            3 => Just(Step::Make),
            1 => (100u8..110).prop_map(Step::Rest),
            1 => Just(Step::Wake),
            1 => Just(Step::Shrink),
            1 => Just(Step::Drain),
            1 => any::<usize>().prop_map(Step::Gone),
        ]
    }

    proptest! {
        /// Whatever happens, each port that exists is at one place, none is used twice, and none is forgotten.
        #[test]
        fn no_port_is_lost_or_used_twice(steps in prop::collection::vec(step(), 0..120)) {
            let (subnet, now) = (SubnetId(uuid::Uuid::nil()), Instant::now());
            let mut shelf = Shelf::new(NetworkId(uuid::Uuid::nil()), now);
            // What Neutron has, and who uses it.
            let mut exists: BTreeSet<PortId> = BTreeSet::new();
            let mut used: Vec<PortId> = Vec::new();
            let mut next = 1;
            for step in steps {
                match step {
                    Step::Take | Step::TakeAddress(_) => {
                        let address = match step {
                            Step::TakeAddress(n) => Some(format!("10.0.0.{n}").parse().unwrap()),
                            _ => None,
                        };
                        if let Some(port) = shelf.take(subnet, address, now) {
                            prop_assert!(exists.contains(&port.id) && !used.contains(&port.id));
                            prop_assert!(address.is_none_or(|address| port.fixed_ips[0].ip_address == address));
                            used.push(port.id);
                        }
                    }
                    Step::GiveBack(n) if !used.is_empty() => {
                        let id = used.remove(n % used.len());
                        if !shelf.give_back(id, LIMITS) {
                            exists.remove(&id);
                        }
                        prop_assert!(!shelf.give_back(id, LIMITS), "twice is once");
                    }
                    Step::Returned(n) => {
                        let returning: Vec<PortId> = shelf.returning.keys().copied().collect();
                        if !returning.is_empty() {
                            shelf.returned(returning[n % returning.len()]);
                        }
                    }
                    Step::Make => {
                        let made: Vec<Port> = (0..shelf.missing(LIMITS)).map(|_| { next += 1; port(next) }).collect();
                        exists.extend(made.iter().map(|port| port.id));
                        shelf.add(made);
                    }
                    Step::Rest(n) => {
                        let left = port(1_000_000 + u128::from(n));
                        if shelf.stock() < LIMITS.max {
                            exists.insert(left.id);
                            shelf.rest(left);
                        }
                    }
                    Step::Wake => shelf.wake(),
                    Step::Shrink => {
                        for port in shelf.surplus(LIMITS, Duration::ZERO, now) {
                            exists.remove(&port.id);
                        }
                        prop_assert!(shelf.ready.len() <= LIMITS.min);
                    }
                    Step::Drain => {
                        for port in shelf.drain() {
                            exists.remove(&port.id);
                        }
                    }
                    Step::Gone(n) if !used.is_empty() => {
                        let id = used.remove(n % used.len());
                        shelf.forget(id);
                        exists.remove(&id);
                    }
                    Step::GiveBack(_) | Step::Gone(_) => {}
                }
                let here: Vec<PortId> = shelf.all().map(|port| port.id).collect();
                let mut all: BTreeSet<PortId> = here.iter().copied().collect();
                prop_assert_eq!(all.len(), here.len(), "at one place");
                prop_assert!(used.iter().all(|id| all.insert(*id)), "in use or here");
                prop_assert_eq!(&all, &exists, "none is forgotten");
                prop_assert!(here.len() <= LIMITS.max);
            }
        }
    }
}
