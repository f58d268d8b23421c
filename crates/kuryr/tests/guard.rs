//! Nobody gets in: what a real process listens on, whom it lets in, which rights it keeps, and what it leaves to read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod place;

use place::{
    Place, is_root,
    serving::{Serving, may_run, notified, post, supervisor},
};
use rustix::{
    fs::Uid,
    process::{Resource, Rlimit, Signal, WaitOptions, kill_process, setrlimit, waitpid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Somebody without rights.
const NOBODY: u32 = 65534;
/// CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE as the kernel prints them.
const EMBEDDED: &str = "0000000000203400";
/// The same and CAP_DAC_OVERRIDE.
const PLUGIN: &str = "0000000000203402";

/// What listens in a process's network: addresses and ports as `/proc/net` has them.
fn listening(pid: i32) -> Vec<String> {
    let mut found = Vec::new();
    for (table, state) in [("tcp", Some("0A")), ("tcp6", Some("0A")), ("udp", None), ("udp6", None), ("raw", None)] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            if state.is_none_or(|state| words[3] == state) {
                found.push(format!("{table} {}", words[1]));
            }
        }
    }
    let unix = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    // The flag of a socket that accepts.
    let accepting = unix.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|w| w[3] == "00010000");
    found.extend(accepting.map(|words| words.get(7).copied().unwrap_or("no name").to_owned()));
    found.sort();
    found
}

#[test]
fn up_listens_on_loopback_and_three_sockets_and_nowhere_else() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let up = Serving::start_with(&place, &["up"], |command| {
        command.env_remove("OS_CLOUD__API_LISTEN");
    });
    assert_eq!(notified(&systemd, &place), "READY=1");
    let pid = up.pid().as_raw_nonzero().get();
    let sockets = ["plugins/kuryr.sock", "run/api.sock", "state/backup.sock"]
        .map(|name| place.path(name).to_str().unwrap().to_owned());
    // A socket keeps the name that it was bound by, which is beside the one it has.
    let found: Vec<_> = listening(pid).iter().map(|name| name.split(".sock").next().unwrap().to_owned()).collect();
    let name_of = |socket: &String| socket.split('.').next().unwrap().to_owned();
    let beside = |found: &String| sockets.iter().any(|socket| found.starts_with(&name_of(socket)));
    let (unix, others): (Vec<_>, Vec<_>) = found.into_iter().partition(beside);
    assert_eq!(others, ["tcp 0100007F:25E0"], "127.0.0.1:9696 alone");
    assert_eq!(unix.len(), 3, "{unix:?}");
    assert_eq!(up.stop(Signal::TERM), Some(0));
    assert!(!fs::read_to_string(place.path("log")).unwrap().contains("has no TLS"));
}

#[test]
fn an_address_that_others_reach_is_listened_on_with_a_warning() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let cloud = Serving::start(&place, &["cloud", "--api-listen", "0.0.0.0:9696"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    assert_eq!(cloud.stop(Signal::TERM), Some(0));
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("WARN") && log.contains("0.0.0.0:9696") && log.contains("has no TLS"), "{log}");
}

