//! What tests of packages need made: products by `cargo xtask dist`, a clean Debian.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::host::outside_command;
use crate::kuryr::binary;

/// Debian packages of the clean machine besides the essential ones.
const PACKAGES: &str = "systemd-sysv,docker.io,iptables,iproute2,ca-certificates,busybox-static,kmod";
/// The release that is installed.
const RELEASE: &str = "bookworm";

/// Makes what is costly once, whichever test comes first; others wait.
pub struct Making {
    cache: PathBuf,
}

impl Making {
    /// What is made is kept in this folder from one run to the next.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into() }
    }

    /// The root of a clean Debian with an engine. The error is the reason why it cannot be had.
    pub fn clean_root(&self) -> Result<PathBuf> {
        let root = self.cache.join("clean-root").join(RELEASE);
        fs::create_dir_all(&self.cache)?;
        let lock = File::create(self.cache.join("clean-root.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        if !root.join("usr/sbin/dockerd").exists() {
            debootstrap(&root)?;
        }
        Ok(root)
    }
}

fn run(command: &mut Command) -> Result<String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}: {}", output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Make a product from the binary under test, in a folder of its own.
pub fn product(name: &str, out: &Path) -> Result<String> {
    let binary = binary()?;
    let xtask = binary.with_file_name("xtask");
    ensure!(xtask.is_file(), "no xtask beside {}; build it (cargo build -p xtask)", binary.display());
    let mut command = Command::new(xtask);
    // The workspace, wherever the test was started.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env_remove("CARGO_MANIFEST_DIR");
    run(command.args(["dist", name, "--quick", "--binary"]).arg(&binary).arg("--out").arg(out))
}

/// Make a Debian package of the binary under test in this folder; the answer is its path.
pub fn package(out: &Path) -> Result<PathBuf> {
    product("deb", out)?;
    let paths: Vec<PathBuf> =
        fs::read_dir(out)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    paths.into_iter().find(is_package).context("no package was made")
}

fn debootstrap(root: &Path) -> Result<()> {
    let targets = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME)",
        "Created-By: Packages",
    ]))
    .context("this is no Debian")?;
    let mirror = targets.lines().find_map(|line| line.strip_suffix(&format!(" {RELEASE}")));
    let mirror = mirror.with_context(|| format!("apt knows no mirror of {RELEASE}"))?;
    let unfinished = root.with_extension("unfinished");
    drop(fs::remove_dir_all(&unfinished));
    fs::create_dir_all(&unfinished)?;
    let include = format!("--include={PACKAGES}");
    run(outside_command("mmdebstrap")?
        .args(["--quiet", "--variant=apt", &include, "--aptopt=Acquire::Check-Valid-Until \"false\""])
        .args(["--keyring=/usr/share/keyrings/debian-archive-keyring.gpg", RELEASE])
        .arg(&unfinished)
        .arg(mirror))
    .context("no clean Debian (mmdebstrap makes it)")?;
    drop(fs::remove_dir_all(root));
    Ok(fs::rename(unfinished, root)?)
}
