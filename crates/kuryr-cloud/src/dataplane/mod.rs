//! The data plane: what the engine's state means for this host's kernel, and keeping it so.

pub mod compile;
mod connections;
pub mod desired;
mod error;
mod host;
mod kernel;
mod layout;
pub mod plan;
pub mod policy;
mod purge;
mod reconcile;
mod ruleset;
mod translation;
mod worker;

pub use desired::Desired;
pub use error::Error;
pub use layout::Layout;
pub use purge::purge;
pub use reconcile::{DataPlane, NotApplied, Progress};

#[cfg(test)]
mod tests;
