//! The compiled rules of ports as Neutron tells them: what becomes of a frame, and what the kernel counted of it.
//!
//! Made from the API's answers, so it tells what the rules of any cloud mean; where this data plane enforces them, what
//! the kernel has is compared with it.

use super::{
    compile::{
        self, Action, Fragment, Stage,
        evaluate::{self, Decision, Frame, RulePlace},
    },
    desired::Desired,
    ruleset::TABLE,
};
use crate::engine::{Change, NetworkRecord, State};
use kuryr_netlink::{
    Namespace,
    nftables::{Count, Family, Session},
};
use kuryr_neutron::{AddressGroup, HostId, Network, Port, SecurityGroup};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Begins the `device_owner` of the ports that a cloud has for itself: no rule is asked about them.
const OF_THE_CLOUD: &str = "network:";
/// Ports are taken to be here, wherever they are: each side is asked for its rules.
const EVERYWHERE: &str = "everywhere";

/// The compiled rules of ports.
#[derive(Debug)]
pub struct Rulebook {
    rules: Fragment,
}

/// What the kernel has of an interface's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// What rules counted, by their place; shared chains count for all ports.
    pub counts: BTreeMap<RulePlace, Count>,
    /// Chains that are missing, or not what the rulebook has.
    pub differs: BTreeSet<String>,
}

impl Rulebook {
    /// The rules of these ports. Those of remote groups must be among them, and the address groups that rules name.
    pub fn new(
        networks: &[Network],
        ports: &[Port],
        groups: &[SecurityGroup],
        address_groups: &[AddressGroup],
    ) -> Self {
        let host = HostId(EVERYWHERE.to_owned());
        let mut state = State::default();
        for (network, zone) in networks.iter().zip(1..) {
            let record = NetworkRecord { network: network.clone(), zone };
            state.apply(&Change::Network(network.id, Some(Arc::new(record))));
        }
        for port in ports {
            let mut port = Port { binding_host_id: host.clone(), ..port.clone() };
            port.port_security_enabled &= !port.device_owner.starts_with(OF_THE_CLOUD);
            state.apply(&Change::Port(port.id, Some(Arc::new(port))));
        }
        for rule in groups.iter().flat_map(|group| &group.security_group_rules) {
            state.apply(&Change::SecurityGroupRule(rule.id, Some(Arc::new(rule.clone()))));
        }
        for group in address_groups {
            state.apply(&Change::AddressGroup(group.id, Some(Arc::new(group.clone()))));
        }
        Self { rules: compile::whole(&Desired::from_state(&state, &host, &Desired::default())) }
    }

    /// The decisions about a frame that is to get from one interface of a bridge to another: all three, or as many as
    /// it takes until it is dropped.
    pub fn trace(&self, from: &str, to: &str, frame: &Frame) -> Vec<Decision> {
        evaluate::trace(&self.rules, from, to, frame)
    }

    /// Compares the rules of an interface with those in the data plane's namespace, and reads their counters.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn in_force(&self, namespace: &Namespace, interface: &str) -> Result<InForce, kuryr_netlink::Error> {
        let mut session = Session::open_in(namespace)?;
        let mut found = InForce::default();
        for name in self.chains(interface) {
            let there = session.rules(Family::Bridge, TABLE, &name)?.unwrap_or_default();
            let Some(compiled) = self.rules.chains.get(&name) else { continue };
            let wanted = compile::lower_chain(compiled);
            // The mark has its network's number, which the API does not tell.
            let is_same = there.len() == wanted.len()
                && there.iter().zip(&wanted).zip(compiled).all(|((seen, wanted), rule)| {
                    matches!(rule.action, Action::SetMark(_)) || seen.digest == Some(wanted.digest())
                });
            if !is_same {
                found.differs.insert(name.clone());
            }
            let counted = there.into_iter().enumerate().filter_map(|(index, seen)| {
                Some((RulePlace { chain: name.clone(), index, comment: seen.comment }, seen.count?))
            });
            found.counts.extend(counted);
        }
        Ok(found)
    }

    /// The chains that an interface's packets may come through.
    fn chains(&self, interface: &str) -> BTreeSet<String> {
        let stages = [Stage::Source, Stage::Egress, Stage::Ingress];
        let entries = stages.map(|stage| self.rules.interfaces.get(&(stage, interface.to_owned())));
        let mut next: Vec<&Action> = entries.into_iter().flatten().collect();
        let mut names = BTreeSet::new();
        while let Some(action) = next.pop() {
            let Action::Jump(chain) = action else { continue };
            if names.insert(chain.clone()) {
                next.extend(self.rules.chains.get(chain).into_iter().flatten().map(|rule| &rule.action));
            }
        }
        names
    }
}
