//! The difference between what is there and what is wanted, and its messages.

use super::{
    attribute::Attributes,
    expression::Verdict,
    model::{Chain, Family, Key, Rule, Set, SetKind, Table},
    shape::{ChainShape, SetShape, Shape},
};
use std::collections::{BTreeMap, BTreeSet};

/// Elements of one message: the list stays far below an attribute's limit of 64 KiB.
const ELEMENTS_PER_MESSAGE: usize = 400;
/// Types of our entries in a rule's userdata: a comment as `nft` shows it, and the digest.
pub(super) const UDATA_COMMENT: u8 = 0;
/// Entry of a set's userdata: order of bytes in keys.
const UDATA_KEY_ORDER: u8 = 0;
pub(super) const UDATA_DIGEST: u8 = 0x4b;

pub(super) mod message {
    //! `NFT_MSG_*`.
    pub(in super::super) const NEWTABLE: u8 = 0;
    pub(in super::super) const DELTABLE: u8 = 2;
    pub(in super::super) const NEWCHAIN: u8 = 3;
    pub(in super::super) const GETCHAIN: u8 = 4;
    pub(in super::super) const DELCHAIN: u8 = 5;
    pub(in super::super) const NEWRULE: u8 = 6;
    pub(in super::super) const GETRULE: u8 = 7;
    pub(in super::super) const DELRULE: u8 = 8;
    pub(in super::super) const NEWSET: u8 = 9;
    pub(in super::super) const GETSET: u8 = 10;
    pub(in super::super) const DELSET: u8 = 11;
    pub(in super::super) const NEWSETELEM: u8 = 12;
    pub(in super::super) const GETSETELEM: u8 = 13;
    pub(in super::super) const DELSETELEM: u8 = 14;
    pub(in super::super) const NEWGEN: u8 = 15;
    pub(in super::super) const GETGEN: u8 = 16;
}

const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const SET_MAP: u32 = 8;
const SET_INTERVAL: u32 = 4;
const ELEMENT_INTERVAL_END: u32 = 1;
const VERDICT_DATA: u32 = 0xffff_ff00;

/// One message of a batch, and what it is about, for errors.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kind: u8,
    pub(super) flags: u16,
    pub(super) attributes: Vec<u8>,
    pub(super) subject: String,
}

/// Changes of one table, gathered from any number of fragments, in the order in which the kernel can take them.
#[derive(Debug, Clone)]
pub struct Delta {
    pub(super) family: Family,
    pub(super) table: String,
    create_table: bool,
    delete_table: bool,
    sets: Vec<Step>,
    chains: Vec<Step>,
    emptied: Vec<Step>,
    rules: Vec<Step>,
    gone_elements: BTreeMap<String, Vec<(Key, Option<Verdict>)>>,
    new_elements: BTreeMap<String, Vec<(Key, Option<Verdict>)>>,
    flushed_sets: BTreeSet<String>,
    gone_chains: Vec<Step>,
    gone_sets: Vec<Step>,
    restricts: bool,
    set_ids: u32,
    sum: u64,
}

impl Delta {
    /// No change of this table.
    pub fn new(family: Family, table: &str) -> Self {
        Self {
            family,
            table: table.to_owned(),
            create_table: false,
            delete_table: false,
            sets: Vec::new(),
            chains: Vec::new(),
            emptied: Vec::new(),
            rules: Vec::new(),
            gone_elements: BTreeMap::new(),
            new_elements: BTreeMap::new(),
            flushed_sets: BTreeSet::new(),
            gone_chains: Vec::new(),
            gone_sets: Vec::new(),
            restricts: false,
            set_ids: 0,
            sum: 0,
        }
    }

    /// Also creates the table; harmless if it is there.
    pub fn create_table(&mut self) {
        self.create_table = true;
    }

    /// Also deletes the table that is there, with all that is in it, before anything else.
    pub fn recreate_table(&mut self) {
        self.delete_table = true;
        self.create_table = true;
        self.restricts = true;
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.create_table
            && self.sets.is_empty()
            && self.chains.is_empty()
            && self.emptied.is_empty()
            && self.rules.is_empty()
            && self.gone_elements.is_empty()
            && self.new_elements.is_empty()
            && self.flushed_sets.is_empty()
            && self.gone_chains.is_empty()
            && self.gone_sets.is_empty()
    }

    /// True if something that was there is taken away: what was allowed may no longer be. Rules that are only joined
    /// by others take nothing away.
    pub fn takes_away(&self) -> bool {
        self.restricts
    }

