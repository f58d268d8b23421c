//! The host's side of external networks: forwarding, its address for theirs, and a way through Docker's filter.
//!
//! Docker sets the policy of `FORWARD` to drop. Its chain `DOCKER-USER` is where others may say what passes; our rules
//! there carry our digest, so that they are found again, and only they are removed.

use super::{desired::Topology, error::Error, kernel, layout::Layout, ruleset::TABLE, translation};
use kuryr_netlink::nftables::{Family, Rule, Session};

const DOCKER_TABLE: &str = "filter";
const DOCKER_CHAIN: &str = "DOCKER-USER";

/// The host's rules.
#[derive(Debug)]
pub(super) struct Host {
    session: Session,
    generation: Option<u32>,
}

impl Host {
    pub(super) fn open(layout: &Layout) -> Result<Self, Error> {
        Ok(Self { session: Session::open_in(&layout.host)?, generation: None })
    }

    /// Makes the host's rules and settings right. Costs one question when nobody changed a rule since.
    pub(super) fn apply(&mut self, layout: &Layout, topology: &Topology, changed: bool) -> Result<(), Error> {
        if !changed && self.generation == Some(self.session.generation()?) {
            return Ok(());
        }
        self.generation = None;
        let addresses = || topology.uplinks.values().flat_map(|uplink| &uplink.addresses);
        if addresses().any(|net| net.addr().is_ipv4()) {
            kernel::set(&layout.host, "net.ipv4.ip_forward", "1")?;
        }
        if addresses().any(|net| net.addr().is_ipv6()) {
            kernel::set(&layout.host, "net.ipv6.conf.all.forwarding", "1")?;
        }
        kernel::replace_table(&mut self.session, Family::Inet, &translation::of_host(topology))?;
        for family in [Family::Ipv4, Family::Ipv6] {
            self.admit(family, topology)?;
        }
        self.generation = Some(self.session.generation()?);
        Ok(())
    }

    /// Our rules in Docker's chain, first in it; those of uplinks that are no more go.
    fn admit(&mut self, family: Family, topology: &Topology) -> Result<(), Error> {
        let Some(rules) = self.session.foreign_rules(family, DOCKER_TABLE, DOCKER_CHAIN)? else { return Ok(()) };
        let wanted: Vec<Rule> = topology.uplinks.keys().flat_map(|name| translation::admission(name)).collect();
        let first: Vec<_> = rules.iter().take(wanted.len()).map(|rule| rule.digest).collect();
        let ours = rules.iter().filter(|rule| rule.digest.is_some());
        let right = wanted.iter().rev().map(|rule| Some(rule.digest())).collect::<Vec<_>>();
        if first == right && ours.clone().count() == wanted.len() {
            return Ok(());
        }
        let stale: Vec<u64> = ours.map(|rule| rule.handle).collect();
        Ok(self.session.change_foreign_chain(family, DOCKER_TABLE, DOCKER_CHAIN, &wanted, &stale)?)
    }

    /// Removes all of it. Forwarding stays as it is: others may rely on it by now.
    pub(super) fn purge(&mut self) -> Result<(), Error> {
        self.session.delete_table(Family::Inet, TABLE)?;
        for family in [Family::Ipv4, Family::Ipv6] {
            self.admit(family, &Topology::default())?;
        }
        Ok(())
    }
}
