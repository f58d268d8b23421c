//! The fuzz targets of OVSDB's messages without a fuzzer: their corpus and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;
#[path = "../../../fuzz/entry/ovsdb.rs"]
mod ovsdb;

#[test]
fn ovsdb_frames() {
    bounded::run("ovsdb_frames", 5000, ovsdb::ovsdb_frames);
}
