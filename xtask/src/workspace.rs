//! Where the workspace and its build output are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{Run, output};
use crate::screen::Screen;

/// The cargo that runs us, so that a chosen toolchain stays chosen.
pub fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Paths of this workspace.
pub struct Workspace {
    /// Folder of the root Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Packages of the workspace, as `cargo metadata` tells them.
    pub packages: Vec<Value>,
}

impl Workspace {
    /// Ask cargo.
    pub fn find() -> Result<Self> {
        // A packaged cargo sets this to the xtask folder, from which cargo finds the workspace.
        if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
            std::env::set_current_dir(&folder).with_context(|| format!("cannot enter {}", folder.display()))?;
        }
        let metadata = metadata(&["--no-deps"])?;
        let path = |key: &str| -> Result<PathBuf> {
            Ok(PathBuf::from(metadata[key].as_str().with_context(|| format!("cargo metadata has no {key}"))?))
        };
        let root = path("workspace_root")?;
        std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        Ok(Self { target: path("target_directory")?, packages, root })
    }

    /// Folder for logs and state of the automation.
    pub fn scratch(&self) -> Result<PathBuf> {
        let folder = self.target.join("xtask");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Build the product and the programs that drive it with optimisation; their folder.
    pub fn release(&self, screen: &Screen) -> Result<PathBuf> {
        let log = self.scratch()?.join("release.log");
        screen.step("build with optimisation", |progress| {
            Run::new(cargo())
                .args(["build", "--release", "-p", "kuryr", "-p", "kuryr-tests", "--bins"])
                .dir(&self.root)
                .log(log)
                .run(progress)
        })?;
        Ok(self.target.join("release"))
    }

    /// Path as people read it, from the root.
    pub fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// `cargo metadata` with further arguments.
pub fn metadata(args: &[&str]) -> Result<Value> {
    let mut all = vec!["metadata", "--format-version", "1"];
    all.extend(args);
    serde_json::from_str(&output(cargo(), &all)?).context("cargo metadata is not JSON")
}
