//! A Kuryr that serves, and what is asked of it.

use super::{Place, is_root};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixDatagram, UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// For whatever a process has to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A `kuryr` that serves; whatever happens, it does not outlive the test.
pub struct Serving(pub Child);

impl Serving {
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::start_with(place, arguments, |_| ())
    }

    /// The same after a change to the command.
    pub fn start_with(place: &Place, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let log = File::create(place.path("log")).unwrap();
        let mut command = place.command();
        command.args(arguments).env("NOTIFY_SOCKET", place.path("notify")).stdout(Stdio::null()).stderr(log);
        change(&mut command);
        Self(command.spawn().unwrap())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Asks it to end, and says how it did.
    pub fn stop(mut self, signal: Signal) -> Option<i32> {
        kill_process(self.pid(), signal).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// systemd's end of the notification socket.
pub fn supervisor(place: &Place) -> UnixDatagram {
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub fn notified(socket: &UnixDatagram, place: &Place) -> String {
    let mut buffer = [0; 256];
    let Ok(length) = socket.recv(&mut buffer) else {
        panic!("nothing was heard; its log:\n{}", fs::read_to_string(place.path("log")).unwrap_or_default());
    };
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}

pub fn post(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub fn may_run() -> bool {
    if !is_root() {
        println!("skipped: needs root");
    }
    is_root()
}
