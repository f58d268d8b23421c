//! Tables, chains, rules and sets as plain data.

use super::{attribute::Attributes, expression::Expression, expression::Verdict};
use std::collections::BTreeMap;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// IPv4.
    Ipv4 = 2,
    /// IPv6.
    Ipv6 = 10,
    /// Frames on bridges.
    Bridge = 7,
}

/// Where in a packet's way a base chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// On arrival.
    Prerouting = 0,
    /// To this host.
    Input = 1,
    /// From one interface to another.
    Forward = 2,
    /// From this host.
    Output = 3,
    /// On leaving.
    Postrouting = 4,
}

/// What a base chain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// Accept and drop.
    Filter,
    /// Translate addresses of new connections.
    Nat,
}

impl ChainKind {
    pub(super) fn kernel_name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

/// What makes a chain a base chain. Packets that no rule decides are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Filter or nat.
    pub kind: ChainKind,
    /// Where.
    pub hook: Hook,
    /// Lower is earlier.
    pub priority: i32,
}

/// A rule, encoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Text for people, shown by `nft list`.
    pub comment: String,
    pub(super) encoded: Vec<u8>,
    pub(super) digest: u64,
}

impl Rule {
    /// A rule of these steps.
    pub fn new(expressions: impl AsRef<[Expression]>, comment: impl Into<String>) -> Self {
        let mut comment = comment.into();
        while comment.len() > 120 {
            comment.pop();
        }
        let mut list = Attributes::default();
        for expression in expressions.as_ref() {
            expression.write(&mut list);
        }
        let digest = fnv(fnv(FNV_START, &list.0), comment.as_bytes());
        Self { comment, encoded: list.0, digest }
    }

    /// Tells this rule's content from any other; kept with the rule in the kernel.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

pub(super) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: the same in each release of this program, which the standard library's hashes do not promise.
pub(super) fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Hangs on a hook; `None`: reached by jumps only.
    pub base: Option<Base>,
    /// In order.
    pub rules: Vec<Rule>,
}

/// What a set's keys are: decides how they are printed and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Interface name, see [`super::interface_name`].
    InterfaceName,
    /// IPv4 address.
    Ipv4,
    /// IPv6 address.
    Ipv6,
}

impl KeyType {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::InterfaceName => 41,
        }
    }

    /// 1: host's, 2: network's.
    pub(super) fn byte_order(self) -> u32 {
        match self {
            Self::InterfaceName => 1,
            Self::Ipv4 | Self::Ipv6 => 2,
        }
    }

    pub(super) fn length(self) -> u32 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 | Self::InterfaceName => 16,
        }
    }
}

/// What a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetKind {
    /// Type of keys.
    pub key: KeyType,
    /// Keys are ranges; see [`super::range`].
    pub interval: bool,
    /// Each key has a verdict.
    pub verdicts: bool,
}

/// A key of a set. In sets of ranges each range is two: its first value, and the first value behind it (`end`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Marks the first value behind a range.
    pub end: bool,
}

impl Key {
    /// A key that is no range's end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), end: false }
    }
}

/// The keys that make the range between two values, both included, for a set of ranges.
pub fn range(first: &[u8], last: &[u8]) -> Vec<Key> {
    let mut keys = vec![Key::new(first)];
    let mut behind = last.to_vec();
    for byte in behind.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            keys.push(Key { bytes: behind, end: true });
            break;
        }
    }
    keys
}

/// A set or a verdict map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// What it is.
    pub kind: SetKind,
    /// Its content; the verdict in maps only.
    pub elements: BTreeMap<Key, Option<Verdict>>,
    /// Part of a set that another fragment defines: never created or deleted with this one.
    pub shared: bool,
}

/// A table, or a fragment of one: what several of them hold together is the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// By name.
    pub chains: BTreeMap<String, Chain>,
    /// By name.
    pub sets: BTreeMap<String, Set>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_before_the_next_value() {
        assert_eq!(range(&[10, 0, 0, 0], &[10, 0, 0, 255])[1], Key { bytes: vec![10, 0, 1, 0], end: true });
        assert_eq!(range(&[0, 0], &[255, 255]).len(), 1, "nothing is behind the last value");
    }

    #[test]
    fn a_digest_tells_rules_apart() {
        let drop = Rule::new(vec![Expression::Verdict(Verdict::Drop)], "");
        let accept = Rule::new(vec![Expression::Verdict(Verdict::Accept)], "");
        assert_ne!(drop.digest(), accept.digest());
        assert_eq!(drop.digest(), Rule::new(vec![Expression::Verdict(Verdict::Drop)], "").digest());
    }
}
