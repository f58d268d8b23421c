//! What can be wrong with a cloud's answer, on real sockets.

use bytes::Bytes;
use http::{Request, Response, Uri};
use kuryr_openstack::{Http, HttpOptions, InProcess, Transport, TransportError};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Mutex, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// Carried out or not, the answer never comes.
    Hang { done: bool },
    /// The connection closes in the middle of the answer.
    Truncated { done: bool },
    /// A load balancer's page.
    BadGateway { done: bool },
    /// To another place.
    Redirect,
    /// More than anybody wants to read.
    Enormous { done: bool },
    /// JSON whose types are wrong.
    WrongTypes { done: bool },
    /// A success that holds an error.
    ErrorInside { done: bool },
    /// A true answer, about something else.
    AnotherOne { done: bool },
    /// A fault of Neutron's own.
    Neutron,
    /// Nothing wrong, but it takes this many milliseconds.
    Slow(u64),
}

/// Which calls go wrong.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The one of this number.
    Number(usize),
    /// Every one.
    All,
    /// A change of one port, and every look at what became of it.
    PortUpdate,
}

impl Fault {
    fn is_done(self) -> bool {
        match self {
            Self::Refused | Self::Redirect | Self::Neutron => false,
            Self::Slow(_) => true,
            Self::Hang { done }
            | Self::Truncated { done }
            | Self::BadGateway { done }
            | Self::Enormous { done }
            | Self::WrongTypes { done }
            | Self::ErrorInside { done }
            | Self::AnotherOne { done } => done,
        }
    }
}

/// The most that is read of an answer, in bytes.
const LIMIT: usize = 1 << 20;

/// A way to a cloud that does one call, with all its repetitions, wrong.
pub struct BadCloud {
    inner: InProcess<axum::Router>,
    http: Http,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Ids of the calls since the fault was set, and what they were.
    calls: Vec<(String, String)>,
    target: Option<(Target, Fault)>,
    /// Someone else's resource of each kind, by JSON key.
    others: BTreeMap<String, Value>,
}

impl BadCloud {
    pub fn new(router: axum::Router) -> Self {
        let options = HttpOptions { response_limit: LIMIT, ..HttpOptions::default() };
        Self { inner: InProcess::new(router), http: Http::new(&options).unwrap(), state: Mutex::default() }
    }

    /// What a lying cloud tells of.
    pub fn tell_of(&self, kind: &str, other: Value) {
        self.state.lock().unwrap().others.insert(kind.to_owned(), other);
    }

    /// From now on, these calls go wrong.
    pub fn set(&self, target: Target, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.calls.clear();
        state.target = Some((target, fault));
    }

    /// All goes well again. What went wrong, if anything did.
    pub fn clear(&self) -> Option<String> {
        let mut state = self.state.lock().unwrap();
        let (target, _) = state.target.take()?;
        let Target::Number(number) = target else { return None };
        state.calls.get(number).map(|(_, what)| what.clone())
    }

    /// The id that a call was sent with, counted since the fault was set.
    pub fn sent_as(&self, number: usize) -> String {
        self.state.lock().unwrap().calls[number].0.clone()
    }