    /// The sum of all that was wanted, less that of all that was there, see [`Shape::sum`].
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Puts an empty chain in the place of another: a name to find again. It takes nothing away.
    pub fn rename_marker(&mut self, old: Option<&str>, new: &str) {
        let step = self.new_chain(new, &Chain::default());
        self.chains.push(step);
        if let Some(old) = old {
            self.gone_chains.push(self.chain_step(message::DELCHAIN, 0, old));
        }
    }

    /// Adds what turns `old` into `new`.
    pub fn replace(&mut self, old: &Shape, new: &Table) {
        self.sum = self.sum.wrapping_add(new.shape().sum()).wrapping_sub(old.sum());
        for (name, set) in &new.sets {
            self.replace_set(name, old.sets.get(name), set);
        }
        for (name, chain) in &new.chains {
            self.replace_chain(name, old.chains.get(name), chain);
        }
        for (name, chain) in &old.chains {
            if !new.chains.contains_key(name) {
                self.restricts = true;
                if !chain.rules.is_empty() {
                    self.emptied.push(self.chain_step(message::DELRULE, 0, name));
                }
                self.gone_chains.push(self.chain_step(message::DELCHAIN, 0, name));
            }
        }
        for (name, set) in &old.sets {
            if new.sets.contains_key(name) {
                continue;
            }
            self.restricts = true;
            if set.shared {
                let gone = set.elements.iter().map(|(k, v)| (k.clone(), v.clone()));
                self.gone_elements.entry(name.clone()).or_default().extend(gone);
            } else {
                // Its elements may hold chains that go as well, and these go first.
                if !set.elements.is_empty() {
                    self.flushed_sets.insert(name.clone());
                }
                self.gone_sets.push(self.set_step(message::DELSET, 0, name));
            }
        }
    }

    fn replace_chain(&mut self, name: &str, old: Option<&ChainShape>, new: &Chain) {
        match old {
            Some(old) if old.base != new.base => {
                // Only base chains can differ so, and nothing jumps to these: the new one takes its place at once.
                self.restricts = true;
                self.emptied.push(self.chain_step(message::DELRULE, 0, name));
                self.emptied.push(self.chain_step(message::DELCHAIN, 0, name));
                self.emptied.push(self.new_chain(name, new));
            }
            Some(old) if old.rules.len() == new.rules.len() && old.stays_in(new) => return,
            Some(old) => {
                self.restricts |= !old.stays_in(new);
                if !old.rules.is_empty() {
                    self.emptied.push(self.chain_step(message::DELRULE, 0, name));
                }
            }
            None => self.chains.push(self.new_chain(name, new)),
        }
        for rule in &new.rules {
            self.rules.push(self.new_rule(name, rule));
        }
    }

    fn replace_set(&mut self, name: &str, old: Option<&SetShape>, new: &Set) {
        let add = |delta: &mut Self, elements: Vec<(Key, Option<Verdict>)>| {
            if !elements.is_empty() {
                delta.new_elements.entry(name.to_owned()).or_default().extend(elements);
            }
        };
        let all = || new.elements.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>();
        let Some(old) = old else {
            if !new.shared {
                let step = self.new_set(name, new.kind);
                self.sets.push(step);
            }
            return add(self, all());
        };
        if old.elements == new.elements {
            return;
        }
        let gone: Vec<_> = old
            .elements
            .iter()
            .filter(|(key, verdict)| new.elements.get(key) != Some(verdict))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        self.restricts |= !gone.is_empty();
        if new.kind.interval {
            // Ranges that are cut or grown would overlap with themselves; all of them anew is always right.
            self.flushed_sets.insert(name.to_owned());
            return add(self, all());
        }
        let fresh = new.elements.iter().filter(|(key, verdict)| old.elements.get(key) != Some(verdict));
        let fresh = fresh.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !gone.is_empty() {
            self.gone_elements.entry(name.to_owned()).or_default().extend(gone);
        }
        add(self, fresh);
    }

