//! The way to the cloud: what goes it is written down, can be held up, and can be without tags.

use super::BEHIND;
use axum::{
    Router,
    body::Bytes,
    http::{Request, Response},
};
use kuryr_openstack::{InProcess, Transport, TransportError};
use serde_json::Value;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// A call to Neutron that is held up.
#[derive(Debug, Default)]
pub struct Pause {
    /// How it begins.
    pub call: String,
    /// How many such calls are let through before.
    pub before: usize,
    /// Told when it is about to be made, or was.
    pub reached: Arc<Notify>,
    /// Waited for before it is made, or answered.
    pub released: Arc<Notify>,
    /// It is not made at all: what stands before the cloud says that there is no such thing.
    pub is_denied: bool,
    /// The call is carried out first, and what is held up is its answer, which is lost.
    pub is_carried_out: bool,
    /// The call is carried out first, and what is held up is its answer, which comes all the same.
    pub is_late: bool,
    /// It is not held up: its answer tells of a port as it was before it was bound.
    pub is_early: bool,
}

impl Pause {
    /// The next call that begins so.
    pub fn of(call: &str) -> Self {
        Self { call: call.to_owned(), ..Self::default() }
    }
}

/// The cloud, with each call to Neutron written down.
#[derive(Debug)]
pub struct Noted {
    pub inner: InProcess<Router>,
    pub calls: Arc<Mutex<Vec<String>>>,
    pub pause: Arc<Mutex<Option<Pause>>>,
    /// Whether the process lives.
    pub alive: Arc<AtomicBool>,
    /// Whether the cloud is away.
    pub away: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Transport for Noted {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if !self.alive.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(TransportError::Connect { reason: "it is away".to_owned() });
        }
        let path = request.uri().path();
        if path.starts_with("/networking/") {
            let behind = if request.headers().get("priority").is_some_and(|it| it == "u=7") { BEHIND } else { "" };
            let call = format!("{} {path}{behind}", request.method());
            self.calls.lock().unwrap().push(call.clone());
            let is_it = |pause: &mut Pause| {
                let fits = call.starts_with(&pause.call);
                let last = fits && pause.before == 0;
                pause.before = pause.before.saturating_sub(usize::from(fits));
                last
            };
            let pause = self.pause.lock().unwrap().take_if(is_it);
            if let Some(pause) = pause {
                if pause.is_early {
                    return self.inner.send(request).await.map(not_yet_bound);
                }
                let is_done = pause.is_carried_out || pause.is_late;
                let answer = if is_done { Some(self.inner.send(request.clone()).await) } else { None };
                pause.reached.notify_one();
                if pause.is_denied {
                    return Ok(Response::builder().status(404).body(Bytes::new()).unwrap());
                }
                pause.released.notified().await;
                if pause.is_carried_out {
                    return Err(TransportError::Interrupted { reason: "the answer was lost".to_owned() });
                }
                if let Some(answer) = answer {
                    return answer;
                }
            }
        }
        self.inner.send(request).await
    }
}

fn not_yet_bound(answer: Response<Bytes>) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["port"]["binding:vif_type"] = "unbound".into();
    Response::from_parts(head, Bytes::from(body.to_string()))
}

/// A cloud that does not know tags: neither its extensions nor its paths.
#[derive(Debug)]
pub struct NoTags(pub Noted);

#[async_trait::async_trait]
impl Transport for NoTags {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let path = request.uri().path().to_owned();
        assert!(!path.contains("/tags"), "a cloud without tags is asked {} {path}", request.method());
        let asked = request.uri().query().unwrap_or_default().split('&').any(|pair| pair.starts_with("tags"));
        assert!(!asked, "a cloud without tags is asked to filter by them: {}", request.uri());
        let answer = self.0.send(request).await?;
        if !path.ends_with("/extensions") {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["extensions"].as_array_mut().unwrap().retain(|e| !e["alias"].as_str().unwrap().contains("tag"));
        Ok(Response::from_parts(head, Bytes::from(body.to_string())))
    }
}
