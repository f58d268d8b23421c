//! Counts of passed, failed and skipped tests, read from what `cargo test` prints.

/// Before the reason a test gives for not running.
const SKIPPED: &str = "skipped: ";

/// The counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    ended_well: usize,
    /// Tests that did not hold.
    pub failed: usize,
    ignored: usize,
    /// Names of the failed.
    pub failures: Vec<String>,
    /// Test and reason.
    pub skips: Vec<String>,
}

impl Count {
    /// Read one line of output.
    pub fn see(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            let number = |word: &str| -> usize {
                let before = result.split(word).next().unwrap_or_default();
                before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            self.ended_well += number(" passed");
            self.failed += number(" failed");
            self.ignored += number(" ignored");
        } else if let Some((_, reason)) = line.split_once(SKIPPED) {
            self.skips.push(reason.trim().to_owned());
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
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

/// Lines that stay on the screen; the rest only passes by.
pub fn is_worth_showing(line: &str) -> bool {
    let line = line.trim_start();
    let passes_by =
        ["Compiling ", "Finished ", "Fresh ", "Blocking ", "running 0 tests", "test result: ok. 0 passed; 0"];
    let held = line.starts_with("test ") && line.ends_with(" ... ok");
    !(held || passes_by.iter().any(|start| line.starts_with(start)))
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
            "skipped: a::c: no container engine",
            "test a::d ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            count.see(line);
        }
        assert_eq!((count.passed(), count.failed, count.skipped()), (11, 1, 2));
        assert_eq!(count.failures, ["a::d"]);
        assert_eq!(count.skips, ["a::c: no container engine"]);
    }
}
