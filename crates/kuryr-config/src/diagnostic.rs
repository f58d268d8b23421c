//! What is wrong with a configuration, told as a compiler tells it: place, value, expectation, nearest right name.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use std::{fmt, ops::Range, path::Path};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be started.
    Error,
    /// Worth knowing; Kuryr starts.
    Warning,
}

/// A place in a file, with the line as it may be shown: values that are or may be secret are left out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: String,
    line: usize,
    text: String,
    span: Range<usize>,
}

impl Place {
    /// `line` counts from 1; `span` is in bytes of `text`, and is pulled into it where it does not fit.
    pub(crate) fn new(path: &Path, line: usize, text: &str, span: Range<usize>) -> Self {
        let text = hide_user_information(text);
        let inside = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (inside(span.start), inside(span.end));
        Self { path: path.display().to_string(), line, span: start..end.max(start), text }
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.text[..self.span.start].chars().count() + 1
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    place: Option<(Place, String)>,
    notes: Vec<String>,
    help: Option<String>,
}

impl Diagnostic {
    /// Something that keeps Kuryr from starting.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), place: None, notes: Vec::new(), help: None }
    }

    /// Something worth knowing.
    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Where, and what is said under the caret there.
    pub(crate) fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.place = Some((place, label.into()));
        self
    }

    /// A fact that helps to understand.
    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// What to do.
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// How grave it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is, if it is in a file.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref().map(|(place, _)| place)
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message);
        let mut group = match &self.place {
            Some((place, label)) => title.element(
                Snippet::source(&place.text)
                    .line_start(place.line)
                    .path(&place.path)
                    .annotation(AnnotationKind::Primary.span(place.span.clone()).label(label)),
            ),
            None => Group::with_title(title),
        };
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

/// On one line, for logs: `FILE:LINE:COLUMN: message (what was expected)`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((place, label)) => {
                write!(f, "{}:{}:{}: {} ({label})", place.path(), place.line(), place.column(), self.message)?;
            }
            None => f.write_str(&self.message)?,
        }
        for words in self.notes.iter().chain(&self.help) {
            write!(f, "; {words}")?;
        }
        Ok(())
    }
}

/// All that was found in one reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub(crate) Vec<Diagnostic>);

impl Diagnostics {
    /// True when nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when something keeps Kuryr from starting.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many findings are this grave.
    pub fn count(&self, severity: Severity) -> usize {
        self.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Every finding, in the order of reading.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// For people; `colour` adds terminal escapes.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        self.0.iter().map(|diagnostic| diagnostic.render(&renderer)).collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Longest part of a value that is repeated in a message, in characters.
const LONGEST: usize = 80;

/// A value as a message may repeat it: control characters made visible, no user information of URLs, not too long.
pub(crate) fn visible(value: &str) -> String {
    let clean = normalize_untrusted_str(&hide_user_information(value).replace('\n', "⏎"));
    if clean.chars().count() <= LONGEST {
        return clean;
    }
    clean.chars().take(LONGEST).chain(['…']).collect()
}

/// `scheme://user:password@host` becomes `scheme://…@host`.
fn hide_user_information(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        match after[..authority].rfind('@') {
            Some(end) => {
                shown.push('…');
                rest = &after[end..];
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

/// The name nearest to one that does not exist, if any is near.
pub fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    right
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_hidden() {
        assert_eq!(visible("http://admin:s3cret@host:x/v3"), "http://…@host:x/v3");
        assert_eq!(visible("http://host/a@b https://u@h"), "http://host/a@b https://…@h");
        assert_eq!(visible("mailto:a@b"), "mailto:a@b");
    }

    #[test]
    fn control_characters_and_length_are_tamed() {
        assert!(!visible("\u{1b}[31mred\u{7}").contains('\u{1b}'));
        assert_eq!(visible(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn nearest_is_near() {
        let names = ["auth_url", "username", "password"];
        assert_eq!(nearest("auth-uri", names), Some("auth_url"));
        assert_eq!(nearest("Password", names), Some("password"));
        assert_eq!(nearest("flavour", names), None);
    }

    #[test]
    fn a_span_that_does_not_fit_is_pulled_in() {
        let place = Place::new(Path::new("f"), 1, "ä = 1", 1..900);
        assert_eq!(place.column(), 1);
        let diagnostics = Diagnostics(vec![Diagnostic::error("wrong").at(place, "here")]);
        assert!(diagnostics.render(false).contains("f:1:1"));
    }
}
