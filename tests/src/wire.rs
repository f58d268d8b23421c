//! HTTP/1.1 by hand on one connection that stays open, for proxies and stop-watches.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail, ensure};

/// A request or an answer: its head as it was sent, and its body without the encoding of the transfer.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// First line.
    pub first: String,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Message {
    /// A request.
    pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            first: format!("{method} {path} HTTP/1.1"),
            headers: headers.chain([("Host".to_owned(), "localhost".to_owned())]).collect(),
            body: body.into(),
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Path of a request.
    pub fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// Status of an answer.
    pub fn status(&self) -> Result<u16> {
        let code = self.first.split(' ').nth(1).context("no status")?;
        code.parse().with_context(|| format!("not a status: {code}"))
    }

    /// The body of an answer that must have this status.
    pub fn expect(self, status: u16) -> Result<Vec<u8>> {
        ensure!(self.status()? == status, "{}: {}", self.first, String::from_utf8_lossy(&self.body));
        Ok(self.body)
    }

    /// Read one; `None` at the end of the connection.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<Self>> {
        let mut message = Self { first: line(reader)?, ..Self::default() };
        if message.first.is_empty() {
            return Ok(None);
        }
        loop {
            let text = line(reader)?;
            let Some((name, value)) = text.split_once(':') else {
                ensure!(text.is_empty(), "not a header: {text}");
                break;
            };
            message.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if message.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = line(reader)?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                    .with_context(|| format!("not a chunk size: {size}"))?;
                let start = message.body.len();
                message.body.resize(start + size, 0);
                reader.read_exact(&mut message.body[start..])?;
                line(reader)?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = message.header("Content-Length") {
            let length = length.parse().with_context(|| format!("not a length: {length}"))?;
            message.body.resize(length, 0);
            reader.read_exact(&mut message.body)?;
        }
        Ok(Some(message))
    }

    /// Write it with a length.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut bytes = format!("{}\r\n", self.first).into_bytes();
        let told = ["content-length", "transfer-encoding"];
        for (name, value) in self.headers.iter().filter(|(name, _)| !told.contains(&name.to_lowercase().as_str())) {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        writer.write_all(&bytes)?;
        Ok(())
    }
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    reader.by_ref().take(65_536).read_line(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A connection that stays open between requests.
pub struct Wire<S: Read + Write> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Wire<S> {
    /// On this stream.
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Send a request and read its answer.
    pub fn ask(&mut self, request: &Message) -> Result<Message> {
        request.write(self.stream.get_mut())?;
        match Message::read(&mut self.stream)? {
            Some(answer) => Ok(answer),
            None => bail!("the connection ended without an answer to {}", request.first),
        }
    }
}
