//! Open vSwitch's configuration database, by JSON-RPC 1.0 (RFC 7047 and ovsdb-server's `monitor_cond`).
//!
//! [`Client`] keeps one connection, opens it anew when it was lost, and gives every call a deadline. [`Vswitch`] adds
//! and removes the ports of bridges in guarded transactions.

mod address;
mod client;
mod connection;
mod datum;
mod error;
mod frame;
mod monitor;
mod operation;
mod vswitch;

pub use address::Address;
pub use client::{Client, Deadlines};
pub use datum::{Atom, Datum};
pub use error::Error;
pub use frame::{Broken, Frames};
pub use monitor::{Change, Monitor, Watch};
pub use operation::{Condition, Mutation, Operation, Outcome, Row};
pub use vswitch::{PortSpec, Vswitch};
