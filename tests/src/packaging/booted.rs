//! A clean Debian that boots: systemd as first process, in namespaces of its own, its changes in memory.
//!
//! As a host of an OpenStack it is in that one's network, beside its switch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::making::{self, Making};
use crate::cloud::Cloud;
use crate::engine::Engine;
use crate::host::outside;
use crate::kuryr::Paths;
use crate::openstack::OpenStack;
use crate::rig::skip;
use crate::{until, until_within};

/// Takes the shell into control groups of its own, then boots: arguments are the clean root, a folder, a name, a host name,
/// and for a host of an OpenStack the folder below `/run` that it sees. Nothing but its own may it change there.
const BOOT: &str = r#"
set -eu
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mkdir "/sys/fs/cgroup/$3"; echo $$ > "/sys/fs/cgroup/$3/cgroup.procs"
else
    for hierarchy in /sys/fs/cgroup/*/; do
        mkdir "$hierarchy$3"
        [ ! -f "$hierarchy$3/cpuset.cpus" ] || for part in cpus mems; do
            cat "${hierarchy}cpuset.$part" > "$hierarchy$3/cpuset.$part"
        done
        echo $$ > "$hierarchy$3/cgroup.procs"
    done
fi
net=--net
[ -z "$5" ] || net=
exec unshare --mount $net --pid --uts --ipc --cgroup --fork --kill-child=KILL sh -euc '
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
mkdir "$2/up" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup
    for hierarchy in /sys/fs/cgroup/*/; do
        name=$(basename "$hierarchy"); mkdir "sys/fs/cgroup/$name"
        case $name in
            systemd) mount -t cgroup -o none,name=systemd cgroup "sys/fs/cgroup/$name" ;;
            unified) mount -t cgroup2 cgroup2 "sys/fs/cgroup/$name" ;;
            *) mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name" ;;
        esac
    done
fi
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/lock
if [ -n "$4" ]; then
    mkdir -p "run/${4#/run/}"
    mount --bind "$4" "run/${4#/run/}"
    ln -s /dev/null etc/systemd/system/systemd-sysctl.service
    mkdir -p etc/docker
    echo "{\"bridge\": \"none\", \"iptables\": false, \"ip6tables\": false, \"ip-forward\": false}" > etc/docker/daemon.json
fi
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console
mkdir old
pivot_root . old
umount -l /old
mount --make-rshared /
hostname "$3"
ip link set lo up
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init systemd.unit=multi-user.target
' sh "$1" "$2" "$4" "$5"
"#;

/// Where the package is on the machine.
pub const PACKAGE: &str = "/root/kuryr.deb";
/// A busy machine boots slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running machine.
pub struct Booted {
    supervisor: Child,
    first: u32,
    name: String,
    state: TempDir,
}

impl Booted {
    fn boot(root: &Path, openstack: Option<&OpenStack>) -> Result<Self> {
        let state = TempDir::with_prefix("kuryr-box-")?;
        let name = format!("kuryr-box-{}", uuid::Uuid::new_v4().simple());
        let log = fs::File::create(state.path().join("log"))?;
        let changes = state.path().join("changes");
        fs::create_dir(&changes)?;
        let mut supervisor = Command::new("nsenter");
        supervisor.arg(format!("--mount={}", outside()?.join("ns/mnt").display()));
        if let Some(openstack) = openstack {
            supervisor.arg(format!("--net={}", openstack.namespace.display()));
        }
        let (hostname, folder) =
            openstack.map_or(("box", Path::new("")), |openstack| (&openstack.host, &openstack.folder));
        let supervisor = supervisor
            .args(["sh", "-c", BOOT, "sh"])
            .args([root, &changes])
            .args([&name, hostname])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run nsenter")?;
        let mut booted = Self { supervisor, first: 0, name, state };
        let outer = booted.supervisor.id();
        let children = format!("/proc/{outer}/task/{outer}/children");
        booted.first = until("the first process", || {
            // Before it becomes this, the shell has children of other kinds.
            let program = fs::read_to_string(format!("/proc/{outer}/comm"))?;
            ensure!(program.trim() == "unshare", "there is only {program}");
            let text = fs::read_to_string(&children).unwrap_or_default();
            text.split_whitespace().next().and_then(|pid| pid.parse().ok()).context("there is none")
        })?;
        until_within(PATIENCE, "systemd to have booted", || {
            ensure!(booted.supervisor.try_wait()?.is_none(), "it ended: {}", booted.console());
            let state = booted.output("systemctl", &["is-system-running"])?;
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            // A container has no console of its own, so its getty fails.
            ensure!(matches!(state.as_str(), "running" | "degraded"), "it is {state:?}: {}", booted.console());
            Ok(())
        })?;
        Ok(booted)
    }

