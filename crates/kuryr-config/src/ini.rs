//! The INI dialect of oslo.config, read with the place of every word and written back.
//!
//! The rules are those of oslo.config's own parser:
//! - `[section]` starts in the first column; a line that starts with a blank continues the value above, even when it
//!   looks like a comment; an empty line ends a value; `#` and `;` start a comment in the first column only.
//! - A key ends at the first `=` or `:`. One pair of quotes around a value is taken off. Lines of a value are joined
//!   by a line feed. A key that comes again adds a value.
//!
//! Unlike oslo.config, reading goes on after a mistake, so that all of a file's mistakes are told at once.

use crate::diagnostic::{Diagnostic, Place, visible};
use std::{path::Path, sync::Arc};

/// A place in a file: a line counted from 1, and bytes within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub line: usize,
    pub start: usize,
    pub end: usize,
}

/// One `key = value` with its places.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub section: Arc<str>,
    pub key: String,
    pub key_span: Span,
    /// The value's lines joined by line feeds, quotes taken off.
    pub value: String,
    /// The value on its first line.
    pub value_span: Span,
}

/// A file and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub path: Arc<Path>,
    pub lines: Vec<String>,
    pub entries: Vec<Entry>,
    /// Sections in order, also those without entries.
    pub sections: Vec<(Arc<str>, Span)>,
}

impl Document {
    /// Where something is, with the whole line shown. For lines that cannot hold a secret.
    pub(crate) fn place(&self, span: Span) -> Place {
        Place::new(&self.path, span.line, self.line(span.line), span.start..span.end)
    }

    /// Where a key is, with its value hidden.
    pub(crate) fn place_of_key(&self, entry: &Entry) -> Place {
        let span = entry.key_span;
        let mut line = self.line(span.line)[..entry.value_span.start].to_owned();
        line.push('…');
        Place::new(&self.path, span.line, &line, span.start..span.end)
    }

    fn line(&self, number: usize) -> &str {
        self.lines.get(number.saturating_sub(1)).map_or("", String::as_str)
    }
}

/// Reads a file's text. Mistakes are added to `problems`; what is right is kept.
pub(crate) fn parse(path: &Path, text: &str, problems: &mut Vec<Diagnostic>) -> Document {
    let document = Document { path: path.into(), lines: split_lines(text), entries: Vec::new(), sections: Vec::new() };
    let mut reader = Reader { document, problems, open: None };
    for number in 1..=reader.document.lines.len() {
        reader.line(number);
    }
    reader.document
}

struct Reader<'a> {
    document: Document,
    problems: &'a mut Vec<Diagnostic>,
    /// What a continuation line would continue.
    open: Option<Open>,
}

enum Open {
    /// The last entry.
    Entry,
    /// An assignment that could not be kept; its continuation lines are passed over.
    Refused,
}