    /// All messages in order: nothing is named before it exists, nothing goes while it is named.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let table = |kind, flags| {
            let mut attributes = Attributes::default();
            attributes.text(1, &self.table);
            self.step(kind, flags, attributes, format!("table {}", self.table))
        };
        if self.delete_table {
            steps.push(table(message::DELTABLE, 0));
        }
        if self.create_table {
            steps.push(table(message::NEWTABLE, NLM_F_CREATE));
        }
        steps.extend(self.sets.iter().cloned());
        steps.extend(self.chains.iter().cloned());
        steps.extend(self.emptied.iter().cloned());
        steps.extend(self.rules.iter().cloned());
        for name in &self.flushed_sets {
            let mut attributes = Attributes::default();
            attributes.text(1, &self.table);
            attributes.text(2, name);
            steps.push(self.step(message::DELSETELEM, 0, attributes, format!("elements of set {name}")));
        }
        for (name, elements) in &self.gone_elements {
            self.element_steps(&mut steps, message::DELSETELEM, 0, name, elements);
        }
        for (name, elements) in &self.new_elements {
            self.element_steps(&mut steps, message::NEWSETELEM, NLM_F_CREATE, name, elements);
        }
        steps.extend(self.gone_chains.iter().cloned());
        steps.extend(self.gone_sets.iter().cloned());
        steps
    }

    fn step(&self, kind: u8, flags: u16, attributes: Attributes, subject: String) -> Step {
        Step { kind, flags, attributes: attributes.0, subject }
    }

    fn chain_step(&self, kind: u8, flags: u16, name: &str) -> Step {
        let mut a = Attributes::default();
        a.text(1, &self.table);
        // Rules name their chain in NFTA_RULE_CHAIN, chains in NFTA_CHAIN_NAME.
        a.text(if kind == message::DELRULE { 2 } else { 3 }, name);
        self.step(kind, flags, a, format!("chain {name}"))
    }

    fn set_step(&self, kind: u8, flags: u16, name: &str) -> Step {
        let mut a = Attributes::default();
        a.text(1, &self.table);
        a.text(2, name);
        self.step(kind, flags, a, format!("set {name}"))
    }

    fn new_chain(&self, name: &str, chain: &Chain) -> Step {
        let mut a = Attributes::default();
        a.text(1, &self.table);
        a.text(3, name);
        if let Some(base) = chain.base {
            a.nest(4, |hook| {
                hook.u32(1, base.hook as u32);
                hook.u32(2, base.priority.cast_unsigned());
            });
            a.u32(5, 1);
            a.text(7, base.kind.kernel_name());
        }
        self.step(message::NEWCHAIN, NLM_F_CREATE, a, format!("chain {name}"))
    }

    fn new_rule(&self, chain: &str, rule: &Rule) -> Step {
        let attributes = rule_attributes(&self.table, chain, rule);
        let subject = format!("rule '{}' of chain {chain}", rule.comment);
        self.step(message::NEWRULE, NLM_F_CREATE | NLM_F_APPEND, attributes, subject)
    }

    fn new_set(&mut self, name: &str, kind: SetKind) -> Step {
        self.set_ids += 1;
        let mut a = Attributes::default();
        a.text(1, &self.table);
        a.text(2, name);
        let flags = if kind.verdicts { SET_MAP } else { 0 } | if kind.interval { SET_INTERVAL } else { 0 };
        a.u32(3, flags);
        a.u32(4, kind.key.number());
        a.u32(5, kind.key.length());
        if kind.verdicts {
            a.u32(6, VERDICT_DATA);
            a.u32(7, 16);
        }
        a.u32(10, self.set_ids);
        // Without it `nft list` prints names of interfaces backwards.
        a.bytes(13, &[&[UDATA_KEY_ORDER, 4][..], &kind.key.byte_order().to_ne_bytes()[..]].concat());
        self.step(message::NEWSET, NLM_F_CREATE, a, format!("set {name}"))
    }

    fn element_steps(
        &self,
        steps: &mut Vec<Step>,
        kind: u8,
        flags: u16,
        set: &str,
        elements: &[(Key, Option<Verdict>)],
    ) {
        for chunk in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let mut a = Attributes::default();
            a.text(1, &self.table);
            a.text(2, set);
            a.nest(3, |list| {
                for (key, verdict) in chunk {
                    list.nest(1, |element| {
                        element.nest(1, |k| k.bytes(1, &key.bytes));
                        if let Some(verdict) = verdict {
                            element.nest(2, |data| verdict.write(data));
                        }
                        if key.end {
                            element.u32(3, ELEMENT_INTERVAL_END);
                        }
                    });
                }
            });
            steps.push(self.step(kind, flags, a, format!("elements of set {set}")));
        }
    }
}

/// A rule's attributes, with its comment and digest as userdata.
pub(super) fn rule_attributes(table: &str, chain: &str, rule: &Rule) -> Attributes {
    let mut a = Attributes::default();
    a.text(1, table);
    a.text(2, chain);
    a.nested_bytes(4, &rule.encoded);
    let mut userdata = Vec::with_capacity(rule.comment.len() + 16);
    if !rule.comment.is_empty() {
        // Rule::new keeps comments short enough for the length byte.
        userdata.extend([UDATA_COMMENT, u8::try_from(rule.comment.len() + 1).unwrap_or(u8::MAX)]);
        userdata.extend(rule.comment.as_bytes());
        userdata.push(0);
    }
    userdata.extend([UDATA_DIGEST, 8]);
    userdata.extend(rule.digest.to_be_bytes());
    a.bytes(7, &userdata);
    a
}
