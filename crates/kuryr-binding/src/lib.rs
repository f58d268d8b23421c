//! Plug a Neutron port into a network namespace.
//!
//! A plugged port is a pair of veth links: `tap…` in the bridge of the port's network, `t_c…` in the host's namespace,
//! down and without addresses, for whoever takes it into a container.

mod binder;
mod bridge;
mod error;
mod sockets;
mod wiring;

pub use binder::{Binder, Interface, Plugged};
pub use error::Error;
