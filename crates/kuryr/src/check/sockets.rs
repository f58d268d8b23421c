//! Kuryr's own sockets: who answers there, and whether somebody else has their places.

use super::finding::Finding;
use kuryr_config::Settings;
use std::{
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Kuryr answers at once; who takes longer does not work.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found.
pub struct Serving {
    pub findings: Vec<Finding>,
    /// A Kuryr answers Docker here.
    pub is_up: bool,
}

/// Asks Kuryr what Docker asks it first.
pub fn checks(settings: &Settings, is_needed: bool) -> Serving {
    const CHECK: &str = "Kuryr";
    let socket = &settings.docker.plugin_socket;
    let place = socket.display();
    let start = if settings.cloud.is_some() { "sudo kuryr docker" } else { "sudo kuryr up" };
    let mut findings = Vec::new();
    let asked = ask(socket);
    let is_up = asked.is_ok();
    findings.push(match asked {
        Ok(()) => Finding::fine(CHECK, format!("answers Docker at {place}")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unseen(CHECK, format!("{place}: {error}"))
        }
        Err(error) if is_absent(&error) && !is_needed => {
            Finding::fine(CHECK, format!("does not run yet; to start it: {start}"))
        }
        Err(error) if is_absent(&error) => {
            let text = format!("does not run (nothing answers at {place}), and Docker has networks of Kuryr's");
            Finding::failure(CHECK, text, format!("sudo systemctl start kuryr, or {start}"))
        }
        Err(error) => {
            let text = format!("does not answer at {place}: {error}");
            Finding::failure(CHECK, text, "sudo systemctl restart kuryr, and look into journalctl -u kuryr")
        }
    });
    if settings.cloud.is_none() && !is_up {
        let address = settings.embedded.api_listen;
        if let Some(error) = TcpListener::bind(address).err().filter(|e| e.kind() == io::ErrorKind::AddrInUse) {
            // The embedded cloud may run without the plugin.
            if UnixStream::connect(&settings.embedded.api_socket).is_err_and(|e| is_absent(&e)) {
                let remedy =
                    format!("stop who has it (ss -ltnp 'sport = {}'), or set api_listen in [cloud]", address.port());
                findings.push(Finding::failure("API's address", format!("{address} is taken: {error}"), remedy));
            }
        }
    }
    Serving { findings, is_up }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn ask(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"POST /Plugin.Activate HTTP/1.1\r\nHost: plugin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    match answer.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(io::Error::other(answer.lines().next().unwrap_or("an empty answer").to_owned())),
    }
}