    fn console(&self) -> String {
        fs::read_to_string(self.state.path().join("log")).unwrap_or_default()
    }

    /// A folder on the real disk that lives as long as the machine.
    pub fn scratch(&self) -> &Path {
        self.state.path()
    }

    /// A path of this machine, as seen from outside of it.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        PathBuf::from(format!("/proc/{}/root", self.first)).join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--all", "--"]).arg(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root").stdin(Stdio::null());
        command
    }

    /// How a command ended.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        self.command(program).args(arguments).output().with_context(|| format!("cannot run {program}"))
    }

    /// Standard output of a command that must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(program, arguments)?;
        ensure!(
            output.status.success(),
            "`{program} {}` ended with {}: {}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            String::from_utf8_lossy(&output.stdout).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Write a file of this machine.
    pub fn write(&self, inside: &str, content: &str) -> Result<()> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {inside}"))
    }

    /// Install the package of the binary under test.
    pub fn install(&self) -> Result<()> {
        let package = making::package(self.scratch())?;
        fs::copy(package, self.path(PACKAGE))?;
        self.run("dpkg", &["--force-confold", "--install", PACKAGE]).map(drop)
    }

    /// Its engine, with the image of the tests.
    pub fn engine(&self) -> Result<Engine> {
        let engine = Engine::new(&self.path("/run/docker.sock"));
        until("the engine to answer", || engine.docker(&["version"]).map(drop))?;
        engine.image(self.scratch())?;
        Ok(engine)
    }

    /// A client of the embedded cloud.
    pub fn cloud(&self) -> Result<Cloud> {
        until("the embedded cloud", || Cloud::connect(&self.path(Paths::API), &self.path(Paths::CLOUDS)))
    }

    /// The state of a unit, as `systemctl is-active` names it.
    pub fn active(&self, unit: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.output("systemctl", &["is-active", unit])?.stdout).trim().to_owned())
    }

    /// One property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> Result<String> {
        self.run("systemctl", &["show", "--value", "--property", name, unit])
    }

    /// The last lines of Kuryr's log.
    pub fn log(&self) -> String {
        self.run("journalctl", &["--no-pager", "--lines=40", "--unit=kuryr"]).unwrap_or_default()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // The machine's first process dies with it, and all others with that.
        drop(self.supervisor.kill());
        drop(self.supervisor.wait());
        let Ok(hierarchies) = fs::read_dir("/sys/fs/cgroup") else { return };
        let folders = hierarchies.flatten().map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
        for folder in folders.map(|folder| folder.join(&self.name)).filter(|folder| folder.is_dir()) {
            // The kernel needs a moment to notice that the processes are gone.
            drop(until("control groups to be empty", || remove_tree(&folder)));
        }
    }
}

fn remove_tree(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_tree(&path)?;
        }
    }
    Ok(fs::remove_dir(folder)?)
}

/// Run a test on a booted machine; Kuryr's log is shown if it fails.
pub fn with_booted(
    making: &Making,
    openstack: Option<&OpenStack>,
    test: impl FnOnce(&Booted) -> Result<()>,
) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return skip("not root");
    }
    let root = match making.clean_root() {
        Ok(root) => root,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let booted = match Booted::boot(&root, openstack) {
        Ok(booted) => booted,
        Err(reason) => return skip(&format!("systemd does not boot in namespaces here: {reason:#}")),
    };
    test(&booted).inspect_err(|_| eprintln!("--- kuryr: last lines\n{}", booted.log()))
}
