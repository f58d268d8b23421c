//! The shape of source files: documented, short, named by the field's nouns, and free of what the rules forbid.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Report, code};
use crate::workspace::Workspace;

/// No file is longer.
const LONGEST: usize = 500;
/// From here on a file wants to be two.
const LONG: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helper", "helpers", "manager", "misc"];

/// Lints that nobody may switch off outside tests.
const KEPT_LINTS: &[&str] =
    &["unwrap_used", "expect_used", "clippy::panic", "clippy::todo", "undocumented_unsafe_blocks"];

/// Words that must not appear in the code of a folder, and why.
const CLOSED: &[(&str, &[&str], &str)] = &[
    ("crates/kuryr-cloud/src/engine", &["axum", "rusqlite", "hyper"], "the engine knows neither HTTP nor SQL"),
    ("crates/kuryr-cloud/src/store", &["axum", "hyper", "kuryr_netlink"], "the store knows SQL only"),
    ("crates/kuryr-cloud/src/api", &["rusqlite", "kuryr_netlink"], "the API decides nothing and stores nothing"),
    ("crates/kuryr-cloud/src/dataplane", &["axum", "rusqlite", "hyper"], "the data plane knows the kernel only"),
    ("crates/kuryr-docker/src", &["kuryr_netlink"], "the Docker driver does not speak netlink"),
    ("crates/kuryr-neutron", &["tokio", "std::fs", "std::net::TcpStream"], "Neutron's vocabulary does no I/O"),
];

/// Beginnings of paths that exist on one person's machine only.
const MACHINE_PATHS: &[&str] = &["/home/", "/Users/", "/workspace/"];

/// Text files that are looked at.
const TEXTS: &[&str] = &["rs", "toml", "md", "sh", "sql", "yml", "yaml", "json"];

/// Look at every file of the tree.
pub fn check(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut files = Vec::new();
    collect(&workspace.root, &workspace.target, &mut files)?;
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let shown = workspace.shown(&path);
        check_paths(shown, &text, report);
        if path.extension().is_some_and(|extension| extension == "rs") {
            check_rust(shown, &text, report);
        }
    }
    Ok(())
}

fn collect(folder: &Path, target: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path == target || name == "target" || name == ".git" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(&path, target, files)?;
        } else if path.extension().is_some_and(|extension| TEXTS.iter().any(|text| extension == *text)) {
            files.push(path);
        }
    }
    Ok(())
}

fn check_rust(file: &Path, text: &str, report: &mut Report) {
    let length = text.lines().count();
    if length > LONGEST {
        report.error(file, LONGEST + 1, format!("{length} lines; at most {LONGEST}: split it by subject"));
    } else if length > LONG {
        report.warn(file, LONG + 1, format!("{length} lines; above {LONG} a file wants to be two"));
    }
    if !text.starts_with("//! ") {
        report.error(file, 1, "the first line must say what the module is for: //! …");
    }
    let parts: Vec<String> =
        file.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
    for part in parts.iter().filter(|part| EMPTY_NAMES.contains(&part.as_str())) {
        report.error(file, 1, format!("\"{part}\" says nothing about what is inside; name it by its subject"));
    }
    let is_test = parts.iter().any(|part| part == "tests");
    let may_be_unsafe = file.starts_with("crates/kuryr-netlink");
    for (index, line) in code::only(text).lines().enumerate() {
        let number = index + 1;
        if !may_be_unsafe && code::has_word(line, "unsafe") {
            report.error(file, number, "unsafe code belongs into kuryr-netlink only");
        }
        if let Some(lint) = KEPT_LINTS.iter().find(|lint| line.contains("allow(") && line.contains(**lint))
            && !is_test
        {
            report.error(file, number, format!("{lint} must not be allowed outside tests; return an error instead"));
        }
        for name in EMPTY_NAMES.iter().filter(|name| line.contains(&format!("mod {name} "))) {
            report.error(file, number, format!("module \"{name}\" says nothing about what is inside"));
        }
        for (folder, words, why) in CLOSED.iter().filter(|(folder, ..)| file.starts_with(folder)) {
            for word in words.iter().filter(|word| code::has_word(line, word)) {
                report.error(file, number, format!("{word} must not appear below {folder}: {why}"));
            }
        }
    }
}

fn check_paths(file: &Path, text: &str, report: &mut Report) {
    // The list of forbidden beginnings is the one place where they may stand.
    if file == Path::new(file!()) {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        for path in MACHINE_PATHS {
            let starts = |at: usize| {
                line[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || "}_.-~>)*/$".contains(c)))
            };
            if line.match_indices(path).any(|(at, _)| starts(at)) {
                report.error(file, index + 1, format!("{path}… is a path of one machine"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check_rust(Path::new(file), text, &mut report);
        check_paths(Path::new(file), text, &mut report);
        report.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_file_has_no_findings() {
        assert!(findings("crates/kuryr-http/src/server.rs", "//! Serves.\nfn f() {}\n").is_empty());
    }

    #[test]
    fn each_rule_is_found_with_its_line() {
        let doc = "//! Doc.\n";
        for (file, text, line, word) in [
            ("crates/kuryr-http/src/a.rs", "fn f() {}\n".to_owned(), 1, "first line"),
            ("crates/kuryr-http/src/utils.rs", doc.to_owned(), 1, "utils"),
            ("crates/kuryr-http/src/a.rs", format!("{doc}unsafe {{}}\n"), 2, "unsafe"),
            ("crates/kuryr-http/src/a.rs", format!("{doc}#[allow(clippy::unwrap_used)]\n"), 2, "unwrap_used"),
            ("crates/kuryr-cloud/src/engine/a.rs", format!("{doc}use axum::Router;\n"), 2, "axum"),
            (
                "crates/kuryr-http/src/a.rs",
                format!("{doc}const A: &str = \"{}me\";\n", MACHINE_PATHS[0]),
                2,
                "one machine",
            ),
            ("crates/kuryr-http/src/a.rs", format!("{doc}{}", "\n".repeat(LONGEST)), LONGEST + 1, "split it"),
        ] {
            let found = findings(file, &text);
            assert_eq!(found.len(), 1, "{file} {word}: {found:?}");
            assert!(found[0].starts_with(&format!("{file}:{line}: ")) && found[0].contains(word), "{found:?}");
        }
    }

    #[test]
    fn what_the_rules_allow_stays() {
        assert!(findings("crates/kuryr-netlink/src/a.rs", "//! Doc.\nunsafe {}\n").is_empty());
        assert!(findings("tests/tests/docker/a.rs", "//! Doc.\n#![allow(clippy::unwrap_used)]\n").is_empty());
        assert!(findings("crates/kuryr-http/src/a.rs", "//! Doc about unsafe and axum.\n").is_empty());
    }
}
