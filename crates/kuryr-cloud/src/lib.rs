//! The embedded cloud: Keystone v3 and Neutron v2.0 over SQLite, with the kernel as data plane.
//!
//! Requests enter by [`api`], which knows HTTP and JSON and decides nothing. [`engine`] decides, [`store`] makes it durable,
//! [`dataplane`] makes the kernel agree. [`Cloud`] holds the four together.

pub mod api;
pub mod backup;
mod cloud;
pub mod dataplane;
pub mod engine;
mod error;
pub mod store;

pub use api::keystone::credentials::Credentials;
pub use cloud::{Cloud, Options};
pub use error::Error;
