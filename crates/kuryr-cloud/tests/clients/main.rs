//! Strangers' clients, from PyPI, against the embedded cloud on a TCP port.
//!
//! Each is installed once into the target folder. Where Python, pip or the network is missing, a test says that it is skipped,
//! and why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests may fail loudly

mod openstackclient;
mod openstacksdk;
mod python;
mod schemathesis;
mod site;
