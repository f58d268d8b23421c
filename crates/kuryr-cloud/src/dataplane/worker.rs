//! One pass: from the state to the kernel. Blocking; holds what is known of the kernel between passes.

use super::{
    announcing::Announcing,
    connections::{self, Judge},
    desired::{Desired, LocalPort},
    error::Error,
    host::Host,
    kernel::{self, Kernel},
    layout::Layout,
    plan::{Observed, Step, plan, strays},
    ruleset::Ruleset,
};
use crate::engine::Engine;
use kuryr_netlink::{LinkEvent, Namespace, conntrack};
use kuryr_neutron::{HostId, PortId, RouterId, Status, TrunkId};
use std::{collections::BTreeSet, net::IpAddr};

/// A step can make the next one possible; more rounds than this means that it does not.
const ROUNDS: u32 = 4;

/// Why a pass is made.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// News of links.
    pub(super) links: Vec<LinkEvent>,
    /// Look at everything: news may have been lost, or something that sends none may have changed.
    pub(super) look: bool,
}

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The state that is in force now.
    pub(super) revision: u64,
    /// Ports whose status is another than the API shows.
    pub(super) ports: Vec<(PortId, Status)>,
    /// Routers whose status is another than the API shows.
    pub(super) routers: Vec<(RouterId, Status)>,
    /// Trunks whose status is another than the API shows.
    pub(super) trunks: Vec<(TrunkId, Status)>,
    /// What could not be done, beside the rules; it is tried again.
    pub(super) failures: Vec<String>,
}

/// What is known between passes.
#[derive(Debug)]
pub(super) struct Worker {
    engine: Engine,
    host_id: HostId,
    layout: Layout,
    kernel: Kernel,
    ruleset: Ruleset,
    host: Host,
    announcing: Announcing,
    desired: Desired,
    observed: Observed,
    /// Routers that were as they should be when last looked at.
    settled: BTreeSet<RouterId>,
    /// Addresses that left, by zone, and whose connections are to be forgotten before anyone else gets them.
    departed: Option<BTreeSet<(u16, IpAddr)>>,
    first: bool,
}

impl Worker {
    pub(super) fn open(engine: Engine, layout: Layout) -> Result<Self, Error> {
        let kernel = Kernel::open(&layout)?;
        let ruleset = Ruleset::open(&kernel.namespace)?;
        let host = Host::open(&layout)?;
        let announcing = Announcing::open(&kernel.namespace);
        let host_id = engine.options().host.clone();
        Ok(Self {
            engine,
            host_id,
            layout,
            kernel,
            ruleset,
            host,
            announcing,
            desired: Desired::default(),
            observed: Observed::default(),
            settled: BTreeSet::new(),
            departed: None,
            first: true,
        })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.kernel.namespace
    }

    pub(super) fn host_namespace(&self) -> &Namespace {
        &self.layout.host
    }

    /// True if someone else made this generation of the ruleset, or news were lost (`None`).
    pub(super) fn is_foreign(&self, generation: Option<u32>) -> bool {
        generation.is_none_or(|generation| self.ruleset.is_news(generation))
    }

    /// Makes the kernel agree with the committed state. An error means that the rules before are still in force.
    pub(super) fn pass(&mut self, triggers: Triggers) -> Result<Report, Error> {
        let mut report = Report::default();
        let look = triggers.look || std::mem::take(&mut self.first);
        if !self.kernel.is_current(&self.layout) {
            tracing::warn!(path = %self.layout.namespace.display(), "the namespace's name was removed; it is bound again");
            self.kernel.bind_again(&self.layout)?;
        }
        let links_changed = self.hear(triggers.links, look)?;
        let (wanted, revision, strays) = self.engine.read(|state| {
            let strays = if look { strays(state.ports.keys().copied(), &self.observed) } else { Vec::new() };
            (Desired::from_state(state, &self.host_id, &self.desired), state.revision, strays)
        });
        report.revision = revision;
        self.ruleset.check()?;
        // Rules first: they are in force before the interfaces they are about.
        let restricted = self.ruleset.apply(&self.desired, &wanted)?;
        if look && let Err(error) = self.kernel.tighten() {
            report.failures.push(error.to_string());
        }
        let before = std::mem::replace(&mut self.desired, wanted);
        let reshaped = before.topology != self.desired.topology;
        if look || reshaped || links_changed || !self.all_settled() {
            report.failures.extend(self.shape(&before, look));
        }
        for stray in &strays {
            tracing::info!(?stray, "its port is gone");
            if let Err(error) = self.kernel.apply(&self.layout, stray) {
                report.failures.push(format!("{stray:?}: {error}"));
            }
        }
        let uplinks_changed = look || before.topology.uplinks != self.desired.topology.uplinks;
        if let Err(error) = self.host.apply(&self.layout, &self.desired.topology, uplinks_changed) {
            report.failures.push(format!("host: {error}"));
        }
        if restricted {
            let gone = connections::gone(&before, &self.desired);
            let wait = connections::only_departed(&before, &self.desired, &gone);
            self.departed.get_or_insert_default().extend(gone);
            if !wait && let Err(error) = self.forget_departed() {
                report.failures.push(error);
            }
        }
        self.tell(&mut report);
        Ok(report)
    }

    /// Forgets the connections of who left. Nobody waits for this, but the next pass, which may give the addresses
    /// away, comes after it.
    pub(super) fn forget_departed(&mut self) -> Result<(), String> {
        if let Some(gone) = self.departed.take()
            && let Err(error) = self.forget_connections(&gone)
        {
            self.departed = Some(gone);
            return Err(format!("connections: {error}"));
        }
        Ok(())
    }

