//! What the checks brought, and how it is shown: OpenStack's own table and JSON.

use serde::Serialize;
use std::fmt::Write;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    Success,
    /// It will work, and somebody should look.
    Warning,
    /// It will not work.
    Failure,
}

impl Outcome {
    fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Warning => 1,
            Self::Failure => 2,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Warning => "Warning",
            Self::Failure => "Failure",
        }
    }
}

/// One check.
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    outcome: Outcome,
    details: String,
}

impl Check {
    /// A check that was made. Empty details: there is nothing to say.
    pub fn new(name: &'static str, outcome: Outcome, details: impl Into<String>) -> Self {
        Self { name, outcome, details: details.into() }
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What it found.
    pub fn details(&self) -> &str {
        &self.details
    }
}

/// All checks.
#[derive(Debug, Default)]
pub struct Report(Vec<Check>);

const TITLE: &str = "Upgrade Check Results";
/// Details are wrapped at this many characters.
const WIDTH: usize = 60;

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    check: &'a str,
    result: u8,
    details: Option<&'a str>,
}

impl Report {
    /// Adds a check.
    pub fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    /// The worst outcome, as the exit status.
    pub fn exit_status(&self) -> u8 {
        self.0.iter().map(|check| check.outcome.number()).max().unwrap_or_default()
    }

    /// For people, or as JSON.
    pub fn render(&self, json: bool) -> anyhow::Result<String> {
        if json {
            let checks = self.0.iter().map(|check| JsonCheck {
                check: check.name,
                result: check.outcome.number(),
                details: Some(check.details.as_str()).filter(|details| !details.is_empty()),
            });
            return Ok(serde_json::to_string(&Json { name: TITLE, checks: checks.collect() })? + "\n");
        }
        Ok(self.table()?)
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut rows = vec![vec![TITLE.to_owned()]];
        for check in &self.0 {
            let mut lines = vec![format!("Check: {}", check.name), format!("Result: {}", check.outcome.word())];
            let details = if check.details.is_empty() { "None" } else { check.details.as_str() };
            lines.extend(wrapped(&format!("Details: {details}")));
            rows.push(lines);
        }
        let width = rows.iter().flatten().map(|line| line.chars().count()).max().unwrap_or_default();
        let rule = format!("+{}+\n", "-".repeat(width + 2));
        let mut table = rule.clone();
        for row in rows {
            for line in row {
                writeln!(table, "| {line:<width$} |")?;
            }
            table.push_str(&rule);
        }
        Ok(table)
    }
}

/// Lines of whole words. A word that is longer than a line stays whole: it is a path or an address.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        Report(outcomes.iter().map(|outcome| Check::new("Placeholder", *outcome, "")).collect())
    }

    #[test]
    fn the_worst_outcome_is_the_exit_status() {
        use Outcome::{Failure, Success, Warning};
        assert_eq!(report(&[]).exit_status(), 0);
        assert_eq!(report(&[Success]).exit_status(), 0);
        assert_eq!(report(&[Warning, Success]).exit_status(), 1);
        assert_eq!(report(&[Warning, Failure, Success]).exit_status(), 2);
    }

    #[test]
    fn the_table_is_the_one_of_openstack() {
        let table = report(&[Outcome::Success]).render(false).unwrap();
        let expected = "\
+-----------------------+
| Upgrade Check Results |
+-----------------------+
| Check: Placeholder    |
| Result: Success       |
| Details: None         |
+-----------------------+
";
        assert_eq!(table, expected);
    }

    #[test]
    fn the_json_is_the_one_of_openstack() {
        let json = report(&[Outcome::Warning]).render(true).unwrap();
        let expected =
            r#"{"name":"Upgrade Check Results","checks":[{"check":"Placeholder","result":1,"details":null}]}"#;
        assert_eq!(json.trim_end(), expected);
    }

    #[test]
    fn long_details_are_wrapped_at_words() {
        let lines = wrapped(&format!("Details: {} {}", "word ".repeat(30), "x".repeat(90)));
        assert!(lines.len() > 3);
        assert!(lines[..lines.len() - 1].iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert!(lines.last().unwrap().contains(&"x".repeat(90)));
    }
}
