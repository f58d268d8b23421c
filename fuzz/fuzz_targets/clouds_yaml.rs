//! clouds.yaml.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/configuration.rs"]
mod configuration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| configuration::clouds_yaml(data));
