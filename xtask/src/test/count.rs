//! Counts of passed, failed and skipped tests, read from what `cargo test` prints.

/// Before the reason a test gives for not running.
const SKIPPED: &str = "skipped: ";

/// Lines that only show that there is progress.
const PASSING_BY: &[&str] = &["Compiling ", "Finished ", "Fresh ", "Blocking ", "running ", "test ", "Doc-tests "];

/// Which part of a test program's output is being read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Section {
    /// One line a test.
    #[default]
    Tests,
    /// What tests printed that held.
    Successes,
    /// What tests printed that did not.
    Failures,
}

/// The counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    ended_well: usize,
    /// Tests that did not hold.
    pub failed: usize,
    ignored: usize,
    section: Section,
    /// Names of the failed.
    pub failures: Vec<String>,
    /// Test and reason.
    pub skips: Vec<String>,
}

impl Count {
    /// Read one line of output; whether it is worth staying on the screen.
    pub fn see(&mut self, line: &str) -> bool {
        match line.trim_end() {
            "successes:" => self.section = Section::Successes,
            "failures:" => self.section = Section::Failures,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.section = Section::Tests;
            let number = |word: &str| -> usize {
                let before = result.split(word).next().unwrap_or_default();
                before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            self.ended_well += number(" passed");
            self.failed += number(" failed");
            self.ignored += number(" ignored");
            return number(" passed") + number(" failed") + number(" ignored") > 0;
        }
        if let Some((_, reason)) = line.split_once(SKIPPED) {
            self.skips.push(reason.trim().to_owned());
            return true;
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
            return true;
        }
        match self.section {
            Section::Tests => !PASSING_BY.iter().any(|start| line.trim_start().starts_with(start)),
            Section::Successes => false,
            Section::Failures => true,
        }
    }

    /// Tests that ran and held. A test that skips itself ends well, so its program counts it as passed.
    pub fn passed(&self) -> usize {
        self.ended_well.saturating_sub(self.skips.len())
    }

    /// Tests that did not run.
    pub fn skipped(&self) -> usize {
        self.skips.len() + self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut count = Count::default();
        for line in [
            "running 4 tests",
            "test a::b ... ok",
            "test a::d ... FAILED",
            "successes:",
            "---- a::c stdout ----",
            "skipped: a::c: no container engine",
            "failures:",
            "---- a::d stdout ----",
            "why",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            let stays = [
                "test a::d ... FAILED",
                "skipped: a::c: no container engine",
                "failures:",
                "---- a::d stdout ----",
                "why",
            ];
            assert_eq!(count.see(line), stays.contains(&line) || line.starts_with("test result"), "{line}");
        }
        assert_eq!((count.passed(), count.failed, count.skipped()), (11, 1, 2));
        assert_eq!(count.failures, ["a::d"]);
        assert_eq!(count.skips, ["a::c: no container engine"]);
    }
}
