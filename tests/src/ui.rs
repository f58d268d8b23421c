//! `kuryr ui` on a private machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::browser::Browser;
use crate::host::{Host, Started};
use crate::kuryr::binary;
use crate::plugin::Answer;
use crate::until;
use crate::world::run_in;

const LOG: &str = "/run/kuryr-ui.log";
/// The longest that an answer may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A running page.
pub struct Ui {
    /// The address that it printed, with the token.
    pub url: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What is behind `#token=` in it.
    pub token: String,
    process: Started,
}

impl Ui {
    /// Start it on a free port.
    pub fn start(host: &Host) -> Result<Self> {
        drop(fs::remove_file(host.path(LOG)));
        let program = binary()?.to_string_lossy().into_owned();
        let process = host.start(&[&program, "ui", "--listen", "127.0.0.1:0"], &[], LOG)?;
        let url = until("kuryr ui to print its address", || {
            let text = fs::read_to_string(host.path(LOG))?;
            let line = text.lines().find(|line| line.starts_with("http://"));
            Ok(line.with_context(|| text.clone())?.to_owned())
        })?;
        let (page, token) = url.split_once("/#token=").with_context(|| url.clone())?;
        let address = page.strip_prefix("http://").context("no address")?.parse()?;
        Ok(Self { address, token: token.to_owned(), url, process })
    }

    /// Have a browser look at it, until the page is live.
    pub fn open(&self, browser: &mut Browser) -> Result<()> {
        browser.open(&self.url)?;
        browser.until("the page to be live", "document.querySelector('#live').dataset.state", &"live".into())
    }

    /// `GET` of a path with these header lines, by whoever has the token.
    pub fn get(&self, host: &Host, path: &str, headers: &str) -> Result<Answer> {
        self.ask(host, path, &format!("Host: {}\r\nAuthorization: Bearer {}\r\n{headers}", self.address, self.token))
    }

    /// `GET` of a path with these header lines and no others.
    pub fn ask(&self, host: &Host, path: &str, headers: &str) -> Result<Answer> {
        Self::ask_at(host, self.address, path, headers)
    }

    /// The same of whatever listens there.
    pub fn ask_at(host: &Host, address: SocketAddr, path: &str, headers: &str) -> Result<Answer> {
        run_in(&host.network()?, || {
            let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
            stream.set_read_timeout(Some(LIMIT))?;
            write!(stream, "GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            Answer::parse(&bytes)
        })
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self, host: &Host) -> Result<()> {
        host.signal(self.process.pid, "-TERM")?;
        let status = self.process.wait()?;
        ensure!(status.success(), "kuryr ui ended with {status}");
        Ok(())
    }
}
