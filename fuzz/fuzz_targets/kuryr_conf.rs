//! kuryr.conf.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/configuration.rs"]
mod configuration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| configuration::kuryr_conf(data));
