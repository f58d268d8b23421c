//! The fuzz target of DHCP's messages without a fuzzer: its corpus and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;
#[path = "../../../fuzz/entry/dhcp.rs"]
mod dhcp;

#[test]
fn dhcp_requests() {
    bounded::run("dhcp_requests", dhcp::dhcp_requests);
}
