//! What differs between the transcripts of two clouds: statuses, fields and values, each told once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::member;

/// Values shown of one field.
const EXAMPLES: usize = 3;

/// Differences of two clouds' answers: where, and how. The first cloud's side stands first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    found: BTreeMap<String, Difference>,
    /// Answers that were compared.
    pub answers: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    examples: BTreeSet<String>,
    answers: usize,
    case: String,
}

/// A call and its answer, as a transcript has them.
struct Exchange {
    call: String,
    status: String,
    body: Value,
}

/// Compares two folders of transcripts.
pub fn compare(first: &Path, second: &Path) -> Result<Differences> {
    let mut differences = Differences::default();
    let names = |folder: &Path| -> Result<BTreeSet<_>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
        Ok(entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?)
    };
    let (ours, theirs) = (names(first)?, names(second)?);
    for name in ours.union(&theirs) {
        let case = name.to_string_lossy().trim_end_matches(".txt").to_owned();
        let read = |folder: &Path| fs::read_to_string(folder.join(name));
        match (read(first), read(second)) {
            (Ok(one), Ok(other)) => differences.case(&case, &one, &other),
            _ => differences.note("cases".to_owned(), "asked of one cloud only".to_owned(), &case),
        }
    }
    Ok(differences)
}

impl Differences {
    /// Compare one case's transcripts.
    pub fn case(&mut self, case: &str, first: &str, second: &str) {
        let (first, second) = (exchanges(first), exchanges(second));
        for (one, other) in first.iter().zip(&second) {
            if one.call != other.call {
                break;
            }
            self.answers += 1;
            if one.status == other.status {
                self.values("", &one.body, &other.body, case);
            } else {
                self.note(one.call.clone(), format!("{} | {}", one.status, other.status), case);
            }
        }
        let calls = |exchanges: &[Exchange]| exchanges.iter().map(|exchange| exchange.call.clone()).collect::<Vec<_>>();
        if calls(&first) != calls(&second) {
            self.note("calls".to_owned(), "another course of the case, not compared further".to_owned(), case);
        }
    }

    /// Lines for people: what one of them has alone, then what both have and differs.
    pub fn lines(&self) -> Vec<String> {
        self.found
            .iter()
            .map(|(place, difference)| {
                let mut examples: Vec<&str> = difference.examples.iter().map(String::as_str).take(EXAMPLES).collect();
                if difference.examples.len() > EXAMPLES {
                    examples.push("…");
                }
                let times = difference.answers;
                format!("{place}: {} ({times} answers, first in {})", examples.join("; "), difference.case)
            })
            .collect()
    }

    fn values(&mut self, place: &str, one: &Value, other: &Value, case: &str) {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                    // A list's members differ as a single one does.
                    let place = if place.is_empty() { member(key) } else { format!("{place}.{key}") };
                    match (one.get(key), other.get(key)) {
                        (Some(one), Some(other)) => self.values(&place, one, other, case),
                        (Some(_), None) => self.note(place, "only the first has it".to_owned(), case),
                        (None, _) => self.note(place, "only the second has it".to_owned(), case),
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (one, other) in sorted(one).into_iter().zip(sorted(other)) {
                    self.values(place, one, other, case);
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                self.note(format!("{place}[]"), format!("{} | {} of them", one.len(), other.len()), case);
            }
            (one, other) if one == other => {}
            _ => self.note(place.to_owned(), format!("{one} | {other}"), case),
        }
    }

    fn note(&mut self, place: String, what: String, case: &str) {
        let difference = self.found.entry(place).or_default();
        difference.answers += 1;
        difference.examples.insert(what);
        if difference.case.is_empty() {
            case.clone_into(&mut difference.case);
        }
    }
}

/// Clouds give lists in any order, but for a few that are asked in one.
fn sorted(list: &[Value]) -> Vec<&Value> {
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_cached_key(|value| match value {
        Value::Object(object) => {
            let key = |key: &str| object.get(key).map(Value::to_string).unwrap_or_default();
            ["name", "alias", "direction", "ethertype", "ip_address"].map(key).join(" ")
        }
        value => value.to_string(),
    });
    list
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let text = masked(text);
    let blocks = text.split("=== ").skip(1);
    blocks
        .map(|block| {
            let mut lines = block.lines();
            let call: Vec<&str> = lines.next().unwrap_or_default().splitn(3, ' ').take(2).collect();
            let status = lines.next().unwrap_or_default().to_owned();
            let body = lines.collect::<Vec<_>>().join("\n");
            Exchange { call: call.join(" "), status, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
        })
        .collect()
}

/// Numbers of names are not the same in both: the clouds mention more or fewer ids on the way.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, kind)) =
        ["<id", "<mac", "conformance-"].iter().filter_map(|kind| rest.find(kind).map(|at| (at, *kind))).min()
    {
        let end = at + kind.len();
        out.push_str(&rest[..end]);
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_told_once() {
        let one = r#"=== POST /v2.0/networks {"network":{}}
201
{"network": {"id": "<id1>", "mtu": 1442, "dns": "", "name": "conformance-1-2-0"}}

=== GET /v2.0/networks/<id2>
200
{"networks": [{"id": "<id1>", "mtu": 1442, "name": "b"}, {"id": "<id2>", "mtu": 1442, "name": "a"}]}

=== DELETE /v2.0/networks/<id1>
409

=== GET /v2.0/ports
200
"#;
        let other = r#"=== POST /v2.0/networks {"network":{}}
201
{"network": {"id": "<id7>", "mtu": 1500, "name": "conformance-33-2-0"}}

=== GET /v2.0/networks/<id1>
200
{"networks": [{"id": "<id1>", "mtu": 1442, "name": "a"}, {"id": "<id2>", "mtu": 1442, "name": "b"}]}

=== DELETE /v2.0/networks/<id3>
204
"#;
        let mut differences = Differences::default();
        differences.case("c", one, other);
        assert_eq!(differences.answers, 3);
        let wanted = [
            "DELETE /v2.0/networks/<id>: 409 | 204 (1 answers, first in c)",
            "calls: another course of the case, not compared further (1 answers, first in c)",
            "network.dns: only the first has it (1 answers, first in c)",
            "network.mtu: 1442 | 1500 (1 answers, first in c)",
        ];
        assert_eq!(differences.lines(), wanted);
    }
}
