//! What is in the kernel, as far as it tells whether it is what we installed.

use super::{
    expression::Verdict,
    model::{Base, Chain, FNV_START, Key, Set, SetKind, Table, fnv},
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

impl Shape {
    /// A number that tells this content from any other, as far as 64 bits can. Those of fragments that have nothing in
    /// common add up (wrapping) to the whole's.
    pub fn sum(&self) -> u64 {
        let chains = self.chains.iter().map(|(name, chain)| {
            let start = fnv(fnv(FNV_START, name.as_bytes()), format!("{:?}", chain.base).as_bytes());
            chain.rules.iter().fold(start, |sum, rule| fnv(sum, &rule.unwrap_or_default().to_be_bytes()))
        });
        let sets = self.sets.iter().flat_map(|(name, set)| {
            let name = fnv(FNV_START, name.as_bytes());
            let kind = (!set.shared).then(|| fnv(name, format!("{:?}", set.kind).as_bytes()));
            let element = move |(key, verdict): (&Key, &Option<Verdict>)| {
                let target = verdict.as_ref().map(|verdict| format!("{verdict:?}")).unwrap_or_default();
                fnv(fnv(fnv(name, &key.bytes), &[u8::from(key.end)]), target.as_bytes())
            };
            kind.into_iter().chain(set.elements.iter().map(element))
        });
        chains.chain(sets).fold(0, u64::wrapping_add)
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
