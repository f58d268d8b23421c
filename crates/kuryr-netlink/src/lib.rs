//! Links, addresses, routes, namespaces, nftables and conntrack by netlink; announcements of addresses and datagrams, by
//! packets.
//!
//! Calls block for about 0.1 ms; asynchronous callers wrap them in `spawn_blocking`. Only [`LinkMonitor`] and
//! [`Datagrams`] wait, and they are asynchronous. This is the only room with `unsafe`.

mod announcement;
pub mod conntrack;
mod error;
mod exchange;
mod frames;
pub mod link;
pub mod message;
mod monitor;
mod namespace;
pub mod nftables;
#[cfg(any(test, fuzzing))]
pub mod replies;
pub mod route;
mod socket;
pub mod sysctl;

pub use announcement::{Announcement, Announcer};
pub use error::{Cause, During, Error};
pub use exchange::BatchError;
pub use frames::Datagrams;
pub use link::{
    BridgeSpec, FunctionChange, Link, LinkChange, Links, PeerSpec, Stacked, StackedSpec, Traffic, VethSpec,
};
pub use monitor::{LinkEvent, LinkMonitor};
pub use namespace::Namespace;
pub use route::Route;
pub use socket::Socket;
