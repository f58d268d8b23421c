//! Bodies of the embedded cloud's API.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/api.rs"]
mod api;

libfuzzer_sys::fuzz_target!(|data: &[u8]| api::api_json(data));
