//! Kuryr as it is given away: a package on a machine that boots, a managed plugin of Docker.

mod booted;
mod making;
mod managed;
mod swarm;

pub use booted::{Booted, PACKAGE, with_booted};
pub use making::{Making, package};
pub use managed::{Login, Managed};
pub use swarm::Swarm;
