//! The embedded cloud: Keystone v3 and Neutron v2.0 over SQLite, with the kernel as data plane.

pub mod engine;
pub mod store;
