//! A small machine of its own: private namespaces, a private `/run`, an uplink to the outside.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::openstack::OpenStack;
use crate::world::World;

/// Runs as the first process of the machine. Everything below stays inside its namespaces; when its standard input
/// closes, it ends, and with it all processes of the machine. `$1` is the machine's name, `$2` a folder below `/run`
/// that it sees of the outer machine, or nothing.
const BOOT: &str = r#"
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/netns /mnt/lock /mnt/cgroup /mnt/home /mnt/layers/etc /mnt/layers/etc-work /mnt/layers/lib /mnt/layers/lib-work
# What an engine keeps is in another mount than /run, as anywhere: a managed plugin cannot follow the mount that holds its
# own root.
mkdir /mnt/docker-data
mount --bind /mnt/docker-data /mnt/docker-data
if [ -n "$2" ]; then
    mkdir -p "/mnt/${2#/run/}"
    mount --bind "$2" "/mnt/${2#/run/}"
fi
mount --no-mtab --move /mnt /run
# What is written below /etc and /var/lib stays in memory.
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/layers/etc,workdir=/run/layers/etc-work /etc
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=/run/layers/lib,workdir=/run/layers/lib-work /var/lib
rm -rf /etc/docker /etc/kuryr /var/lib/docker /var/lib/kuryr
# A new /sys shows this machine's interfaces; the control groups are moved over from the old one.
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
umount -lR /run/cgroup
# As on any machine: what an engine mounts there, such as containers' namespaces, all processes see.
mount --make-shared /run
hostname "$1"
"#;

/// The uplink of a machine that has a network of its own.
const UPLINK: &str = r#"
ip link set lo up
ip netns add outside
ip link add uplink type veth peer name world netns outside
ip address add 192.0.2.2/24 dev uplink
ip address add 2001:db8:ffff::2/64 dev uplink nodad
ip link set uplink up
ip -n outside address add 192.0.2.1/24 dev world
ip -n outside address add 2001:db8:ffff::1/64 dev world nodad
ip -n outside address add 198.51.100.1/32 dev lo
ip -n outside address add 2001:db8:eeee::1/128 dev lo nodad
ip -n outside link set lo up
ip -n outside link set world up
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8:ffff::1
"#;

/// Booted; what remains is to end with whoever started the machine.
const READY: &str = r#"
echo ready
exec 3<&0
cat <&3 >/dev/null &
wait $!
"#;

/// A running machine.
pub struct Host {
    supervisor: Child,
    first: u32,
    name: String,
    state: TempDir,
    shares_network: bool,
    control_groups: PathBuf,
}

impl Host {
    /// Address of the machine's uplink, as the outside sees it.
    pub const ADDRESS: &'static str = "192.0.2.2";
    /// The same for IPv6.
    pub const ADDRESS6: &'static str = "2001:db8:ffff::2";

    /// Boot a machine; its files live in the system's folder for temporary files.
    pub fn boot() -> Result<Self> {
        Self::boot_with(None)
    }

    /// Boot a machine that is one of the hosts of this OpenStack: it is in its network, beside its switch.
    pub fn boot_in(openstack: &OpenStack) -> Result<Self> {
        Self::boot_with(Some(openstack))
    }

