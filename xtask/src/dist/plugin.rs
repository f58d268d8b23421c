//! Docker's managed plugin: a root file system with the binary and what it needs, and its description.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::libraries;
use crate::command::Run;
use crate::screen::Progress;
use crate::workspace::Workspace;

/// Certificates of public authorities, which the plugin cannot take from its host.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Make the folder that `docker plugin create` takes.
pub fn make(workspace: &Workspace, binary: &Path, out: &Path, progress: &Progress) -> Result<PathBuf> {
    let folder = out.join("docker-plugin");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
        }
        _ => {}
    }
    let root = folder.join("rootfs");
    for inside in
        ["var/lib/kuryr", "usr/bin", "etc/kuryr", "etc/ssl/certs", "run/docker/plugins", "proc", "sys", "dev", "tmp"]
    {
        let path = root.join(inside);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    // Docker names the network namespaces of containers, and by default Kuryr names Docker's socket, below /var/run.
    symlink("../run", root.join("var/run")).context("cannot link var/run")?;
    let inside = root.join("usr/bin/kuryr");
    Run::new("strip").args(["--strip-unneeded", "-o"]).args([&inside]).args([binary]).run(progress)?;
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
    for library in libraries::of(binary)? {
        copy(&library, &root)?;
    }
    if Path::new(AUTHORITIES).exists() {
        copy(Path::new(AUTHORITIES), &root)?;
    }
    fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n")?;
    fs::copy(workspace.root.join("packaging/docker-plugin/config.json"), folder.join("config.json"))
        .context("cannot copy packaging/docker-plugin/config.json")?;
    Ok(folder)
}

/// Copy a file of this machine to the same path below a root; links are followed.
fn copy(file: &Path, root: &Path) -> Result<()> {
    let target = root.join(file.strip_prefix("/").unwrap_or(file));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::copy(file, &target).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
