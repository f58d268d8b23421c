//! The fuzz targets of configuration without a fuzzer: their corpus and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;
#[path = "../../../fuzz/entry/configuration.rs"]
mod configuration;

#[test]
fn kuryr_conf() {
    bounded::run("kuryr_conf", 2000, configuration::kuryr_conf);
}

#[test]
fn clouds_yaml() {
    bounded::run("clouds_yaml", 2000, configuration::clouds_yaml);
}
