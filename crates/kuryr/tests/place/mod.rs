//! A folder of its own for each test: home, working folder, state, sockets.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "tests, each of which uses a part")]

pub mod serving;

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The folder, and what runs in it.
pub struct Place(TempDir);

/// How a command ended.
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Kuryr, with nothing of this machine's network and run-time files in its reach.
    pub fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_kuryr"))
    }

    /// The same, started by another path.
    pub fn command_of(&self, kuryr: &str) -> Command {
        let mut command = if is_root() { Command::new("unshare") } else { Command::new(kuryr) };
        if is_root() {
            let script = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";
            command.args(["--net", "--mount", "sh", "-c", script, kuryr]);
        }
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.0.path())
            .env("OS_CLOUD__STATE_DIR", self.path("state"))
            .env("OS_CLOUD__API_SOCKET", self.path("run/api.sock"))
            .env("OS_CLOUD__API_LISTEN", "127.0.0.1:1")
            .env("OS_DOCKER__PLUGIN_SOCKET", self.path("plugins/kuryr.sock"))
            .env("OS_DOCKER__DOCKER_SOCKET", self.path("docker.sock"))
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Ended {
        ended(self.command().args(arguments).output().unwrap())
    }

    pub fn assert_nothing_started(&self) {
        for name in ["state", "run", "plugins"] {
            assert!(!self.path(name).exists(), "{name} was made");
        }
    }
}

pub fn ended(output: Output) -> Ended {
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Whether this test may make namespaces.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
