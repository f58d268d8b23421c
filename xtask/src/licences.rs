//! Licences of every dependency against the list in deny.toml; needs nothing that is not here already.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::screen::Progress;
use crate::workspace::{Workspace, metadata};

/// What deny.toml allows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allowed {
    everywhere: BTreeSet<String>,
    /// Crate → licences allowed for it alone.
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

/// Check all packages that a Linux build uses.
pub fn check(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let text = fs::read_to_string(workspace.root.join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = parse(&text)?;
    let metadata = metadata(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])?;
    let used: BTreeSet<&str> =
        metadata["resolve"]["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str()).collect();
    let mut refused = 0;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if !package["id"].as_str().is_some_and(|id| used.contains(id)) {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        let own = allowed.exceptions.get(name);
        let accepts = |one: &str| allowed.everywhere.contains(one) || own.is_some_and(|own| own.contains(one));
        match satisfied(licence, &accepts) {
            Ok(true) => {}
            Ok(false) => {
                refused += 1;
                progress.line(&format!("    {name}: licence \"{licence}\" is not allowed by deny.toml"));
            }
            Err(error) => {
                refused += 1;
                progress.line(&format!("    {name}: licence \"{licence}\": {error}"));
            }
        }
    }
    ensure!(refused == 0, "{refused} dependencies have a licence that deny.toml does not allow");
    Ok(())
}

/// The two lists of section `[licenses]`; the rest of deny.toml is cargo-deny's business.
fn parse(text: &str) -> Result<Allowed> {
    let section: String = text
        .lines()
        .skip_while(|line| line.trim() != "[licenses]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let list = |key: &str| -> Result<&str> {
        let start =
            section.find(&format!("\n{key} = [")).with_context(|| format!("deny.toml has no [licenses] {key}"))?;
        let body = &section[start + key.len() + 5..];
        // Entries of `exceptions` have lists of their own, so the end is a bracket at the start of a line.
        Ok(body.split("\n]").next().unwrap_or_default())
    };
    let mut allowed = Allowed { everywhere: quoted(list("allow")?).collect(), ..Allowed::default() };
    for entry in list("exceptions")?.lines().filter(|line| line.contains('{')) {
        let mut words = quoted(entry);
        let name = words.next().context("an exception in deny.toml names no crate")?;
        allowed.exceptions.insert(name, words.collect());
    }
    Ok(allowed)
}

fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

/// Whether an SPDX expression can be met with accepted licences.
fn satisfied(expression: &str, accepts: &dyn Fn(&str) -> bool) -> Result<bool> {
    ensure!(!expression.is_empty(), "no licence is named");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, accepts)?;
    ensure!(at == words.len(), "\"{}\" is not expected there", words[at]);
    Ok(met)
}

fn any(words: &[&str], at: &mut usize, accepts: &dyn Fn(&str) -> bool) -> Result<bool> {
    let mut met = all(words, at, accepts)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, accepts)?;
    }
    Ok(met)
}

fn all(words: &[&str], at: &mut usize, accepts: &dyn Fn(&str) -> bool) -> Result<bool> {
    let mut met = one(words, at, accepts)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, accepts)?;
    }
    Ok(met)
}

fn one(words: &[&str], at: &mut usize, accepts: &dyn Fn(&str) -> bool) -> Result<bool> {
    let word = *words.get(*at).context("the expression ends too early")?;
    *at += 1;
    if word == "(" {
        let met = any(words, at, accepts)?;
        ensure!(words.get(*at) == Some(&")"), "a bracket is not closed");
        *at += 1;
        return Ok(met);
    }
    if [")", "OR", "AND", "WITH"].contains(&word) {
        bail!("\"{word}\" stands where a licence should");
    }
    if words.get(*at) == Some(&"WITH") {
        // An exception only ever gives further permissions.
        *at += 2;
    }
    Ok(accepts(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed_as_spdx_means_them() {
        let accepts = |one: &str| ["MIT", "Apache-2.0"].contains(&one);
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-2.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0 OR MIT AND ISC", false),
        ] {
            assert_eq!(satisfied(expression, &accepts).unwrap(), met, "{expression}");
        }
        for broken in ["", "(MIT", "MIT OR", "OR MIT", "MIT ISC"] {
            assert!(satisfied(broken, &accepts).is_err(), "{broken}");
        }
    }

    #[test]
    fn lists_are_read_from_the_section() {
        let text = "[a]\nallow = [\"X\"]\n[licenses]\nversion = 2\nallow = [\n \"MIT\", # why\n \"ISC\",\n]\nexceptions = [\n { crate = \"w\", allow = [\"C\"] },\n]\n[bans]\n";
        let allowed = parse(text).unwrap();
        assert_eq!(allowed.everywhere, BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]));
        assert_eq!(allowed.exceptions, BTreeMap::from([("w".to_owned(), BTreeSet::from(["C".to_owned()]))]));
    }
}
