//! A real Open vSwitch in a network namespace of its own: Debian's, unpacked into a cache.

#![allow(dead_code, reason = "each test program uses a part")]

use kuryr_netlink::Namespace;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rig/guest/unpack.sh");
/// Enough for an emulated processor too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Open vSwitch is unpacked, or why it is not. Said aloud: a test that does nothing must not look like one that
/// passed.
pub fn unpacked() -> Option<PathBuf> {
    let cache = std::env::var_os("KURYR_RIG_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/kuryr-rig"),
        PathBuf::from,
    );
    let folder = cache.join("openvswitch");
    let output = Command::new(RIG).arg(&folder).args(["openvswitch-switch", "openvswitch-common"]).output();
    match output {
        Ok(output) if output.status.success() => Some(folder),
        Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(&error.to_string()),
    }
}

fn skip(reason: &str) -> Option<PathBuf> {
    // One line: whoever counts tests reads it.
    println!("skipped: no Open vSwitch to test with: {}", reason.split_whitespace().collect::<Vec<_>>().join(" "));
    None
}

/// A database server, a switch, and bridge `br-int`. They end with it.
pub struct Switch {
    pub namespace: Namespace,
    folder: PathBuf,
    run: tempfile::TempDir,
    database: Option<Child>,
    daemon: Option<Child>,
}

impl Drop for Switch {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.database].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Switch {
    /// Starts all on the userspace datapath; nothing where there is no Open vSwitch to start.
    pub fn start() -> Option<Self> {
        Self::start_on("netdev")
    }

    /// Starts all on a datapath: `netdev`, or the kernel's, `system`.
    pub fn start_on(datapath: &str) -> Option<Self> {
        let mut switch = Self::database_only()?;
        assert!(switch.command("ovs-vsctl", ["--no-wait", "init"]).status.success());
        if datapath == "system" {
            Self::wait_for_processors();
        }
        switch.start_daemon();
        let datapath = format!("datapath_type={datapath}");
        switch.vsctl(["add-br", "br-int", "--", "set", "Bridge", "br-int", &datapath]);
        Some(switch)
    }

    /// Starts the database server alone.
    pub fn database_only() -> Option<Self> {
        let folder = unpacked()?;
        let run = tempfile::tempdir().unwrap();
        let namespace = Namespace::anonymous().unwrap();
        let mut switch = Self { namespace, folder, run, database: None, daemon: None };
        let schema = switch.folder.join("usr/share/openvswitch/vswitch.ovsschema");
        let made = switch.command("ovsdb-tool", [OsStr::new("create"), switch.file().as_ref(), schema.as_ref()]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        switch.start_database();
        Some(switch)
    }

    /// The database's socket.
    pub fn socket(&self) -> PathBuf {
        self.run.path().join("db.sock")
    }

    fn file(&self) -> PathBuf {
        self.run.path().join("conf.db")
    }

    fn program(&self, name: &str) -> Command {
        let places = ["usr/bin", "usr/sbin", "usr/lib/openvswitch-switch"];
        let path = places.iter().map(|place| self.folder.join(place).join(name)).find(|path| path.exists());
        let mut command = Command::new(path.unwrap_or_else(|| panic!("{name} is not in {}", self.folder.display())));
        command
            .env("LD_LIBRARY_PATH", self.folder.join("usr/lib/x86_64-linux-gnu"))
            .env("OVS_RUNDIR", self.run.path())
            .env("OVS_LOGDIR", self.run.path())
            .env("OVS_DBDIR", self.run.path())
            .stdin(Stdio::null());
        command
    }

    fn command<A: AsRef<OsStr>>(&self, name: &str, arguments: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.program(name);
        command.args(arguments);
        self.namespace.run(|| command.output()).unwrap().unwrap()
    }

    /// Starts the database server and waits until it answers.
    pub fn start_database(&mut self) {
        let mut command = self.program("ovsdb-server");
        command.arg(self.file()).arg(format!("--remote=punix:{}", self.socket().display()));
        command.args(["--no-chdir", "-vconsole:off"]).arg(self.log("database"));
        self.database = Some(self.namespace.run(|| command.spawn()).unwrap().unwrap());
        until("ovsdb-server", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }

    /// Kills the database server at once.
    pub fn kill_database(&mut self) {
        let mut child = self.database.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Lets the database server listen on a TCP port of its namespace's loopback too.
    pub fn listen_on(&self, port: u16) {
        let mut links = kuryr_netlink::Links::open_in(&self.namespace).unwrap();
        let up = kuryr_netlink::LinkChange { up: Some(true), ..Default::default() };
        links.set(1, &up).unwrap();
        let id = self.database.as_ref().unwrap().id();
        let control = self.run.path().join(format!("ovsdb-server.{id}.ctl")).display().to_string();
        let remote = format!("ptcp:{port}:127.0.0.1");
        let output = self.command("ovs-appctl", ["-t", &control, "ovsdb-server/add-remote", &remote]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Open vSwitch 3.1 counts the processors no earlier than 10 s after boot, and takes them for none before: a switch
    /// on the kernel's datapath then has nobody to take the packets that the kernel hands up.
    fn wait_for_processors() {
        until("10 s after boot", || {
            let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
            uptime.split('.').next().unwrap().parse::<u64>().unwrap() > 10
        });
    }

    fn start_daemon(&mut self) {
        let mut command = self.program("ovs-vswitchd");
        command.arg(format!("unix:{}", self.socket().display()));
        command.args(["--no-chdir", "-vconsole:off"]).arg(self.log("daemon"));
        self.daemon = Some(self.namespace.run(|| command.spawn()).unwrap().unwrap());
    }

    /// Ends the switch, not its database.
    pub fn kill_daemon(&mut self) {
        let mut child = self.daemon.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn log(&self, name: &str) -> String {
        format!("--log-file={}", self.run.path().join(format!("{name}.log")).display())
    }

    /// What `ovs-vsctl` prints.
    pub fn vsctl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let arguments: Vec<&str> = ["--timeout=60"].into_iter().chain(arguments).collect();
        let output = self.command("ovs-vsctl", &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The `external_ids` of an interface as `ovs-vsctl` prints them, sorted by it.
    pub fn external_ids(&self, interface: &str) -> String {
        self.vsctl(["get", "Interface", interface, "external_ids"])
    }

    /// The ports of `br-int`.
    pub fn ports(&self) -> Vec<String> {
        self.vsctl(["list-ports", "br-int"]).lines().map(str::to_owned).collect()
    }

    /// What the switch knows about its packets, for whoever reads a failure.
    pub fn state(&self) -> String {
        let id = self.daemon.as_ref().unwrap().id();
        let control = self.run.path().join(format!("ovs-vswitchd.{id}.ctl")).display().to_string();
        let asked = ["dpctl/show -s", "dpctl/dump-flows", "fdb/show br-int"];
        let mut told: String = asked
            .map(|words| {
                let output = self.command("ovs-appctl", ["-t", &control].into_iter().chain(words.split(' ')));
                format!("--- {words}\n{}{}", text(&output.stdout), text(&output.stderr))
            })
            .concat();
        let log = std::fs::read_to_string(self.run.path().join("daemon.log")).unwrap_or_default();
        told.push_str(&format!("--- log\n{log}"));
        told
    }

    /// The directory of sockets and logs.
    pub fn directory(&self) -> &Path {
        self.run.path()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for an external process, bounded.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