    fn boot_with(openstack: Option<&OpenStack>) -> Result<Self> {
        let state = TempDir::with_prefix("kuryr-rig-").context("cannot make a scratch folder")?;
        let name = format!("kuryr-rig-{}", uuid::Uuid::new_v4().simple());
        let unshare = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL"];
        let script = format!("{BOOT}{}{READY}", if openstack.is_none() { UPLINK } else { "" });
        let outside = outside()?;
        let control_groups = outside.join("root/sys/fs/cgroup");
        let mut supervisor = match openstack {
            // Both programs execute the next one, so that the child is `unshare` in either case.
            Some(openstack) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--mount={}", outside.join("ns/mnt").display()));
                command.arg(format!("--net={}", openstack.namespace.display())).args(unshare);
                command
            }
            None => {
                let mut command = Command::new(unshare[0]);
                command.args(&unshare[1..]).arg("--net");
                command
            }
        };
        let (hostname, folder) =
            openstack.map_or(("rig", Path::new("")), |openstack| (&openstack.host, &openstack.folder));
        let mut supervisor = supervisor
            .args(["sh", "-c", &script, "sh", hostname])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let out = supervisor.stdout.take().context("unshare has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        if line.trim() != "ready" {
            let mut errors = String::new();
            if let Some(mut stderr) = supervisor.stderr.take() {
                stderr.read_to_string(&mut errors)?;
            }
            drop(supervisor.wait());
            bail!("the private machine does not boot: {}", errors.trim());
        }
        let outer = supervisor.id();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))
            .context("cannot find the first process of the private machine")?;
        let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let first = first.with_context(|| format!("unshare has no child: {children:?}"))?;
        Ok(Self { supervisor, first, name, state, shares_network: openstack.is_some(), control_groups })
    }

    /// Whether others are in the same network: nothing of it may be changed but what is the machine's own.
    pub fn shares_network(&self) -> bool {
        self.shares_network
    }

    /// Its first process, as the outer machine counts.
    pub(crate) fn pid(&self) -> u32 {
        self.first
    }

    /// A name that no other machine has, also the parent of its control groups.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder on the real disk that lives as long as the machine.
    pub fn scratch(&self) -> &Path {
        self.state.path()
    }

    /// A path of this machine, as seen from outside of it. Works for files and for unix sockets.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        PathBuf::from(format!("/proc/{}/root", self.first)).join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.first.to_string(),
                "--mount",
                "--net",
                "--pid",
                "--uts",
                "--ipc",
                "--root",
                "--wd",
                "--",
            ])
            .arg(program)
            .env("HOME", "/run/home")
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OS_") || name.starts_with("DOCKER_")) {
            command.env_remove(name);
        }
        command
    }

    /// Run a command inside to its end.
    pub fn output(&self, words: &[&str]) -> Result<Output> {
        let (program, arguments) = words.split_first().context("no command")?;
        self.command(program).args(arguments).output().with_context(|| format!("cannot run {program}"))
    }

    /// Standard output of a command that must succeed.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let output = self.output(words)?;
        ensure!(
            output.status.success(),
            "`{}` ended with {}: {}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Start a process inside and leave it running; its output goes to a file of this machine. The answer is its pid
    /// inside.
    pub fn start(&self, words: &[&str], environment: &[(&str, &str)], log: &str) -> Result<Started> {
        let pid_file = format!("{log}.pid");
        drop(fs::remove_file(self.path(&pid_file)));
        let mut command = self.command("sh");
        command.args(["-c", r#"log=$1; shift; echo $$ > "$log.pid"; exec "$@" >> "$log" 2>&1"#, "sh", log]).args(words);
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut entry = command.spawn().with_context(|| format!("cannot start {}", words.join(" ")))?;
        let pid = crate::until("a process to start", || {
            ensure!(entry.try_wait()?.is_none_or(|status| status.success()), "it ended at once");
            let text = fs::read_to_string(self.path(&pid_file))?;
            ensure!(text.ends_with('\n'), "its pid is not written yet");
            text.trim().parse().context("its pid is no number")
        })?;
        Ok(Started { entry, pid })
    }

    /// Send a signal to a process by its pid inside.
    pub fn signal(&self, pid: u32, signal: &str) -> Result<()> {
        self.run(&["kill", signal, &pid.to_string()]).map(drop)
    }

    /// End all processes inside that have one of these names, at once and without a word.
    pub fn kill(&self, names: &[&str]) -> Result<()> {
        let mut pids = Vec::new();
        for entry in fs::read_dir(self.path("/proc"))?.flatten() {
            // It may have ended since; the kernel cuts names to 15 bytes.
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let pid = entry.file_name().into_string().unwrap_or_default();
            if pid.parse::<u32>().is_ok_and(|pid| pid != 1)
                && names.iter().any(|known| known.starts_with(name.trim_end()) && !name.trim().is_empty())
            {
                pids.push(pid);
            }
        }
        let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
        // One may have ended by itself when the one that started it did.
        self.output(&[&["kill", "-KILL"], &pids[..]].concat()).map(drop)
    }

    /// A file that is this machine's network namespace.
    pub fn network(&self) -> Result<File> {
        let path = format!("/proc/{}/ns/net", self.first);
        File::open(&path).with_context(|| format!("cannot open {path}"))
    }

    /// What is beyond the uplink.
    pub fn world(&self) -> Result<World> {
        World::open(&self.path("/run/netns/outside"))
    }
}

/// A process that was started inside.
pub struct Started {
    entry: Child,
    /// Its pid inside.
    pub pid: u32,
}

impl Started {
    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.entry.try_wait()?)
    }

    /// Wait for its end.
    pub fn wait(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.entry.wait()?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Only the messenger ends here; the process itself ends with its machine.
        drop(self.entry.kill());
        drop(self.entry.wait());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.first).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        drop(self.supervisor.wait());
        remove_control_groups(&self.control_groups, &self.name);
    }
}

/// A command with the mounts and the network of the machine that runs the tests, also from within an OpenStack's.
pub(crate) fn outside_command(program: impl AsRef<OsStr>) -> Result<Command> {
    let outside = outside()?;
    let mut command = Command::new("nsenter");
    for (option, name) in [("mount", "mnt"), ("net", "net")] {
        command.arg(format!("--{option}={}", outside.join("ns").join(name).display()));
    }
    command.arg(program);
    Ok(command)
}

/// Folder in `/proc` of the nearest process, from this one upwards, that sees control groups: `ip netns exec`, in which a
/// test of an OpenStack may run, hides them.
pub(crate) fn outside() -> Result<PathBuf> {
    let mut folder = PathBuf::from("/proc/self");
    loop {
        if fs::read_dir(folder.join("root/sys/fs/cgroup")).is_ok_and(|mut groups| groups.next().is_some()) {
            return Ok(folder);
        }
        let status = fs::read_to_string(folder.join("status")).context("cannot read about an ancestor")?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or_default().trim();
        ensure!(!["", "0"].contains(&parent), "there are no control groups in /sys/fs/cgroup");
        folder = Path::new("/proc").join(parent);
    }
}

/// Control groups outlive their processes; remove this machine's from every hierarchy.
fn remove_control_groups(root: &Path, name: &str) {
    let Ok(hierarchies) = fs::read_dir(root) else { return };
    let folders = hierarchies.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    for folder in folders.chain([root.to_owned()]).map(|folder| folder.join(name)).filter(|folder| folder.is_dir()) {
        // The kernel needs a moment to notice that the processes are gone.
        drop(crate::until("control groups to be empty", || remove_tree(&folder)));
    }
}

fn remove_tree(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_tree(&path)?;
        }
    }
    fs::remove_dir(folder)?;
    Ok(())
}
