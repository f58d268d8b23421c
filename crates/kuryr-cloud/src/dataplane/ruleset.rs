//! The rules in force, changed by as much as differs, and read back when someone else may have changed them.

use super::{
    compile,
    desired::Desired,
    policy::{InterfacePolicy, Members, Named, Remote},
};
use kuryr_netlink::{
    Namespace,
    nftables::{CommitError, Delta, Family, Session, Shape, Table},
};
use kuryr_neutron::{Ethertype, SecurityGroupId};
use std::{collections::BTreeMap, sync::Arc};

/// Name of our tables, in each namespace.
pub(super) const TABLE: &str = "kuryr";
const MARKER: &str = "generation-";
/// Someone else who changes rules all the time cannot keep us busy for ever.
const ATTEMPTS: u32 = 5;

/// The rules of the bridges' namespace.
#[derive(Debug)]
pub(super) struct Ruleset {
    session: Session,
    /// The ruleset's number after our last look or change; `None`: we do not know what is there.
    generation: Option<u32>,
    /// Sum of what we last installed.
    sum: u64,
    /// The marker that is there, if we know.
    marker: Option<String>,
}

/// Name of the empty chain that says: after our transaction that made this generation, these were the rules. Who finds
/// it and the same generation still, after a restart, need not read the rules, however many there are.
fn marker(generation: u32, sum: u64) -> String {
    format!("{MARKER}{generation}-{sum:016x}")
}

impl Ruleset {
    pub(super) fn open(namespace: &Namespace) -> Result<Self, kuryr_netlink::Error> {
        Ok(Self { session: Session::open_in(namespace)?, generation: None, sum: 0, marker: None })
    }

    /// True if this generation is one that we do not know of.
    pub(super) fn is_news(&self, generation: u32) -> bool {
        self.generation.is_none_or(|known| generation.wrapping_sub(known).cast_signed() > 0)
    }

    /// Notices whether someone else changed rules since our last change.
    pub(super) fn check(&mut self) -> Result<bool, kuryr_netlink::Error> {
        let now = self.session.generation()?;
        if self.generation.is_some_and(|known| known != now) {
            self.generation = None;
        }
        Ok(self.generation.is_some())
    }

    /// Puts `new` in force, where `old` was. True if something was taken away, so that connections which were allowed
    /// may no longer be, or if another's change was put right, under which some may have begun.
    pub(super) fn apply(&mut self, old: &Desired, new: &Desired) -> Result<bool, CommitError> {
        let Some(generation) = self.generation else { return self.apply_all(new) };
        let mut delta = difference(old, new);
        if delta.is_empty() {
            return Ok(false);
        }
        let sum = self.sum.wrapping_add(delta.sum());
        let name = marker(next(generation), sum);
        delta.rename_marker(self.marker.as_deref(), &name);
        match self.session.commit(std::slice::from_ref(&delta), Some(generation)) {
            Ok(()) => {
                self.remember(next(generation), sum, Some(name));
                Ok(delta.takes_away())
            }
            Err(CommitError::Outdated) => self.apply_all(new),
            Err(error) => {
                // Nothing was applied. Next time everything is compared.
                self.generation = None;
                Err(error)
            }
        }
    }

    /// Reads what is there and changes what differs.
    fn apply_all(&mut self, new: &Desired) -> Result<bool, CommitError> {
        self.generation = None;
        let inet = compile::inet_base();
        let sum = sum_of(new).wrapping_add(inet.shape().sum());
        let mut outcome = Err(CommitError::Outdated);
        let mut afresh = false;
        for _ in 0..ATTEMPTS {
            let generation = self.session.generation()?;
            let unchanged = marker(generation, sum);
            if self.session.has_chain(Family::Bridge, TABLE, &unchanged)? {
                self.remember(generation, sum, Some(unchanged));
                return Ok(false);
            }
            let mut deltas = [Family::Bridge, Family::Inet].map(|family| Delta::new(family, TABLE));
            let mut found = None;
            for (family, delta) in [Family::Bridge, Family::Inet].into_iter().zip(&mut deltas) {
                let mut shape = self.session.shape_of(family, TABLE)?;
                if shape.take_if(|_| afresh).is_some() {
                    delta.recreate_table();
                } else if shape.is_none() {
                    delta.create_table();
                }
                let mut shape = shape.unwrap_or_default();
                if family == Family::Bridge {
                    found = shape.chains.keys().find(|name| name.starts_with(MARKER)).cloned();
                    shape.chains.retain(|name, chain| Some(name) != found.as_ref() || !chain.rules.is_empty());
                    complete(shape, new, delta);
                } else {
                    delta.replace(&shape, &inet);
                }
            }
            if deltas.iter().all(Delta::is_empty) {
                self.remember(generation, sum, found);
                return Ok(false);
            }
            let name = marker(next(generation), sum);
            deltas[0].rename_marker(found.as_deref(), &name);
            outcome = self.session.commit(&deltas, Some(generation));
            match &outcome {
                Ok(()) => {
                    self.remember(next(generation), sum, Some(name));
                    // Whatever was wrong: something may have begun meanwhile that should not.
                    return Ok(true);
                }
                Err(CommitError::Outdated) => {}
                Err(error) if afresh => {
                    tracing::error!(%error, "the kernel refuses the rules as a whole");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "the table cannot be repaired in part; it is made anew");
                    afresh = true;
                }
            }
        }
        outcome.map(|()| true)
    }

    fn remember(&mut self, generation: u32, sum: u64, marker: Option<String>) {
        self.generation = Some(generation);
        self.sum = sum;
        self.marker = marker;
    }
}

