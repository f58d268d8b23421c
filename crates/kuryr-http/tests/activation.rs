//! Sockets handed over as systemd does: descriptors from 3, named by `LISTEN_FDS` and `LISTEN_PID`.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests may fail loudly

use axum::{Router, routing::get};
use kuryr_http::{Limits, Server, UnixOptions, listeners_from_systemd};
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};
use tokio_util::sync::CancellationToken;

const NAME: &str = "sockets_from_systemd_are_served";
const CHILD: &str = "KURYR_HTTP_ACTIVATED";
/// Opens a TCP and a unix socket, puts them at 3 and 4, and becomes the program in its arguments, as systemd does.
const SYSTEMD: &str = r#"
import os, socket, sys
tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
tcp.bind(("127.0.0.1", 0)); tcp.listen()
unix.bind(sys.argv[1]); unix.listen()
print(tcp.getsockname()[1], flush=True)
high = [os.dup(tcp.fileno()), os.dup(unix.fileno())]
saved = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
for i, fd in enumerate(saved):
    os.dup2(fd, 3 + i); os.close(fd)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"#;

#[test]
fn sockets_from_systemd_are_served() {
    if std::env::var_os(CHILD).is_some() {
        return serve_what_was_handed_over();
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("api.sock");
    let program = std::env::current_exe().unwrap();
    let child = Command::new("python3")
        .args(["-c", SYSTEMD])
        .arg(&path)
        .arg(program)
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: python3, which plays systemd here, cannot be started: {error}");
            return;
        }
    };
    let mut output = child.stdout.take().unwrap();
    let (mut line, mut byte) = (String::new(), [0]);
    while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    let port: u16 = line.trim().parse().unwrap_or_else(|error| panic!("'{line}': {error}"));
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = |mut stream: Box<dyn ReadWrite>| {
        stream.write_all(ask).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let by_tcp = answer(Box::new(TcpStream::connect(("127.0.0.1", port)).unwrap()));
    let by_unix = answer(Box::new(UnixStream::connect(&path).unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(by_tcp.ends_with("activated") && by_unix.ends_with("activated"), "{by_tcp} {by_unix}");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn serve_what_was_handed_over() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let router = Router::new().route("/", get(|| async { "activated" }));
        let listeners = listeners_from_systemd(UnixOptions::default()).unwrap();
        assert_eq!(listeners.len(), 2);
        let server = listeners.into_iter().fold(Server::new(router, Limits::default()), Server::listen);
        server.run(CancellationToken::new()).await;
    });
}
