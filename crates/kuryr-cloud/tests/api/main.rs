//! The API over its router, without sockets: what clients ask and what they get.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests may fail loudly

mod client;
mod guessing;
mod hostile;
mod keystone;
mod lists;
mod many;
mod neutron;
mod waiting;
