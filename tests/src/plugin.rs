//! HTTP by hand over a unix socket: what a hostile or simple client sends, byte for byte.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header lines, in lower case.
    pub headers: String,
    /// Body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {:?}", self.body))
    }

    /// The error text of a plugin's answer; empty if there is none.
    pub fn err(&self) -> String {
        self.json().ok().and_then(|json| json["Err"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("not an HTTP answer: {text:?}"))?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let headers = head.to_lowercase();
        let body = if headers.contains("transfer-encoding: chunked") { join_chunks(body) } else { body.to_owned() };
        Ok(Self { status: status.with_context(|| format!("no status in {head:?}"))?, headers, body })
    }
}

fn join_chunks(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

/// Send bytes, read to the end.
pub fn raw(socket: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // A server may refuse and close before it has read everything; what it answered still counts.
    let sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        sent.context("cannot send")?;
        read.context("no answer")?;
    }
    Ok(answer)
}

/// POST a body as Docker does.
pub fn request(socket: &Path, path: &str, body: &[u8]) -> Result<Answer> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\n\
         Content-Type: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Answer::parse(&raw(socket, &bytes)?)
}

/// GET a path.
pub fn get(socket: &Path, path: &str) -> Result<Answer> {
    let text = format!("GET {path} HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\n\r\n");
    Answer::parse(&raw(socket, text.as_bytes())?)
}
