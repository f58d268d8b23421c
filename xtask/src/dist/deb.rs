//! The Debian package, made with dpkg-deb alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::libraries;
use crate::command::{Run, output};
use crate::screen::Progress;
use crate::workspace::Workspace;

/// Folders of the package, all of mode 0755.
const FOLDERS: [&str; 9] = [
    "DEBIAN",
    "etc/kuryr",
    "lib/systemd/system",
    "usr/bin",
    "usr/share/bash-completion/completions",
    "usr/share/doc/kuryr/examples",
    "usr/share/lintian/overrides",
    "usr/share/man/man8",
    "usr/share/doc",
];

/// Names under which the binary stands in for the original's programs.
const NAMES: [&str; 2] = ["kuryr-server", "kuryr-status"];

/// A package about to be packed.
struct Tree<'a> {
    workspace: &'a Workspace,
    binary: &'a Path,
    root: PathBuf,
}

/// Make the package; the answer is its path.
pub fn make(workspace: &Workspace, binary: &Path, out: &Path, quick: bool, progress: &Progress) -> Result<PathBuf> {
    let tree = Tree { workspace, binary, root: out.join("deb") };
    let time = time(workspace)?;
    tree.fresh()?;
    tree.programs(progress)?;
    tree.settings()?;
    tree.documents(&time)?;
    let (version, architecture) = (version(workspace)?, output("dpkg", &["--print-architecture"])?);
    tree.control(&version, architecture.trim())?;
    let package = out.join(format!("kuryr_{version}_{}.deb", architecture.trim()));
    let compression: &[&str] = if quick { &["-Zgzip", "-z1"] } else { &["-Zxz"] };
    Run::new("dpkg-deb")
        .env("SOURCE_DATE_EPOCH", time.epoch)
        .args(["--root-owner-group"])
        .args(compression)
        .args(["--build"])
        .args([&tree.root, &package])
        .run(progress)?;
    Ok(package)
}

/// When the source was last changed: the same source gives the same package.
struct Time {
    epoch: String,
    written: String,
}

fn time(workspace: &Workspace) -> Result<Time> {
    let root = workspace.root.to_string_lossy();
    let text = output("git", &["-C", &root, "log", "-1", "--format=%ct%n%cD"])?;
    let (epoch, written) = text.trim().split_once('\n').context("git has no commit")?;
    Ok(Time { epoch: epoch.to_owned(), written: written.to_owned() })
}

fn version(workspace: &Workspace) -> Result<String> {
    let package = workspace.packages.iter().find(|package| package["name"] == "kuryr");
    let version = package.and_then(|package| package["version"].as_str()).context("there is no package kuryr")?;
    Ok(version.to_owned())
}

impl Tree<'_> {
    fn fresh(&self) -> Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", self.root.display()));
            }
            _ => {}
        }
        for folder in FOLDERS {
            let path = self.root.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
            // Whatever this user's mask is.
            let mut folder = Some(path.as_path());
            while let Some(path) = folder.filter(|path| path.starts_with(&self.root)) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
                folder = path.parent();
            }
        }
        Ok(())
    }

    fn source(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.workspace.root.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let path = self.root.join(path);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
    }

    fn programs(&self, progress: &Progress) -> Result<()> {
        let inside = self.root.join("usr/bin/kuryr");
        Run::new("strip").args(["--strip-unneeded", "-o"]).args([&inside]).args([self.binary]).run(progress)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
        for name in NAMES {
            symlink("kuryr", self.root.join("usr/bin").join(name))?;
        }
        for unit in ["kuryr.service", "kuryr.socket"] {
            let text = self.source(&format!("packaging/systemd/{unit}"))?;
            self.write(&format!("lib/systemd/system/{unit}"), &text, 0o644)?;
        }
        Ok(())
    }

    fn settings(&self) -> Result<()> {
        // A password will be written into it.
        self.write("etc/kuryr/kuryr.conf", output(self.binary, &["config", "sample"])?.as_bytes(), 0o640)?;
        self.write("DEBIAN/conffiles", b"/etc/kuryr/kuryr.conf\n", 0o644)?;
        let completion = output(self.binary, &["completion", "bash"])?;
        self.write("usr/share/bash-completion/completions/kuryr", completion.as_bytes(), 0o644)
    }

    fn documents(&self, time: &Time) -> Result<()> {
        for name in ["kuryr"].iter().chain(&NAMES) {
            let page = output(self.binary, &["manual", name])?;
            self.compressed(&format!("usr/share/man/man8/{name}.8"), page.as_bytes())?;
        }
        let changes = format!(
            "kuryr ({}) unstable; urgency=medium\n\n  * Package of this version.\n\n -- OpenStack Kuryr \
             <openstack-discuss@lists.openstack.org>  {}\n",
            version(self.workspace)?,
            time.written
        );
        self.compressed("usr/share/doc/kuryr/changelog", changes.as_bytes())?;
        self.write("usr/share/doc/kuryr/copyright", &self.source("packaging/deb/copyright")?, 0o644)?;
        self.write("usr/share/doc/kuryr/upgrade.md", &self.source("docs/upgrade.md")?, 0o644)?;
        let example = self.source("packaging/systemd/openstack.conf")?;
        self.write("usr/share/doc/kuryr/examples/openstack.conf", &example, 0o644)?;
        self.write("usr/share/lintian/overrides/kuryr", &self.source("packaging/deb/lintian-overrides")?, 0o644)
    }

    fn compressed(&self, path: &str, content: &[u8]) -> Result<()> {
        self.write(path, content, 0o644)?;
        output("gzip", &["--best", "--no-name", &self.root.join(path).to_string_lossy()]).map(drop)
    }

    fn control(&self, version: &str, architecture: &str) -> Result<()> {
        for script in ["postinst", "prerm", "postrm"] {
            self.write(&format!("DEBIAN/{script}"), &self.source(&format!("packaging/deb/{script}"))?, 0o755)?;
        }
        let mut files = Vec::new();
        list(&self.root, &self.root, &mut files)?;
        let mut bytes = 0;
        let mut sums = String::new();
        for file in files.iter().filter(|file| !file.starts_with("DEBIAN")) {
            let path = self.root.join(file);
            bytes += fs::metadata(&path)?.len();
            let sum = output("md5sum", &[&path.to_string_lossy()])?;
            let sum = sum.split_whitespace().next().context("md5sum says nothing")?;
            sums.push_str(&format!("{sum}  {}\n", file.display()));
        }
        self.write("DEBIAN/md5sums", sums.as_bytes(), 0o644)?;
        let depends = format!(
            "init-system-helpers (>= 1.54~), libc6 (>= {}), libgcc-s1 (>= 4.2)",
            libraries::glibc(self.binary)?
        );
        let mut control = String::from_utf8(self.source("packaging/deb/control")?)?;
        for (mark, value) in [
            ("@VERSION@", version),
            ("@ARCHITECTURE@", architecture),
            ("@SIZE@", &(bytes / 1024 + 1).to_string()),
            ("@DEPENDS@", &depends),
        ] {
            ensure!(control.contains(mark), "packaging/deb/control has no {mark}");
            control = control.replace(mark, value);
        }
        self.write("DEBIAN/control", control.as_bytes(), 0o644)
    }
}

/// Regular files below a folder, by their paths from the root, sorted.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}
