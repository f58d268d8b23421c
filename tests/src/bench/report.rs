//! Figures beside their budgets, as a table for people and as a document.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Nothing.
    None,
    /// The figure itself must not be larger.
    AtMost(f64),
    /// The figure itself must not be smaller.
    AtLeast(f64),
    /// Its ratio to the peer's must not be larger.
    RatioAtMost(f64),
    /// Its ratio to the peer's must not be smaller.
    RatioAtLeast(f64),
}

/// One line.
struct Figure {
    name: String,
    ours: f64,
    peer: Option<f64>,
    limit: Limit,
    unit: String,
}

/// All lines.
pub struct Report {
    /// What the peer's column is headed with.
    peer: &'static str,
    figures: Vec<Figure>,
}

/// Where a report is kept: one section of docs/benchmarks.md.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What is measured, and how.
    pub text: &'static str,
    /// What has to be known besides the machine.
    pub with: String,
}

impl Report {
    /// Nothing yet, against this peer.
    pub fn against(peer: &'static str) -> Self {
        Self { peer, figures: Vec::new() }
    }

    /// A figure without a peer.
    pub fn measured(&mut self, name: &str, ours: f64, limit: Limit, unit: &str) {
        self.push(name, ours, None, limit, unit);
    }

    /// A figure and the peer's in the same run.
    pub fn compared(&mut self, name: &str, ours: f64, peer: f64, limit: Limit, unit: &str) {
        self.push(name, ours, Some(peer), limit, unit);
    }

    fn push(&mut self, name: &str, ours: f64, peer: Option<f64>, limit: Limit, unit: &str) {
        self.figures.push(Figure { name: name.to_owned(), ours, peer, limit, unit: unit.to_owned() });
    }

    /// The table, in Markdown with aligned columns.
    pub fn table(&self) -> String {
        let mut rows = vec![["what", "Kuryr", self.peer, "ratio", "budget", "held"].map(str::to_owned)];
        rows.extend(self.figures.iter().map(Figure::row));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..6).map(width).collect();
        let line = |row: &[String; 6]| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            format!("| {} |", cells.join(" | "))
        };
        let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|");
        let mut lines = vec![line(&rows[0]), format!("|{rule}|")];
        lines.extend(rows[1..].iter().map(line));
        lines.join("\n")
    }

    /// Put it into the document in place of its section.
    pub fn write(&self, document: &Path, section: &Section) -> Result<()> {
        write_section(document, section, &self.table())
    }
}

/// Put a section with this table into the document in its place, or behind all others; those stay as they are.
pub fn write_section(document: &Path, section: &Section, table: &str) -> Result<()> {
    let old = match fs::read_to_string(document) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("cannot read {}", document.display()))?,
    };
    if let Some(folder) = document.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let new = replace(&old, section.title, &section.text_with(table)?);
    fs::write(document, new).with_context(|| format!("cannot write {}", document.display()))
}

impl Section {
    /// The text, without its heading.
    fn text_with(&self, table: &str) -> Result<String> {
        let machine = Machine::look()?;
        Ok(format!(
            "{}\n\nMachine: {}, {} cores, Linux {}. Date: {}. {}. Build: {}.\n\
             Load average of the machine at the end: {} (figures of a machine that has other work say little).\n\n{}\n",
            self.text,
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.date,
            self.with,
            if cfg!(debug_assertions) { "debug" } else { "release" },
            machine.load,
            table
        ))
    }
}

/// The document with this text in the section of this title.
fn replace(document: &str, title: &str, text: &str) -> String {
    let mut parts = document.split("\n## ");
    let opening = parts.next().map(str::trim).filter(|opening| !opening.is_empty()).unwrap_or("# Benchmarks");
    let own = format!("{title}\n\n{}", text.trim());
    let mut sections: Vec<String> = parts.map(|part| part.trim().to_owned()).collect();
    match sections.iter_mut().find(|part| part.lines().next() == Some(title)) {
        Some(section) => *section = own,
        None => sections.push(own),
    }
    let all = std::iter::once(opening.to_owned()).chain(sections.iter().map(|part| format!("## {part}")));
    all.collect::<Vec<_>>().join("\n\n") + "\n"
}

impl Figure {
    fn row(&self) -> [String; 6] {
        let value = |number: f64| format!("{} {}", short(number), self.unit).trim_end().to_owned();
        let ratio = self.peer.filter(|peer| *peer != 0.0).map(|peer| self.ours / peer);
        let (budget, held) = match self.limit {
            Limit::None => (String::new(), None),
            Limit::AtMost(limit) => (format!("≤ {}", value(limit)), Some(self.ours <= limit)),
            Limit::AtLeast(limit) => (format!("≥ {}", value(limit)), Some(self.ours >= limit)),
            Limit::RatioAtMost(limit) => (format!("≤ {limit} ×"), ratio.map(|ratio| ratio <= limit)),
            Limit::RatioAtLeast(limit) => (format!("≥ {limit} ×"), ratio.map(|ratio| ratio >= limit)),
        };
        [
            self.name.clone(),
            value(self.ours),
            self.peer.map(value).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.0$} ×", if ratio < 0.1 { 3 } else { 2 })).unwrap_or_default(),
            budget,
            held.map_or("", |held| if held { "yes" } else { "no" }).to_owned(),
        ]
    }
}

/// Three digits that matter.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Where it was measured.
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
    load: String,
}

impl Machine {
    fn look() -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo")?;
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        Ok(Self {
            processor: model.unwrap_or("unknown processor").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            date: jiff::Zoned::now().date().to_string(),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_held_or_not() {
        let mut report = Report::against("it");
        report.measured("a", 4.0, Limit::AtMost(5.0), "ms");
        report.measured("b", 1999.0, Limit::AtLeast(2000.0), "1/s");
        report.compared("c", 19.0, 20.0, Limit::RatioAtLeast(0.95), "Gbit/s");
        report.compared("d", 21.1, 20.0, Limit::RatioAtMost(1.05), "µs");
        report.measured("e", 1.0, Limit::None, "ms");
        report.compared("f", 0.0, 0.0, Limit::AtMost(0.0), "");
        let table = report.table();
        let held: Vec<&str> = table.lines().skip(2).map(|line| line.rsplit('|').nth(1).unwrap_or("?").trim()).collect();
        assert_eq!(held, ["yes", "no", "yes", "no", "", "yes"]);
        assert!(!table.contains("NaN"), "{table}");
        assert!(table.contains("| ≥ 0.95 ×"), "{table}");
    }
    #[test]
    fn a_section_takes_the_place_of_its_own_and_of_no_other() {
        let one = replace("", "One", "first\n");
        assert_eq!(one, "# Benchmarks\n\n## One\n\nfirst\n");
        let two = replace(&one, "Two", "second");
        assert_eq!(two, "# Benchmarks\n\n## One\n\nfirst\n\n## Two\n\nsecond\n");
        assert_eq!(replace(&two, "One", "third"), "# Benchmarks\n\n## One\n\nthird\n\n## Two\n\nsecond\n");
    }
}