impl Reader<'_> {
    fn line(&mut self, number: usize) {
        let raw = self.document.lines[number - 1].clone();
        let line = raw.trim_end_matches(is_blank);
        if line.is_empty() {
            self.open = None;
        } else if line.starts_with([' ', '\t']) {
            self.continuation(number, line);
        } else if line.starts_with('[') {
            self.open = None;
            self.section(number, line);
        } else if line.starts_with(['#', ';']) {
            self.open = None;
        } else {
            self.assignment(number, line);
        }
    }

    fn continuation(&mut self, number: usize, line: &str) {
        let text = line.trim_start_matches(is_blank);
        let span = Span { line: number, start: line.len() - text.len(), end: line.len() };
        match (&self.open, self.document.entries.last_mut()) {
            (Some(Open::Entry), Some(entry)) => {
                entry.value.push('\n');
                entry.value.push_str(text);
                if text.starts_with(['#', ';']) {
                    let shown = format!("{}…", &line[..=span.start]);
                    let problem = Diagnostic::warning(format!(
                        "this comment becomes part of the value of '{}'",
                        visible(&entry.key)
                    ))
                    .at(
                        Place::new(&self.document.path, number, &shown, span.start..span.start + 1),
                        "the line starts with a blank",
                    )
                    .help("start the comment in the first column");
                    self.problems.push(problem);
                }
            }
            (Some(Open::Refused), _) => {}
            _ => {
                // What stands here may be the rest of a password: it is not shown.
                let hidden = format!("{}…", &line[..span.start]);
                let problem = Diagnostic::error("this line continues nothing")
                    .at(
                        Place::new(&self.document.path, number, &hidden, span.start..hidden.len()),
                        "a line that starts with a blank continues the value above it",
                    )
                    .help("take the blanks away, or join it to the line it belongs to: an empty line ends a value");
                self.problems.push(problem);
            }
        }
    }

    fn section(&mut self, number: usize, line: &str) {
        let whole = Span { line: number, start: 0, end: line.len() };
        let Some(name) = line[1..].strip_suffix(']') else {
            let problem = Diagnostic::error("a section's name ends with ']'")
                .at(self.document.place(whole), "expected '[name]' and nothing behind it");
            self.problems.push(problem);
            return;
        };
        if name.is_empty() {
            let problem = Diagnostic::error("a section needs a name")
                .at(self.document.place(whole), "expected '[name]', as in '[neutron]'");
            self.problems.push(problem);
            return;
        }
        let span = Span { line: number, start: 1, end: line.len() - 1 };
        self.document.sections.push((name.into(), span));
    }

    fn assignment(&mut self, number: usize, line: &str) {
        self.open = Some(Open::Refused);
        let Some(mark) = line.find(['=', ':']) else {
            let word = line.find(is_blank).unwrap_or(line.len());
            let shown = if word < line.len() { format!("{} …", &line[..word]) } else { line.to_owned() };
            let problem = Diagnostic::error("this line is neither a section nor an option").at(
                Place::new(&self.document.path, number, &shown, 0..word),
                "expected 'name = value', '[section]' or '# comment'",
            );
            self.problems.push(problem);
            return;
        };
        let key = line[..mark].trim_matches(is_blank);
        let after = &line[mark + 1..];
        let value = after.trim_matches(is_blank);
        let value_start = mark + 1 + (after.len() - after.trim_start_matches(is_blank).len());
        let key_span = Span { line: number, start: 0, end: key.len() };
        let value_span = Span { line: number, start: value_start, end: value_start + value.len() };
        if key.is_empty() {
            let shown = format!("{} …", &line[..=mark]);
            let problem = Diagnostic::error("an option needs a name")
                .at(Place::new(&self.document.path, number, &shown, mark..mark + 1), "expected 'name = value'");
            self.problems.push(problem);
            return;
        }
        let Some((section, _)) = self.document.sections.last().cloned() else {
            let shown = format!("{}…", &line[..value_start]);
            let problem = Diagnostic::error(format!("'{}' stands before any section", visible(key)))
                .at(Place::new(&self.document.path, number, &shown, 0..key.len()), "expected a line '[section]' above")
                .help("Kuryr's general options belong to '[DEFAULT]'");
            self.problems.push(problem);
            return;
        };
        self.open = Some(Open::Entry);
        self.document.entries.push(Entry {
            section,
            key: key.to_owned(),
            key_span,
            value: unquote(value).to_owned(),
            value_span,
        });
    }
}

/// Takes one pair of quotes off, as oslo.config does: a lone quote is an empty value.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            if rest.is_empty() {
                return rest;
            }
            if let Some(inner) = rest.strip_suffix(quote) {
                return inner;
            }
        }
    }
    value
}

/// Lines as Python's text files end them: by LF, CR LF or CR. A byte order mark is no part of the first.
fn split_lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect()
}

/// What Python's `str.strip` takes away.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Writes an option so that it reads back as the same text: dollars doubled, blanks quoted, further lines indented.
///
/// Lines that are empty or begin or end with blanks cannot be written behind the first; no option needs them.
pub fn assignment(name: &str, value: &str) -> String {
    let mut text = format!("{name} =");
    for (number, line) in value.replace('$', "$$").split('\n').enumerate() {
        if number > 0 {
            text.push_str("\n    ");
            text.push_str(line);
            continue;
        }
        let quoted = line.len() != line.trim_matches(is_blank).len() || line != unquote(line);
        match (line.is_empty(), quoted) {
            (true, _) => {}
            (false, true) => text.push_str(&format!(" \"{line}\"")),
            (false, false) => text.push_str(&format!(" {line}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
