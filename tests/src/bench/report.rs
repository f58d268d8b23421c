//! Figures beside their budgets, as a table for people and as a document.

use std::fs;

use anyhow::Result;

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
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
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
        let mut rows = vec![["what", "Kuryr", "Docker's bridge", "ratio", "budget", "held"].map(str::to_owned)];
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

    /// The whole of docs/benchmarks.md.
    pub fn document(&self) -> Result<String> {
        let machine = Machine::look()?;
        Ok(format!(
            "# Benchmarks\n\n\
             `cargo xtask bench docker --write` wrote this file. It measures on a private machine (network, mount and\n\
             process namespaces) with a real dockerd, with Docker's own bridge driver as the peer: same engine, same run,\n\
             taking turns. *Our share* is the time that a proxy between dockerd and the plugin sees the plugin busy; the\n\
             rest of a connect is Docker's. The database is on the disk, with `synchronous=FULL`. A budget says what the\n\
             project has set itself; `no` beside it is work to do.\n\n\
             Machine: {}, {} cores, Linux {}. Date: {}. Engine: {}. Build: release.\n\
             Load average of the machine at the end: {} (figures of a machine that has other work say little).\n\n{}\n",
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.date,
            machine.engine,
            machine.load,
            self.table()
        ))
    }
}

impl Figure {
    fn row(&self) -> [String; 6] {
        let value = |number: f64| format!("{} {}", short(number), self.unit).trim_end().to_owned();
        let ratio = self.peer.map(|peer| self.ours / peer);
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
            ratio.map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
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
    engine: String,
    load: String,
}

impl Machine {
    fn look() -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo")?;
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let version = std::process::Command::new("dockerd").arg("--version").output();
        let version =
            version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        Ok(Self {
            processor: model.unwrap_or("unknown processor").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            date: jiff::Zoned::now().date().to_string(),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
            engine: version.split(',').next().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_held_or_not() {
        let mut report = Report::default();
        report.measured("a", 4.0, Limit::AtMost(5.0), "ms");
        report.measured("b", 1999.0, Limit::AtLeast(2000.0), "1/s");
        report.compared("c", 19.0, 20.0, Limit::RatioAtLeast(0.95), "Gbit/s");
        report.compared("d", 21.1, 20.0, Limit::RatioAtMost(1.05), "µs");
        report.measured("e", 1.0, Limit::None, "ms");
        let table = report.table();
        let held: Vec<&str> = table.lines().skip(2).map(|line| line.rsplit('|').nth(1).unwrap_or("?").trim()).collect();
        assert_eq!(held, ["yes", "no", "yes", "no", ""]);
        assert!(table.contains("| ≥ 0.95 ×"), "{table}");
    }
}
