//! Frames of DHCP clients.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/dhcp.rs"]
mod dhcp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| dhcp::dhcp_requests(data));
