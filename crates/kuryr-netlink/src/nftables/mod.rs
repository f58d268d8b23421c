//! nftables: tables, chains, rules, sets and maps as plain data, applied as one transaction.
//!
//! ```text
//! wanted Table ──┐
//!                ├─ Delta ── commit ── one atomic batch ──▶ kernel
//! Shape of what ─┘                                            │
//!   is there  ◀──────────────── shape_of (dump) ──────────────┘
//! ```
//!
//! A [`Table`] may be a fragment (all that one port needs); differences of fragments add up to one [`Delta`], so a
//! small change is a small transaction however large the table is. Each rule carries the digest of its content in its
//! userdata, so reading back tells whether what was installed is still there, whoever changed it.
//!
//! The messages are written here: the types of netlink-packet-netfilter lack `ct`, `nat`, `counter`, `range` and the
//! userdata of rules, and a second notation beside them would be harder to read than one.

mod attribute;
mod count;
mod delta;
mod dump;
mod expression;
mod filter;
mod model;
mod monitor;
mod session;
mod shape;

pub use count::{Count, RuleSeen};
pub use delta::Delta;
pub use expression::{
    Comparison, Expression, Header, Meta, Register, Verdict, connection_state, connection_status, interface_name,
};
pub use filter::BaseChain;
pub use model::{Base, Chain, ChainKind, Family, Hook, Key, KeyType, Rule, Set, SetKind, Table, range};
pub use monitor::Monitor;
pub use session::{CommitError, ForeignRule, Session};
pub use shape::{ChainShape, SetShape, Shape};

#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(crate) use {dump::read_any, monitor::generation};