/// What another user hears at a socket.
fn as_nobody(socket: &Path) -> io::Result<String> {
    let socket = socket.to_owned();
    let asked = thread::spawn(move || {
        // Rights are the thread's own.
        set_thread_groups(&[])?;
        let gid = rustix::fs::Gid::from_raw(NOBODY);
        set_thread_res_gid(gid, gid, gid)?;
        let uid = Uid::from_raw(NOBODY);
        set_thread_res_uid(uid, uid, uid)?;
        let mut stream = UnixStream::connect(socket)?;
        // It may be closed before it has heard all.
        let _ = stream
            .write_all(b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        Ok(answer)
    });
    asked.join().unwrap()
}

#[test]
fn another_user_is_refused_by_the_mode_and_when_it_is_loosened_by_the_process() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let up = Serving::start(&place, &["up", "--api-listen", "127.0.0.1:9696"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    let sockets = [place.path("plugins/kuryr.sock"), place.path("run/api.sock")];
    fs::set_permissions(place.path("."), Permissions::from_mode(0o755)).unwrap();
    let loosen = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    for socket in &sockets {
        let folder = socket.parent().unwrap();
        assert_eq!(as_nobody(socket).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "by the folder");
        loosen(folder);
        assert_eq!(as_nobody(socket).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "by the socket's mode");
        loosen(socket);
        assert_eq!(as_nobody(socket).unwrap(), "", "by who it is");
        assert!(post(socket, "/Plugin.Activate").starts_with("HTTP/1.1 "), "root is answered all the same");
    }
    assert_eq!(up.stop(Signal::TERM), Some(0));
}

/// One field of each thread's status.
fn of_threads(pid: i32, key: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end meanwhile.
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok());
    let field =
        |text: String| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t").map(str::to_owned));
    texts.filter_map(field).collect()
}

#[test]
fn what_serves_keeps_the_rights_that_it_needs_and_no_others() {
    if !may_run() {
        return;
    }
    let login = "[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = s3cret\n";
    for (arguments, configuration, rights) in [
        (&["up", "--api-listen", "127.0.0.1:9696"][..], "", EMBEDDED),
        (&["serve", "--api-listen", "127.0.0.1:9696"], "", EMBEDDED),
        (&["cloud", "--api-listen", "127.0.0.1:9696"], "", EMBEDDED),
        (&["docker"], login, PLUGIN),
        (&["serve"], login, PLUGIN),
    ] {
        let place = Place::new();
        let systemd = supervisor(&place);
        let file = place.write("kuryr.conf", configuration);
        let serving = Serving::start(&place, &[arguments, &["--config-file", &file]].concat());
        assert_eq!(notified(&systemd, &place), "READY=1");
        let pid = serving.pid().as_raw_nonzero().get();
        for (key, expected) in [
            ("CapEff", rights),
            ("CapPrm", rights),
            ("CapBnd", rights),
            ("CapInh", "0000000000000000"),
            ("NoNewPrivs", "1"),
        ] {
            let found = of_threads(pid, key);
            assert!(found.len() > 1 && found.iter().all(|value| value == expected), "{arguments:?} {key}: {found:?}");
        }
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
        assert_eq!(serving.stop(Signal::TERM), Some(0));
    }
}

#[test]
fn a_process_that_aborts_leaves_no_core() {
    if !may_run() {
        return;
    }
    // Whoever starts Kuryr wants cores, as some machines do.
    setrlimit(Resource::Core, Rlimit { current: None, maximum: None }).unwrap();
    let place = Place::new();
    let systemd = supervisor(&place);
    let cloud = Serving::start(&place, &["cloud", "--api-listen", "127.0.0.1:9696"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    kill_process(cloud.pid(), Signal::ABORT).unwrap();
    let (_, status) = waitpid(Some(cloud.pid()), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.terminating_signal(), Some(Signal::ABORT.as_raw()));
    assert_eq!(status.as_raw() & 0x80, 0, "the kernel says that a core was dumped");
}

/// Reads a file of `/proc/<pid>` as nobody.
fn read_as_nobody(pid: u32, name: &str) -> bool {
    let mut command = Command::new("head");
    command.args(["-c", "1", &format!("/proc/{pid}/{name}")]).stdout(Stdio::null()).stderr(Stdio::null());
    command.uid(NOBODY).gid(NOBODY).status().unwrap().success()
}

#[test]
fn another_process_of_the_same_user_reads_neither_memory_nor_environment() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.path("."), Permissions::from_mode(0o777)).unwrap();
    // A program that nobody may execute too.
    let program = place.path("kuryr");
    fs::copy(env!("CARGO_BIN_EXE_kuryr"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["ui", "--listen", "127.0.0.1:0"]).env_clear().uid(NOBODY).gid(NOBODY).current_dir(place.path("."));
    command.env("OS_AUTH_URL", "http://127.0.0.1:1").env("OS_USERNAME", "u").env("OS_PASSWORD", "s3cret");
    let mut ui = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(ui.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut other = Command::new("sleep").arg("600").uid(NOBODY).gid(NOBODY).spawn().unwrap();
    // It has its user before it is another program.
    let read = [ui.id(), other.id()].map(|pid| ["environ", "maps"].map(|name| read_as_nobody(pid, name)));
    ui.kill().and_then(|()| ui.wait()).unwrap();
    other.kill().and_then(|()| other.wait()).unwrap();
    assert!(line.starts_with("http://127.0.0.1:"), "it did not serve: {line}");
    assert_eq!(read, [[false; 2], [true; 2]], "of Kuryr nothing is read, of another program all is");
}
