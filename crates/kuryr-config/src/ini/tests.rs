//! What oslo.config reads, and what it refuses.

use super::*;
use proptest::prelude::*;

/// Sections, keys and values of a text that has no mistakes.
fn entries(text: &str) -> Vec<(String, String, String)> {
    let mut problems = Vec::new();
    let document = parse(Path::new("kuryr.conf"), text, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    document.entries.into_iter().map(|e| (e.section.to_string(), e.key, e.value)).collect()
}

fn values(text: &str) -> Vec<String> {
    entries(&format!("[DEFAULT]\n{text}")).into_iter().map(|(_, _, value)| value).collect()
}

/// Places and messages of a text that has mistakes.
fn mistakes(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    parse(Path::new("f"), text, &mut problems);
    problems
        .iter()
        .map(|problem| {
            let place = problem.place().unwrap();
            format!("{}:{}: {}", place.line(), place.column(), problem.message())
        })
        .collect()
}

#[test]
fn assignments_by_either_sign() {
    assert_eq!(
        entries("[a]\nx = 1\ny: 2 = 3\n[b]\nz=http://h:1\n"),
        [("a", "x", "1"), ("a", "y", "2 = 3"), ("b", "z", "http://h:1")].map(|(s, k, v)| (
            s.to_owned(),
            k.to_owned(),
            v.to_owned()
        ))
    );
}

#[test]
fn one_pair_of_quotes_is_taken_off() {
    assert_eq!(
        values("a = \" x \"\nb = 'y'\nc = \"\"z\"\"\nd = \"\ne = 'a\"\nf ="),
        [" x ", "y", "\"z\"", "", "'a\"", ""]
    );
}

#[test]
fn a_line_that_starts_with_a_blank_continues() {
    assert_eq!(values("a = 1\n  2 \n\t3\nb = 4"), ["1\n2\n3", "4"]);
    assert_eq!(values("a =\n  x,\n  y"), ["\nx,\ny"]);
}

#[test]
fn every_line_end_and_a_byte_order_mark() {
    assert_eq!(entries("\u{feff}[DEFAULT]\r\na = 1\rb = 2\n").len(), 2);
}

#[test]
fn comments_start_in_the_first_column() {
    assert_eq!(values("# a = 1\n; b = 2\nc = 3 # not a comment"), ["3 # not a comment"]);
    assert_eq!(
        mistakes("[DEFAULT]\na = 1\n  # b"),
        ["3:3: this comment becomes part of the value of 'a'"],
        "as in oslo.config, but with a warning"
    );
}

#[test]
fn every_mistake_has_its_place_and_reading_goes_on() {
    assert_eq!(
        mistakes("a = 1\n  more\n[x\n[]\n[DEFAULT]\nnothing here\n= 2\n\n  lost\nä 1"),
        [
            "1:1: 'a' stands before any section",
            "3:1: a section's name ends with ']'",
            "4:1: a section needs a name",
            "6:1: this line is neither a section nor an option",
            "7:1: an option needs a name",
            "9:3: this line continues nothing",
            "10:1: this line is neither a section nor an option",
        ]
    );
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let text = "password = s3cret\n[DEFAULT]\npassword s3cret\n= s3cret\n\n  s3cret";
    let mut problems = Vec::new();
    parse(Path::new("f"), text, &mut problems);
    let shown = crate::Diagnostics(problems).render(false);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(shown.matches("error:").count(), 4, "{shown}");
}

proptest! {
    #[test]
    fn no_text_panics_and_every_place_can_be_shown(text in "(\\PC|[\\[\\]=:#; \t\r\n\"'\u{0}\u{1c}\u{85}é])*") {
        let mut problems = Vec::new();
        parse(Path::new("f"), &text, &mut problems);
        crate::Diagnostics(problems).render(true);
    }

    #[test]
    fn what_is_written_reads_back(
        first in "[^\r\n\\\\]*",
        more in prop::collection::vec("[!$-:<-\\[\\]-~]([ !-\\[\\]-~]{0,8}[!-\\[\\]-~])?", 0..3),
    ) {
        let value = [first].into_iter().chain(more).collect::<Vec<_>>().join("\n");
        let read = values(&assignment("name", &value));
        prop_assert_eq!(read.len(), 1);
        let made: String = crate::substitution::pieces(&read[0]).iter().map(|piece| match piece {
            crate::substitution::Piece::Text(text) => *text,
            crate::substitution::Piece::Dollar => "$",
            crate::substitution::Piece::Reference { .. } => "a reference",
        }).collect();
        prop_assert_eq!(made, value);
    }
}