    /// Takes news of links in; true if there were any.
    fn hear(&mut self, events: Vec<LinkEvent>, look: bool) -> Result<bool, Error> {
        let any = !events.is_empty();
        let mut reread = look;
        let links = &mut self.observed.links;
        for event in events {
            match event {
                LinkEvent::Added(link) => {
                    // A link that was renamed is no longer there under its old name.
                    links.retain(|name, known| known.index != link.index || *name == link.name);
                    links.insert(link.name.clone(), link);
                }
                LinkEvent::Removed { index, .. } => links.retain(|_, known| known.index != index),
                LinkEvent::Resync => reread = true,
            }
        }
        if reread {
            self.observed.links = self.kernel.links()?;
        }
        Ok(any || reread)
    }

    fn all_settled(&self) -> bool {
        self.desired.topology.routers.keys().all(|router| self.settled.contains(router))
    }

    /// Makes links, addresses and routes right. What fails is told and tried again; it holds nothing else up.
    fn shape(&mut self, before: &Desired, look: bool) -> Vec<String> {
        let wanted = &self.desired.topology;
        let links = &self.observed.links;
        let unchanged = |router: &RouterId| before.topology.routers.get(router) == wanted.routers.get(router);
        let plugged = |router: &RouterId| {
            let interfaces = wanted.routers.get(router).into_iter().flat_map(|plan| plan.interfaces.values());
            interfaces.into_iter().all(|link| links.contains_key(&link.outside))
        };
        self.settled.retain(|router| !look && unchanged(router) && plugged(router));
        let mut failures = Vec::new();
        for _ in 0..ROUNDS {
            failures.clear();
            if let Err(error) = self.observe(before, look) {
                return vec![error.to_string()];
            }
            let steps = plan(&self.desired.topology, &self.observed);
            let busy: BTreeSet<RouterId> = steps.iter().filter_map(Step::router).collect();
            let looked = self.observed.routers.keys().copied();
            self.settled.extend(looked.filter(|router| !busy.contains(router)));
            if steps.is_empty() {
                break;
            }
            for step in &steps {
                tracing::debug!(?step, "data plane");
                if let Err(error) = self.kernel.apply(&self.layout, step) {
                    failures.push(format!("{step:?}: {error}"));
                }
            }
            match self.kernel.links() {
                Ok(links) => self.observed.links = links,
                Err(error) => failures.push(error.to_string()),
            }
        }
        failures
    }

    /// Looks again at what may have changed beside the links.
    fn observe(&mut self, before: &Desired, look: bool) -> Result<(), Error> {
        let wanted = &self.desired.topology;
        let uplinks = || self.observed.uplinks.keys().eq(wanted.uplinks.keys());
        if look || before.topology.uplinks != wanted.uplinks || !uplinks() {
            self.observed.uplinks = self.kernel.uplinks(wanted)?;
        }
        self.observed.uplinks.retain(|name, _| self.observed.links.contains_key(name));
        self.observed.stale_routers.clear();
        if look || !before.topology.routers.keys().eq(wanted.routers.keys()) {
            self.observed.stale_routers = kernel::stale_routers(&self.layout, wanted);
        }
        self.observed.routers.clear();
        for (router, plan) in wanted.routers.iter().filter(|(router, _)| !self.settled.contains(router)) {
            let there = kernel::observe_router(&self.layout, *router, plan)?;
            self.observed.routers.insert(*router, there);
        }
        Ok(())
    }

    /// Ends connections that the rules in force would not let begin.
    fn forget_connections(&self, gone: &BTreeSet<(u16, IpAddr)>) -> Result<(), Error> {
        let judge = Judge::new(&self.desired);
        for flow in conntrack::entries(&self.kernel.namespace, None)? {
            if !judge.allows(&flow, gone) {
                conntrack::delete(&self.kernel.namespace, &flow)?;
            }
        }
        Ok(())
    }

    /// Finds where the API shows another status than the kernel has.
    fn tell(&self, report: &mut Report) {
        let links = &self.observed.links;
        let works = |port: &LocalPort| {
            let bridge = links.get(&*port.bridge).map(|bridge| bridge.index);
            let plugged = |link: &kuryr_netlink::Link| link.up && bridge.is_some() && link.controller == bridge;
            links.get(&*port.interface).is_some_and(plugged)
        };
        let all_work =
            |ports: &[PortId]| ports.iter().all(|id| self.desired.ports.get(id).is_some_and(|port| works(port)));
        for (id, port) in &self.desired.ports {
            let works = works(port);
            let status = if works { Status::Active } else { Status::Down };
            if status != port.status {
                report.ports.push((*id, status));
            }
            if status != port.status && works {
                self.announcing.port(port, &self.desired, links);
            }
        }
        for (id, trunk) in &self.desired.trunks {
            let status = match (all_work(&[trunk.parent]), all_work(&trunk.subports)) {
                (false, _) => Status::Down,
                (true, true) => Status::Active,
                (true, false) => Status::Degraded,
            };
            if status != trunk.status {
                report.trunks.push((*id, status));
            }
        }
        for (id, shown) in &self.desired.router_status {
            let status = if self.settled.contains(id) { Status::Active } else { Status::Down };
            if status != *shown {
                report.routers.push((*id, status));
            }
        }
    }

    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let topology = &self.desired.topology;
        (topology.bridges.len(), self.desired.interfaces.len(), topology.routers.len())
    }
}
