//! Counts of passed, failed and skipped tests, read from what `cargo test` prints.

use std::collections::BTreeSet;

/// Before the reason a test gives for not running.
const SKIPPED: &str = "skipped: ";

/// Before what a test says it has tried, where that is more than its name tells.
const TRIED: &str = "tried: ";

/// Lines of a failure's reason that the end of the run repeats, and characters of each.
const REASON: (usize, usize) = (6, 500);

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

/// A test that did not run, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Its name; empty where it did not say.
    pub test: String,
    /// Why.
    pub reason: String,
}

/// A test that did not hold.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub test: String,
    /// The first lines of the reason, as far as they could be found.
    pub reason: Vec<String>,
    /// Whether the reason is being told.
    is_told: bool,
}

/// The counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    ended_well: usize,
    /// Tests that did not hold.
    pub failed: usize,
    ignored: usize,
    section: Section,
    /// Whose output is being read.
    speaker: String,
    /// Names of those that ended well.
    ended: BTreeSet<String>,
    /// The failed.
    pub failures: Vec<Failure>,
    /// Those that did not run.
    pub skips: Vec<Skip>,
    /// What tests say they have tried.
    pub tried: Vec<String>,
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
            self.speaker.clear();
            let number = |word: &str| -> usize {
                let before = result.split(word).next().unwrap_or_default();
                before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            self.ended_well += number(" passed");
            self.failed += number(" failed");
            self.ignored += number(" ignored");
            return number(" failed") > 0;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.speaker);
        }
        if let Some((_, told)) = line.split_once(SKIPPED) {
            self.skip(told.trim());
            return false;
        }
        if let Some(tried) = line.strip_prefix(TRIED) {
            self.tried.push(tried.to_owned());
            return false;
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok")) {
            self.ended.insert(name.to_owned());
            return false;
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(Failure { test: name.to_owned(), ..Failure::default() });
            return true;
        }
        if self.section == Section::Failures
            && let Some(failure) = self.failures.iter_mut().rev().find(|failure| failure.test == self.speaker)
        {
            failure.hear(line);
        }
        match self.section {
            Section::Tests => !PASSING_BY.iter().any(|start| line.trim_start().starts_with(start)),
            Section::Successes => false,
            Section::Failures => true,
        }
    }

    /// `<test>: <reason>`, or the reason alone from a test whose output is being read.
    fn skip(&mut self, told: &str) {
        let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let skip = match told.split_once(": ") {
            Some((test, reason)) if is_name(test) => Skip { test: test.to_owned(), reason: reason.to_owned() },
            _ => Skip { test: self.speaker.clone(), reason: told.to_owned() },
        };
        // Within the speaker's output it may be told twice, and parts of one test are one test.
        if skip.test.is_empty() || !self.skips.iter().any(|known| known.test == skip.test) {
            self.skips.push(skip);
        }
    }

    /// Add what a later run of some of the same tests has counted: what ran there is not skipped any more.
    pub fn add(&mut self, later: Self) {
        let before = self.skips.len();
        let ran = |test: &String| later.ended.contains(test) && !later.skips.iter().any(|skip| skip.test == *test);
        let failed = |test: &String| later.failures.iter().any(|failure| failure.test == *test);
        self.skips.retain(|skip| {
            let again = later.skips.iter().any(|known| known.test == skip.test);
            !(again || ran(&skip.test) || failed(&skip.test))
        });
        // Those had ended well without having run.
        self.ended_well = (self.ended_well + later.ended_well).saturating_sub(before - self.skips.len());
        self.failed += later.failed;
        self.ignored += later.ignored;
        self.ended.extend(later.ended);
        self.failures.extend(later.failures);
        self.skips.extend(later.skips);
        self.tried.extend(later.tried);
    }

    /// Tests that ran and held. A test that skips itself ends well, so its program counts it as passed.
    pub fn passed(&self) -> usize {
        self.ended_well.saturating_sub(self.skips.len())
    }

    /// Tests that did not run.
    pub fn skipped(&self) -> usize {
        self.skips.len() + self.ignored
    }

    /// The three numbers.
    pub fn told(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed(), self.failed, self.skipped())
    }
}

impl Failure {
    /// One line that the test printed.
    fn hear(&mut self, line: &str) {
        // What a test returns, and what a panic prints.
        self.is_told |= line.starts_with("Error: ") || line.contains(" panicked at ");
        let (lines, characters) = REASON;
        if self.is_told && !line.trim().is_empty() && self.reason.len() < lines {
            self.reason.push(line.chars().take(characters).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Count {
        let mut count = Count::default();
        for line in lines {
            count.see(line);
        }
        count
    }

    fn skip(test: &str, reason: &str) -> Skip {
        Skip { test: test.to_owned(), reason: reason.to_owned() }
    }

    const FIRST: &[&str] = &[
        "running 5 tests",
        "test a::b ... ok",
        "skipped: c::d: no container engine: it is not there",
        "test a::c ... ok",
        "test a::d ... FAILED",
        "successes:",
        "---- a::c stdout ----",
        "skipped: no such thing: nowhere",
        "skipped: another part of it",
        "tried: all of it, left over: 0",
        "failures:",
        "---- a::d stdout ----",
        "before",
        "Error: why",
        "",
        "Caused by:",
        "test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        "test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
    ];

    #[test]
    fn results_of_several_programs_add_up() {
        let count = read(FIRST);
        assert_eq!((count.passed(), count.failed, count.skipped()), (11, 1, 3));
        let [failure] = count.failures.as_slice() else { panic!("{:?}", count.failures) };
        assert_eq!((failure.test.as_str(), failure.reason.join("/")), ("a::d", "Error: why/Caused by:".to_owned()));
        let wanted = [skip("c::d", "no container engine: it is not there"), skip("a::c", "no such thing: nowhere")];
        assert_eq!(count.skips, wanted);
        assert_eq!(count.tried, ["all of it, left over: 0"]);
    }

    #[test]
    fn what_explains_a_failure_stays_on_the_screen() {
        let mut count = Count::default();
        let stays: Vec<&str> = FIRST.iter().copied().filter(|line| count.see(line)).collect();
        let wanted = [
            "test a::d ... FAILED",
            "failures:",
            "---- a::d stdout ----",
            "before",
            "Error: why",
            "",
            "Caused by:",
            FIRST[16],
        ];
        assert_eq!(stays, wanted);
    }

    #[test]
    fn what_runs_later_is_not_skipped() {
        let mut count = read(FIRST);
        count.add(read(&[
            "test c::d ... ok",
            "test a::c ... ok",
            "skipped: a::c: still not",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]));
        assert_eq!((count.passed(), count.failed, count.skipped()), (12, 1, 2));
        assert_eq!(count.skips, [skip("a::c", "still not")]);
    }
}
