//! What is in the kernel, as far as it tells whether it is what we installed.

use super::{
    expression::Verdict,
    model::{Base, Chain, Key, Set, SetKind, Table},
};
use std::collections::BTreeMap;

/// A chain as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainShape {
    /// Its hook.
    pub base: Option<Base>,
    /// Digests of its rules in order; `None`: a rule that we did not write.
    pub rules: Vec<Option<u64>>,
}

/// A set as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetShape {
    /// What it is; `None`: nothing of ours.
    pub kind: Option<SetKind>,
    /// Its content.
    pub elements: BTreeMap<Key, Option<Verdict>>,
    /// Part of a set that another fragment defines.
    pub shared: bool,
}

/// A table, or a fragment of one, as it is in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// By name.
    pub chains: BTreeMap<String, ChainShape>,
    /// By name.
    pub sets: BTreeMap<String, SetShape>,
}

impl Shape {
    /// Takes out what is there in a fragment's place. Of shared sets only the fragment's own elements are: take the
    /// fragment that defines them last, then what is left here belongs to nobody.
    pub fn take(&mut self, fragment: &Table) -> Self {
        let chains = fragment.chains.keys().filter_map(|name| self.chains.remove_entry(name)).collect();
        let mut sets = BTreeMap::new();
        for (name, wanted) in &fragment.sets {
            if !wanted.shared {
                sets.extend(self.sets.remove_entry(name));
            } else if let Some(there) = self.sets.get_mut(name) {
                let keys = wanted.elements.keys();
                let elements = keys.filter_map(|key| there.elements.remove_entry(key)).collect();
                sets.insert(name.clone(), SetShape { kind: there.kind, elements, shared: true });
            }
        }
        Self { chains, sets }
    }
}

impl Table {
    /// What the kernel has once this is installed.
    pub fn shape(&self) -> Shape {
        let chain = |c: &Chain| ChainShape { base: c.base, rules: c.rules.iter().map(|r| Some(r.digest)).collect() };
        let set = |s: &Set| SetShape { kind: Some(s.kind), elements: s.elements.clone(), shared: s.shared };
        Shape {
            chains: self.chains.iter().map(|(n, c)| (n.clone(), chain(c))).collect(),
            sets: self.sets.iter().map(|(n, s)| (n.clone(), set(s))).collect(),
        }
    }
}

impl ChainShape {
    /// True if all rules that are there are in the new chain too, in their order.
    pub(super) fn stays_in(&self, new: &Chain) -> bool {
        let mut wanted = new.rules.iter();
        self.rules.iter().all(|have| wanted.any(|want| Some(want.digest) == *have))
    }
}
