//! `docs/openapi.json` is what the code says of itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests may fail loudly

use kuryr_cloud::api::openapi;
use std::{env, fs, path::Path};

#[test]
fn the_checked_in_document_is_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let mut document = serde_json::to_string_pretty(&openapi::document().unwrap()).unwrap();
    document.push('\n');
    if env::var_os("KURYR_WRITE_OPENAPI").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let first = written.lines().zip(document.lines()).position(|(written, made)| written != made);
    let line = first.unwrap_or_else(|| written.lines().count().min(document.lines().count())) + 1;
    assert!(
        written == document,
        "docs/openapi.json differs from the code at line {line}; run `cargo xtask openapi --write` and look at the difference"
    );
}
