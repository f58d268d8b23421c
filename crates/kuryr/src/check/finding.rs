//! What a check found, and how it is shown.

use crate::{failure::Failure, table::clean};
use anyhow::Context;
use serde::Serialize;
use std::io::IsTerminal;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is well.
    Fine,
    /// It works, or could not be seen, and somebody should look.
    Warning,
    /// It does not work.
    Failure,
}

/// One check. Names of keys in JSON are a promise.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub result: Outcome,
    pub text: String,
    pub remedy: Option<String>,
}

impl Finding {
    pub fn fine(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, result: Outcome::Fine, text: text.into(), remedy: None }
    }

    pub fn warning(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, result: Outcome::Warning, text: text.into(), remedy: Some(remedy.into()) }
    }

    pub fn failure(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, result: Outcome::Failure, text: text.into(), remedy: Some(remedy.into()) }
    }

    /// Something that only root may see.
    pub fn unseen(check: &'static str, why: impl std::fmt::Display) -> Self {
        Self::warning(check, format!("not seen: {why}"), "sudo kuryr check")
    }
}

/// One line each.
pub fn as_text(findings: &[Finding]) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let line = |finding: &Finding| {
        let (mark, code) = match finding.result {
            Outcome::Fine => ('✓', 32),
            Outcome::Warning => ('!', 33),
            Outcome::Failure => ('✗', 31),
        };
        let mark = if colour { format!("\u{1b}[{code}m{mark}\u{1b}[0m") } else { mark.to_string() };
        let remedy = finding.remedy.as_deref().map(|remedy| format!(" → {}", clean(remedy))).unwrap_or_default();
        format!("{mark} {}: {}{remedy}\n", finding.check, clean(&finding.text))
    };
    findings.iter().map(line).collect()
}

/// For programs.
pub fn as_json(findings: &[Finding]) -> Result<String, Failure> {
    let all = serde_json::json!({"checks": findings});
    Ok(format!("{}\n", serde_json::to_string_pretty(&all).context("cannot write JSON")?))
}

/// What the shell is told.
pub fn outcome(findings: &[Finding]) -> Result<(), Failure> {
    match findings.iter().map(|finding| finding.result).max() {
        None | Some(Outcome::Fine) => Ok(()),
        Some(Outcome::Warning) => Err(Failure::OutOfStep),
        Some(Outcome::Failure) => Err(Failure::Unfit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_each_has_one_line() {
        let mut all = vec![Finding::fine("a", "well")];
        assert!(outcome(&all).is_ok());
        all.push(Finding::warning("b", "two\nlines", "do this"));
        assert!(matches!(outcome(&all), Err(Failure::OutOfStep)));
        all.push(Finding::failure("c", "bad", "do that"));
        assert!(matches!(outcome(&all), Err(Failure::Unfit)));
        assert_eq!(as_text(&all), "✓ a: well\n! b: two\u{fffd}lines → do this\n✗ c: bad → do that\n");
    }
}
