//! Published ports: what arrives at an address and port of this host is carried into a container.
//!
//! The host listens in its own network namespace; towards the container a socket is made inside the container's
//! namespace. So it works on every cloud, also where the host has no route to the container's network, and no packet
//! of it crosses the container's port in Neutron.
//!
//! What is published is noted in a folder, so that a process that starts anew publishes it again, with the same ports.
//! Nothing here knows Docker or Neutron.

mod datagram;
mod error;
mod mapping;
mod note;
mod publisher;
mod sandbox;
mod socket;
mod stream;

pub use error::Error;
pub use mapping::{HostPorts, Mapping, Published, Transport};
pub use publisher::Publisher;
pub use sandbox::Sandbox;
