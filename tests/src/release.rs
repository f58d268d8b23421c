//! Which engine a test runs: the one of this machine, or a newer one in a root of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// An engine's release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// What is installed on this machine.
    Installed,
    /// What is in this folder, a root of its own; it is never written to.
    Root(PathBuf),
}

impl Release {
    /// The current engine, of Debian's unstable suite; downloaded once. The error says why there is none.
    pub fn current() -> Result<Self> {
        let output = Command::new(script("root")).output().context("cannot run rig/docker/root")?;
        let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            bail!("{}", if told.is_empty() { String::from_utf8_lossy(&output.stderr).trim().to_owned() } else { told });
        }
        Ok(Self::Root(PathBuf::from(told)))
    }

    /// What to run on a private machine instead of this command of the engine.
    pub(crate) fn command(&self, words: &[&str]) -> Vec<String> {
        let before = match self {
            Self::Installed => Vec::new(),
            Self::Root(root) => [script("inside").as_path(), root].map(|path| path.display().to_string()).to_vec(),
        };
        before.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig/docker").join(name)
}
