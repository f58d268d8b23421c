//! The kernel's answers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kuryr_netlink::replies::netlink_replies(data));
