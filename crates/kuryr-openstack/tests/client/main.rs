//! The client against stand-ins of a cloud: over TCP, TLS, a Unix socket and in process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

mod answers;
mod authentication;
mod keystone_v2;
mod lists;
mod repetition;
mod requests;
mod stand_in;
mod tls;
mod transports;
mod turns;
