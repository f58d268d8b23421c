//! The fuzz targets of Docker's requests without a fuzzer: their corpus and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;
#[path = "../../../fuzz/entry/plugin.rs"]
mod plugin;

#[test]
fn plugin_json() {
    bounded::run("plugin_json", 10_000, plugin::plugin_json);
}
