//! The rules of the embedded Neutron: what may be created, changed and deleted, and what that means.
//!
//! The whole state is in memory ([`State`]). Operations are plain functions over a [`Txn`]; [`Engine`] runs them
//! one after another on one thread, makes them durable through a [`crate::store::Store`], and only then lets readers see them.
//! Nothing here knows HTTP or SQL.

mod context;
mod faults;
mod options;
mod record;
mod state;
mod txn;
mod writer;

pub mod network;
pub mod port;
pub mod router;
pub mod security_group;
pub mod security_group_rule;
pub mod subnet;
pub mod subnetpool;
pub mod tags;

pub use context::{Context, Visible, visible};
pub use options::Options;
pub use record::{Change, Record};
pub use state::{NetworkRecord, State};
pub use txn::Txn;
pub use writer::{Committed, Engine, Error};
