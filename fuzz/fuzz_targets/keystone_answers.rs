//! Answers of Keystone.

#![no_main]

#[allow(dead_code, reason = "of several entries each target uses one")]
#[path = "../entry/answers.rs"]
mod answers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answers::keystone_answers(data));
