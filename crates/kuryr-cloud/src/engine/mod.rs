//! The rules of the embedded Neutron: what may be created, changed and deleted, and what that means.
//!
//! The whole state is in memory ([`State`]). Operations are plain functions over a [`Txn`]; [`Engine`] runs them
//! one after another on one thread, makes them durable through a [`crate::store::Store`], and only then lets readers see them.
//! Nothing here knows HTTP or SQL.

mod addresses;
mod binding;
mod context;
mod faults;
mod index;
mod options;
mod pool_prefix;
mod port_security;
mod record;
mod router_gateway;
mod router_interface;
mod row;
mod runs;
mod state;
mod subnet_rules;
mod subport;
#[cfg(test)]
pub(crate) mod tests;
mod txn;
mod writer;
#[cfg(test)]
mod writer_tests;

pub mod address_group;
pub mod default_rule;
pub mod floating_ip;
pub mod network;
pub mod port;
pub mod port_forwarding;
pub mod qos;
pub mod qos_rule;
pub mod quota;
pub mod rbac;
pub mod router;
pub mod security_group;
pub mod security_group_rule;
pub mod subnet;
pub mod subnetpool;
pub mod tags;
pub mod trunk;

pub use context::{Context, Visible, visible};
pub use options::Options;
pub use record::{Change, Record};
pub use state::{AddressGiven, FLOATING_IP, ForwardingRecord, NetworkRecord, ROUTER_GATEWAY, ROUTER_INTERFACE, State};
pub use subport::details as trunk_details;
pub use txn::{Savepoint, Txn};
pub use writer::{Committed, Engine, Error, WeakEngine};
