//! The data plane: what the engine's state means for this host's kernel, and keeping it so.
//!
//! ```text
//! engine::State ─ Desired ─┬─ policies ─ compile ─ ruleset ──▶ nftables     rules first: they are keyed by the names
//!                          │                                                of interfaces that need not exist yet
//!                          └─ topology ─ plan ─ kernel ──────▶ links, addresses, routes, namespaces
//!                                          ▲
//!                          observed ───────┘◀── news of links and rules, and a look at everything each 30 s
//! ```
//!
//! Bridges and taps live in a namespace of their own ([`Layout::namespace`]), routers in one each, so neither Docker's
//! nor the host's firewall ever sees a container's packets. What no rule allows there is dropped; a change of rules is one
//! transaction. [`DataPlane`] is the loop, [`purge`] its opposite. A stop leaves everything in place, and the next start
//! changes nothing that is right.
//! [`dhcp`] tells what nobody configures, such as a virtual machine, its address.

mod announcing;
pub mod compile;
mod connections;
pub mod desired;
pub mod dhcp;
mod error;
mod hold;
mod host;
mod kernel;
mod layout;
pub mod plan;
pub mod policy;
mod purge;
pub mod quality;
mod reconcile;
mod rulebook;
mod ruleset;
mod translation;
mod worker;

pub use desired::Desired;
pub use error::Error;
pub use hold::hold;
pub use kernel::ensure_bridge_netfilter;
pub use layout::Layout;
pub use purge::purge;
pub use reconcile::{DataPlane, NotApplied, Progress};
pub use rulebook::{InForce, Rulebook};

#[cfg(test)]
mod tests;