    fn fault_of(&self, request: &Request<Bytes>) -> Option<Fault> {
        if !request.uri().path().starts_with("/networking/") {
            return None;
        }
        let mut state = self.state.lock().unwrap();
        let (target, fault) = state.target?;
        let id = request.headers()["x-openstack-request-id"].to_str().unwrap();
        let number = state.calls.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
            state.calls.push((id.to_owned(), format!("{} {}", request.method(), request.uri())));
            state.calls.len() - 1
        });
        let (method, path) = (request.method(), request.uri().path());
        let update = |what: &str| what.starts_with("PUT ") && what.ends_with(path);
        let is_one_port = path.split_once("/ports/").is_some_and(|(_, id)| !id.contains('/'));
        let hit = match target {
            Target::Number(wanted) => number == wanted,
            Target::All => true,
            // What undoes is the second change.
            Target::PortUpdate if method == http::Method::PUT => {
                is_one_port && state.calls.iter().filter(|(_, what)| update(what)).count() == 1
            }
            Target::PortUpdate => is_one_port && state.calls.iter().any(|(_, what)| update(what)),
        };
        hit.then_some(fault)
    }

    /// The answer with someone else's resource in it.
    fn about_another(&self, answer: Option<&Response<Bytes>>) -> Value {
        let state = self.state.lock().unwrap();
        let told = answer.and_then(|answer| serde_json::from_slice::<Value>(answer.body()).ok());
        let mut told = match told {
            Some(told) if told.is_object() => told,
            _ => Value::Object(state.others.clone().into_iter().collect()),
        };
        for (key, value) in told.as_object_mut().unwrap() {
            if let Some(other) = state.others.get(key) {
                *value = other.clone();
            } else if let Some(other) = key.strip_suffix('s').and_then(|one| state.others.get(one)) {
                *value = json!([other]);
            }
        }
        told
    }
}

#[async_trait::async_trait]
impl Transport for BadCloud {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let Some(fault) = self.fault_of(&request) else { return self.inner.send(request).await };
        if let Fault::Slow(milliseconds) = fault {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            return self.inner.send(request).await;
        }
        let method = request.method().clone();
        let truth = if fault.is_done() || matches!(fault, Fault::AnotherOne { .. } if method == http::Method::GET) {
            let copy = Request::from_parts(request.clone().into_parts().0, request.body().clone());
            Some(self.inner.send(copy).await?)
        } else {
            None
        };
        let status = truth.as_ref().map_or(200, |truth| truth.status().as_u16());
        let whole = |status: u16, headers: &str, body: &str| {
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
        };
        let error = json!({"NeutronError": {"type": "InternalServerError", "message": "It broke.", "detail": ""}});
        let bytes = match fault {
            Fault::Refused | Fault::Slow(_) => None,
            Fault::Hang { .. } => Some(String::new()),
            Fault::Truncated { .. } => Some("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"port".to_owned()),
            Fault::BadGateway { .. } => Some(whole(502, "", "<html><body><h1>502 Bad Gateway</h1></body></html>")),
            Fault::Redirect => Some(whole(302, "location: https://elsewhere.test/login\r\n", "")),
            Fault::Enormous { .. } => Some(whole(200, "", &" ".repeat(2 * LIMIT))),
            Fault::WrongTypes { .. } => Some(whole(status.max(200), "", &wrong_types())),
            Fault::ErrorInside { .. } => Some(whole(200, "", &error.to_string())),
            Fault::Neutron => Some(whole(503, "x-openstack-request-id: req-of-neutron\r\n", &error.to_string())),
            Fault::AnotherOne { .. } => Some(whole(status, "", &self.about_another(truth.as_ref()).to_string())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        match bytes {
            None => drop(listener),
            Some(bytes) => {
                tokio::spawn(async move { serve_once(listener, &bytes).await });
            }
        }
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().unwrap().clone();
        head.uri = Uri::builder().scheme("http").authority(authority).path_and_query(path).build().unwrap();
        self.http.send(Request::from_parts(head, body)).await
    }
}

/// Answers one request with these bytes; with none of them, never.
async fn serve_once(listener: TcpListener, bytes: &str) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let mut seen = Vec::new();
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(length) if length > 0 => seen.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    if bytes.is_empty() {
        std::future::pending::<()>().await;
    }
    // The client may have had enough before the end.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Each kind of resource, and none of them right.
fn wrong_types() -> String {
    let one = json!({"id": 7, "name": {"a": []}, "fixed_ips": "none", "tags": 1.5, "cidr": [], "network_id": false});
    let kinds = ["network", "subnet", "subnetpool", "port", "security_group", "security_group_rule", "extension"];
    let mut all = serde_json::Map::new();
    for kind in kinds {
        all.insert(kind.to_owned(), json!([one]));
        all.insert(format!("{kind}s"), one.clone());
    }
    Value::Object(all).to_string()
}
