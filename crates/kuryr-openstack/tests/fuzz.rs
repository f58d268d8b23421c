//! The fuzz targets of the cloud's answers without a fuzzer: their corpus and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/answers.rs"]
mod answers;
#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;

#[test]
fn neutron_answers() {
    bounded::run("neutron_answers", 1000, answers::neutron_answers);
}

#[test]
fn keystone_answers() {
    bounded::run("keystone_answers", 1000, answers::keystone_answers);
}
