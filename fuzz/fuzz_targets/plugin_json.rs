//! Bodies of Docker's requests.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/plugin.rs"]
mod plugin;

libfuzzer_sys::fuzz_target!(|data: &[u8]| plugin::plugin_json(data));
