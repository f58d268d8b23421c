//! Links, addresses, routes, namespaces, nftables and conntrack by netlink; and announcements of addresses, by packets.
//!
//! Calls block for about 0.1 ms; asynchronous callers wrap them in `spawn_blocking`. Only [`LinkMonitor`] waits, and
//! it is asynchronous. This is the only room with `unsafe`.

mod announcement;
pub mod conntrack;
mod error;
mod exchange;
pub mod link;
pub mod message;
mod monitor;
mod namespace;
pub mod nftables;
pub mod route;
mod socket;
pub mod sysctl;

pub use announcement::{Announcement, Announcer};
pub use error::{Cause, During, Error};
pub use exchange::BatchError;
pub use link::{
    BridgeSpec, FunctionChange, Link, LinkChange, Links, PeerSpec, Stacked, StackedSpec, Traffic, VethSpec,
};
pub use monitor::{LinkEvent, LinkMonitor};
pub use namespace::Namespace;
pub use route::Route;
pub use socket::Socket;