/// Each transaction makes the next generation; there is none with number 0.
fn next(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

/// Calls `see` with each fragment of the bridge table, that of its base at last.
fn fragments(desired: &Desired, mut see: impl FnMut(&Table)) {
    for policy in desired.interfaces.values() {
        see(&interface(Some(policy)));
    }
    for id in desired.groups.keys() {
        see(&group(desired, *id));
    }
    for id in desired.members.keys() {
        see(&members(desired, *id));
    }
    see(&compile::bridge_base());
}

/// The sum of the whole bridge table.
pub(super) fn sum_of(desired: &Desired) -> u64 {
    let mut sum = 0_u64;
    fragments(desired, |fragment| sum = sum.wrapping_add(fragment.shape().sum()));
    sum
}

/// What turns what is there into the whole bridge table, one fragment after another.
pub(super) fn complete(mut there: Shape, desired: &Desired, delta: &mut Delta) {
    fragments(desired, |fragment| delta.replace(&there.take(fragment), fragment));
    delta.replace(&there, &Table::default());
}

/// What turns the rules of `old` into those of `new`; what is the same is not even compiled.
pub(super) fn difference(old: &Desired, new: &Desired) -> Delta {
    let mut delta = Delta::new(Family::Bridge, TABLE);
    for name in changed(&old.interfaces, &new.interfaces, |a, b| Arc::ptr_eq(a, b) || a == b) {
        let (from, to) = (old.interfaces.get(name), new.interfaces.get(name));
        delta.replace(&interface(from).shape(), &interface(to));
    }
    for id in changed(&old.members, &new.members, PartialEq::eq) {
        match (old.members.get(id), new.members.get(id)) {
            (Some(from), Some(to)) => {
                let (from, to) = from.apart(to);
                delta.replace(&lower_members(*id, &from).shape(), &lower_members(*id, &to));
            }
            _ => delta.replace(&members(old, *id).shape(), &members(new, *id)),
        }
    }
    // A group's rules depend on which of the groups they name have ranges.
    let sets = |desired: &Desired, id: SecurityGroupId| {
        let rules = desired.groups.get(&id).into_iter().flat_map(|group| &group.rules);
        let named = rules.filter_map(|rule| if let Remote::Named(g) = rule.remote { Some(g) } else { None });
        named
            .map(|g| [has_nets(desired, g, Ethertype::IPv4), has_nets(desired, g, Ethertype::IPv6)])
            .collect::<Vec<_>>()
    };
    let mut regrouped = changed(&old.groups, &new.groups, PartialEq::eq);
    let both = new.groups.keys().filter(|id| old.groups.get(id) == new.groups.get(id));
    regrouped.extend(both.filter(|id| sets(old, **id) != sets(new, **id)));
    for id in regrouped {
        delta.replace(&group(old, *id).shape(), &group(new, *id));
    }
    delta
}

fn changed<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<&'a K> {
    let differs = |(key, value): &(&K, &V)| !old.get(key).is_some_and(|before| same(before, value));
    let mut keys: Vec<&K> = new.iter().filter(differs).map(|(key, _)| key).collect();
    keys.extend(old.keys().filter(|key| !new.contains_key(key)));
    keys
}

fn interface(policy: Option<&Arc<InterfacePolicy>>) -> Table {
    policy.map(|policy| compile::lower(&compile::interface(policy))).unwrap_or_default()
}

fn group(desired: &Desired, id: SecurityGroupId) -> Table {
    let Some(policy) = desired.groups.get(&id) else { return Table::default() };
    compile::lower(&compile::group(id, policy, |group, ethertype| has_nets(desired, group, ethertype)))
}

fn members(desired: &Desired, id: Named) -> Table {
    desired.members.get(&id).map(|members| lower_members(id, members)).unwrap_or_default()
}

fn lower_members(id: Named, members: &Members) -> Table {
    compile::lower(&compile::members(id, members))
}

fn has_nets(desired: &Desired, named: Named, ethertype: Ethertype) -> bool {
    desired.members.get(&named).is_some_and(|members| members.has_nets(ethertype))
}
