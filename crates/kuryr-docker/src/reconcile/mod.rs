//! Docker, Neutron and the kernel compared: what is out of step, why, and what of ours nobody needs any more.
//!
//! `look` asks all three, [`compare`] is pure and says what it means, [`Reconciler`] sets it
//! right. What this host's
//! Kuryr did not make is never touched, what may be in the middle of something is left for the next time, and a Docker
//! that does not answer is not a Docker without containers.

mod apply;
mod compare;
mod docker;
mod look;
mod own;
mod reconciler;
mod seen;

pub use compare::{Difference, Row, Side, Subject, Truth, compare};
pub use docker::{DockerEndpoint, DockerNetwork, DockerSeen};
pub use look::Young;
pub use reconciler::{Done, Outcome, Pause, Reconciler};
pub use seen::{Own, Seen, SeenPort};
