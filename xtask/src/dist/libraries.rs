//! What a binary needs of the machine it runs on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::output;

/// The shared libraries of a binary, its loader among them, by the paths at which it looks for them.
pub fn of(binary: &Path) -> Result<Vec<PathBuf>> {
    Ok(paths(&output("ldd", &[&binary.to_string_lossy()])?))
}

fn paths(listing: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let path = line.split_once("=>").map_or(line, |(_, path)| path).split_whitespace().next()?.to_owned();
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    listing.lines().filter_map(path).collect()
}

/// The oldest glibc that has every symbol the binary uses.
pub fn glibc(binary: &Path) -> Result<String> {
    let listing = output("objdump", &["-T", &binary.to_string_lossy()])?;
    let newest = newest(&listing).context("the binary uses no symbol of glibc")?;
    Ok(newest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

fn newest(listing: &str) -> Option<Vec<u32>> {
    let versions = listing.split("GLIBC_").skip(1).filter_map(|rest| {
        let text: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_listing() {
        let listing =
            "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(paths(listing), [PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"), PathBuf::from("/lib64/ld.so")]);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(newest("a (GLIBC_2.9) b\nc (GLIBC_2.34) d\ne (GLIBC_2.2.5) f\n"), Some(vec![2, 34]));
        assert_eq!(newest("nothing"), None);
    }
}
