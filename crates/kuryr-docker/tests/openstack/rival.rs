//! Somebody who changes the same port or trunk, one call ahead.

use axum::http::{Request, Response};
use bytes::Bytes;
use kuryr_openstack::{Http, Transport, TransportError};
use serde_json::Value;
use std::sync::{Mutex, OnceLock};

type Change = Box<dyn Fn(&mut Value) + Send>;

/// A transport to the cloud. Before calls whose path ends so, the rival makes the same call with another body.
#[derive(Default)]
pub struct Rival {
    inner: OnceLock<Http>,
    ahead: Mutex<Vec<(String, Change)>>,
    calls: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rival").finish_non_exhaustive()
    }
}

impl Rival {
    pub fn reach(&self, cloud: Http) {
        let _ = self.inner.set(cloud);
    }

    /// The next PUT to such a path is preceded by the rival's.
    pub fn get_ahead(&self, path: impl Into<String>, change: impl Fn(&mut Value) + Send + 'static) {
        self.ahead.lock().unwrap().push((path.into(), Box::new(change)));
    }

    /// `METHOD path` of all calls to Neutron that somebody waited for, since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn before(&self, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        let path = request.uri().path();
        // Those that nobody waits for come whenever they come.
        let is_behind = request.headers().get("priority").is_some_and(|it| it == "u=7");
        if path.contains("/v2.0/") && !is_behind {
            self.calls.lock().unwrap().push(format!("{} {path}", request.method()));
        }
        let mut ahead = self.ahead.lock().unwrap();
        let place = ahead.iter().position(|(end, _)| request.method() == "PUT" && path.ends_with(end.as_str()))?;
        let (_, change) = ahead.remove(place);
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        change(&mut body);
        let mut theirs = Request::put(request.uri().clone());
        for (name, value) in request.headers() {
            if !matches!(name.as_str(), "if-match" | "content-length") {
                theirs = theirs.header(name, value);
            }
        }
        Some(theirs.body(Bytes::from(body.to_string())).unwrap())
    }
}

#[async_trait::async_trait]
impl Transport for Rival {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let cloud = self.inner.get().unwrap();
        if let Some(theirs) = self.before(&request) {
            let answer = cloud.send(theirs).await?;
            assert!(answer.status().is_success(), "the rival: {} {:?}", answer.status(), answer.body());
        }
        cloud.send(request).await
    }
}
