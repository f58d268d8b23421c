//! Docker's own API, by its Unix socket.
//!
//! Never used while a request of Docker's is being answered: Docker would wait for itself.
//! Paths carry no version, so every Docker from 1.21 of the API on understands them.

use bytes::Bytes;
use http::{Method, Request};
use kuryr_openstack::{Transport, Unix};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of an answer that an error repeats.
const SHOWN: usize = 300;

/// Docker could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No answer.
    #[error("Docker at {socket} could not be asked: {reason}; is it running, and may this user use its socket?")]
    NoAnswer {
        /// Docker's socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// A refusal, or words that make no sense.
    #[error("Docker at {socket} answered {status}: {text}")]
    Answer {
        /// Docker's socket.
        socket: PathBuf,
        /// HTTP status.
        status: u16,
        /// What it said, shortened, or what is wrong with it.
        text: String,
    },
}

impl EngineError {
    /// True when Docker does not know what it was asked about.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Answer { status: 404, .. })
    }
}

/// A Docker Engine.
#[derive(Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
    transport: Unix,
}

impl Engine {
    /// The one behind this socket. Nothing is asked yet.
    pub fn at(socket: &Path) -> Result<Self, EngineError> {
        let transport = Unix::new(socket)
            .map_err(|e| EngineError::NoAnswer { socket: socket.to_owned(), reason: e.to_string() })?;
        Ok(Self { socket: socket.to_owned(), transport })
    }

    /// What it has at this path.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        serde_json::from_slice(&body).map_err(|e| self.wrong(status, &e.to_string()))
    }

    /// Has it do something whose answer says nothing.
    pub async fn order(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), EngineError> {
        self.send(method, path, body).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Bytes), EngineError> {
        let no_answer = |reason: String| EngineError::NoAnswer { socket: self.socket.clone(), reason };
        let mut request = Request::builder().method(method).uri(format!("http://docker{path}"));
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(bytes).map_err(|e| no_answer(e.to_string()))?;
        let answer = match tokio::time::timeout(TIMEOUT, self.transport.send(request)).await {
            Ok(answer) => answer.map_err(|e| no_answer(e.to_string()))?,
            Err(_) => return Err(no_answer(format!("nothing came within {TIMEOUT:?}"))),
        };
        let (status, body) = (answer.status(), answer.into_body());
        if !status.is_success() {
            return Err(self.wrong(status.as_u16(), &String::from_utf8_lossy(&body)));
        }
        Ok((status.as_u16(), body))
    }

    fn wrong(&self, status: u16, text: &str) -> EngineError {
        EngineError::Answer { socket: self.socket.clone(), status, text: text.chars().take(SHOWN).collect() }
    }
}
