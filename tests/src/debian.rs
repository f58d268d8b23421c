//! Programs of Debian that tests ask for a second opinion: unpacked beside the system, never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// The folder with these packages, and with what they need and this machine lacks; the error says why there is none.
/// It is cached under this name.
pub fn unpacked(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/kuryr-rig");
    let folder = std::env::var_os("KURYR_RIG_CACHE").map_or_else(home, PathBuf::from).join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig/guest/unpack.sh");
    let output = Command::new(script).arg(&folder).args(packages).output()?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", reason.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(folder)
}
