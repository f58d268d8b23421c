//! What the machine must have, and how it gets it: checked first, installed with a word, silent when nothing is missing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command::{Run, find, output};
use crate::screen::Screen;
use crate::workspace::Workspace;

/// The client's name on PyPI.
const OPENSTACK_CLIENT: &str = "python-openstackclient";

/// One Debian package, the programs it brings, and what for.
struct Need {
    package: &'static str,
    programs: &'static [&'static str],
    why: &'static str,
}

const ENGINE: Need =
    Need { package: "docker.io", programs: &["dockerd", "docker", "containerd"], why: "the container engine itself" };
const IMAGE: Need = Need { package: "busybox-static", programs: &[], why: "what runs in the containers" };
const ADDRESSES: Need = Need { package: "iproute2", programs: &["ip"], why: "private networks of the tests" };
const ORACLE: Need = Need { package: "nftables", programs: &["nft"], why: "a second opinion on our rules" };
const FLOWS: Need = Need { package: "conntrack", programs: &["conntrack"], why: "a second opinion on our flows" };
const THROUGHPUT: Need = Need { package: "iperf3", programs: &["iperf3"], why: "throughput of the benchmarks" };
const PINGS: Need = Need { package: "iputils-ping", programs: &["ping"], why: "packets that the tests send" };
const TLS: Need = Need { package: "curl", programs: &["curl"], why: "a client of the plugin over TLS" };
const CALLS: Need = Need { package: "strace", programs: &["strace"], why: "what the database does to its files" };
const ROOTS: Need = Need {
    package: "mmdebstrap",
    programs: &["mmdebstrap"],
    why: "clean machines, and a current engine, for the tests",
};
const POLICY: Need = Need { package: "lintian", programs: &["lintian"], why: "Debian's opinion on our package" };
const BINARIES: Need =
    Need { package: "binutils", programs: &["objdump", "strip"], why: "what a binary needs, for our package" };
const PYTHON: Need = Need { package: "python3-venv", programs: &[], why: "OpenStack and its public client" };

/// What a command is going to do, and so what it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Containers only.
    Demo,
    /// All tests.
    Test,
    /// The suite that every cloud is asked.
    Conformance,
    /// Benchmarks.
    Bench,
    /// A random load.
    Soak,
}

impl Purpose {
    fn needs(self) -> Vec<Need> {
        match self {
            Self::Demo | Self::Soak => vec![ENGINE, IMAGE, ADDRESSES],
            Self::Test => {
                vec![ENGINE, IMAGE, ADDRESSES, ORACLE, FLOWS, CALLS, PINGS, TLS, ROOTS, POLICY, BINARIES, PYTHON]
            }
            Self::Conformance => vec![ADDRESSES, ORACLE, PYTHON],
            Self::Bench => vec![ENGINE, IMAGE, ADDRESSES, THROUGHPUT, PYTHON],
        }
    }
}

/// Check the machine and install what is missing.
pub fn prepare(screen: &Screen, purpose: Purpose) -> Result<()> {
    require_root()?;
    let missing: Vec<Need> = purpose.needs().into_iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    require_debian(&missing)?;
    screen.say("This machine lacks some packages; they are installed from Debian now:");
    for need in &missing {
        screen.say(format!("  {:<16}{}", need.package, need.why));
    }
    let apt = |args: &[&str]| {
        Run::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "DPkg::Lock::Timeout=300", "-q", "-y"])
            .args(args)
    };
    screen.step("apt-get update", |progress| apt(&["update"]).run(progress))?;
    for need in &missing {
        screen.step(&format!("apt-get install {}", need.package), |progress| {
            apt(&["install", "--no-install-recommends", need.package]).run(progress)?;
            if !need.is_met() {
                bail!("{} was installed, but {} is still missing", need.package, need.programs.join(", "));
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl Need {
    fn is_met(&self) -> bool {
        if self.package == PYTHON.package {
            return python().is_some();
        }
        if self.programs.is_empty() {
            return output("dpkg-query", &["-W", "-f", "${db:Status-Status}", self.package])
                .is_ok_and(|status| status == "installed");
        }
        self.programs.iter().all(|program| find(program).is_some())
    }
}

fn require_root() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().nth(1));
    if uid != Some("0") {
        bail!(
            "this needs root (network namespaces, a container engine); run it again as root, for example: sudo -E cargo xtask …"
        );
    }
    Ok(())
}

/// Whether Debian 12's packages run here.
pub fn is_debian_12() -> bool {
    let (id, version) = system();
    id == "debian" && version == "12"
}

/// Memory that programs can have without swapping, in kB.
pub fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.split_whitespace().next()?.parse().ok()
}

/// Name and version of this system.
fn system() -> (String, String) {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    (value("ID"), value("VERSION_ID"))
}

fn require_debian(missing: &[Need]) -> Result<()> {
    let (id, version) = system();
    if id != "debian" || version != "12" {
        let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
        bail!(
            "only Debian 12 is prepared automatically, and this is {id} {version}; install what gives the programs of {} yourself",
            packages.join(", ")
        );
    }
    Ok(())
}

/// A Python that can make virtual environments.
fn python() -> Option<PathBuf> {
    [find("python3"), Some(PathBuf::from("/usr/bin/python3"))]
        .into_iter()
        .flatten()
        .find(|python| output(python, &["-c", "import venv, ensurepip"]).is_ok())
}

/// A Python that has the public openstack client, in a virtual environment below the target folder.
pub fn openstack_client(screen: &Screen, workspace: &Workspace) -> Result<PathBuf> {
    let folder = environment(screen, workspace, "openstackclient", OPENSTACK_CLIENT, "openstackclient.shell")?;
    Ok(folder.join("bin/python"))
}

/// The Python original, in a virtual environment below the target folder: the environment's folder.
pub fn original(screen: &Screen, workspace: &Workspace) -> Result<PathBuf> {
    environment(screen, workspace, "original", "kuryr-libnetwork", "kuryr_libnetwork.server")
}

/// A virtual environment with a package of PyPI that has this module. The tests look in the same place.
fn environment(screen: &Screen, workspace: &Workspace, name: &str, package: &str, module: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("tmp").join(name);
    let own = folder.join("bin/python");
    let find = format!("import importlib.util as u, sys; sys.exit(u.find_spec({module:?}) is None)");
    if output(&own, &["-c", &find]).is_ok() {
        return Ok(folder);
    }
    let python = python().context("no Python that can make a virtual environment")?;
    screen.say(format!("{package} is installed from PyPI into {} now.", folder.display()));
    screen.step(&format!("pip install {package}"), |progress| {
        Run::new(python).args(["-m", "venv", "--clear"]).args([&folder]).run(progress)?;
        Run::new(&own)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
            .run(progress)?;
        output(&own, &["-c", &find]).map(drop)
    })?;
    Ok(folder)
}
