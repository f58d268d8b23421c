//! Plug a Neutron port into a network namespace.
//!
//! A plugged port is a pair of veth links: `tap…` in the bridge or switch of the port's network, `t_c…` in the host's
//! namespace, down and without addresses, for whoever takes it into a container. What connects `tap…` is the port's
//! `binding:vif_type`: a Linux bridge, Open vSwitch, nothing, or an administrator's script. Within a virtual machine
//! `t_c…` is a link on top of the machine's own interface instead, and a port of a virtual function has no pair at all.

mod binder;
mod bridge;
mod error;
mod function;
mod host;
mod interface;
mod leftovers;
mod options;
mod pair;
mod plug;
mod python;
mod script;
mod sockets;
mod stacked;
mod stray;
mod switch;
mod unplug;
mod wiring;

pub use binder::{Binder, Plugged};
pub use error::Error;
pub use interface::Interface;
pub use kuryr_ovsdb::Address as OvsdbAddress;
pub use options::{Driver, Options};
pub use stray::Stray;
