//! Who guesses at a real process's address is slowed down, costs it little, and root does not notice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod place;

use kuryr_netlink::{Links, Namespace};
use place::{
    Place,
    serving::{PATIENCE, Serving, may_run, notified, supervisor},
};
use rustix::process::Signal;
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    thread,
};

const ADDRESS: &str = "192.0.2.1:9696";
const GUESSES: usize = 80;
/// Of which so many may be looked at; all at once would take 560 MiB.
const LOOKED_AT: usize = 72;
const MEMORY_KIB: u64 = 200 * 1024;

/// Logs in; the answer's first line and headers.
fn login(mut stream: impl Read + Write, password: &str) -> String {
    let user = json!({"name": "admin", "domain": {"name": "Default"}, "password": password});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).to_string();
    let head = "POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn connect(namespace: &Namespace) -> TcpStream {
    let stream = namespace.run(|| TcpStream::connect(ADDRESS)).unwrap().unwrap();
    stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
    stream
}

#[test]
fn a_process_looks_at_few_guesses_and_lets_root_in() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    // It listens everywhere before the address is there.
    let cloud = Serving::start(&place, &["cloud", "--api-listen", "0.0.0.0:9696"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    let pid = cloud.pid().as_raw_nonzero().get();
    let namespace = Namespace::open_pid(pid.cast_unsigned()).unwrap();
    let mut links = Links::open_in(&namespace).unwrap();
    let loopback = links.get("lo").unwrap().unwrap().index;
    links.add_address(loopback, "192.0.2.1/32".parse().unwrap()).unwrap();
    let file = fs::read_to_string(place.path("state/clouds.yaml")).unwrap();
    let password = file.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap();
    let password = password.trim_matches(['"', '\'']);

    let answers: Vec<String> = thread::scope(|scope| {
        let guess = || scope.spawn(|| login(connect(&namespace), "a wrong guess"));
        let guesses: Vec<_> = (0..GUESSES).map(|_| guess()).collect();
        let root = UnixStream::connect(place.path("run/api.sock")).unwrap();
        root.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(login(root, password).starts_with("HTTP/1.1 201 "), "root, meanwhile");
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let (looked_at, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.starts_with("HTTP/1.1 401 "));
    assert!((1..=LOOKED_AT).contains(&looked_at.len()), "{answers:?}");
    for answer in refused {
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: "), "{answer}");
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    assert!(peak.parse::<u64>().unwrap() < MEMORY_KIB, "{peak} KiB");

    // Who knows the password comes in from there too, in its turn.
    assert!(login(connect(&namespace), password).starts_with("HTTP/1.1 201 "));
    assert_eq!(cloud.stop(Signal::TERM), Some(0));
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("wrong user or password") && log.contains("192.0.2.1"), "{log}");
    assert!(!log.contains("a wrong guess") && !log.contains(password), "{log}");
}
