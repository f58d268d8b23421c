//! Messages of an OVSDB server.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/ovsdb.rs"]
mod ovsdb;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovsdb::ovsdb_frames(data));
