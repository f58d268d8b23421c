//! Calls written down so that the same case on two clouds reads the same: what differs by nature is named, not shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::client::{Answer, Call};

/// Calls and answers of one case.
#[derive(Default)]
pub struct Transcript {
    text: String,
    names: BTreeMap<String, String>,
}

impl Transcript {
    /// Writes one call and its answer.
    pub fn add(&mut self, call: &Call, answer: &Answer) {
        let body = call.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
        let shown = match &answer.body {
            Value::Null => String::new(),
            body => serde_json::to_string_pretty(body).unwrap_or_default(),
        };
        let path = call.url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let path = path.trim_start_matches("networking/").trim_start_matches("identity/");
        let block = format!("=== {} /{path} {body}\n{}\n{shown}\n", call.method, answer.status);
        let block = self.named(&block);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{block}");
    }

    /// All of it.
    pub fn text(self) -> String {
        self.text
    }

    /// Replaces ids, times, addresses of Ethernet and URLs by names in the order of their first appearance.
    fn named(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || "-:.+".contains(c) {
                word.push(c);
                continue;
            }
            out.push_str(&self.name_of(&word));
            word.clear();
            out.push(c);
        }
        out
    }

    fn name_of(&mut self, word: &str) -> String {
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
        let parts: Vec<&str> = word.split('-').collect();
        let is_uuid = word.len() == 36 && parts.len() == 5 && parts.iter().all(|part| hex(part));
        let kind = if is_uuid || word.len() == 32 && hex(word) {
            "id"
        } else if word.len() == 17 && word.split(':').count() == 6 && word.split(':').all(hex) {
            "mac"
        } else if word.len() >= 19 && word.as_bytes().get(10) == Some(&b'T') && word.starts_with("20") {
            return "<time>".to_owned();
        } else {
            return word.to_owned();
        };
        let next = format!("<{kind}{}>", self.names.len() + 1);
        self.names.entry(word.to_owned()).or_insert(next).clone()
    }
}
