//! A client of a cloud in the same process.

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Request, StatusCode};
use kuryr_cloud::{Cloud, Options, api::AppliedWaiter};
use kuryr_neutron::HostId;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tower::ServiceExt;

pub const URL: &str = "http://cloud.test:9696";
pub const HOST: &str = "here";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The type of Neutron's refusal.
    pub fn error_type(&self) -> &str {
        self.body["NeutronError"]["type"].as_str().unwrap_or("none")
    }

    /// The message of Neutron's or Keystone's refusal.
    pub fn message(&self) -> &str {
        let neutron = self.body["NeutronError"]["message"].as_str();
        neutron.or(self.body["error"]["message"].as_str()).unwrap_or("none")
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A cloud of its own, and a client that has logged in.
pub struct Client {
    pub cloud: Cloud,
    pub router: Router,
    pub token: String,
    /// Dropped last: the cloud's state is in there.
    pub state: TempDir,
}

impl Client {
    pub async fn new() -> Self {
        Self::with(None).await
    }

    pub async fn with(applied: Option<Arc<dyn AppliedWaiter>>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let cloud = open(state.path(), applied).await;
        let router = cloud.router();
        let mut client = Self { cloud, router, token: String::new(), state };
        let answer = client.post("/identity/v3/auth/tokens", client.login()).await.expect(201);
        client.token = answer.header("x-subject-token").to_owned();
        client
    }

    /// The body of a login by password, without scope.
    pub fn login(&self) -> Value {
        let credentials = self.cloud.credentials();
        login(&credentials.username, credentials.password.expose_secret())
    }

    pub async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> Answer {
        let request = match self.token.as_str() {
            "" => request,
            token => request.header("x-auth-token", token),
        };
        send(&self.router, request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Request::post(path), body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Request::put(path), body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path), Body::empty()).await
    }

    /// Creates one resource of Neutron; answers it.
    pub async fn create(&self, path: &str, member: &str, attributes: Value) -> Value {
        let answer = self.post(&neutron(path), json!({ member: attributes })).await.expect(201);
        answer.body[member].clone()
    }

    /// A network with the subnet 10.0.0.0/24.
    pub async fn network(&self) -> (String, String) {
        let network = id(&self.create("networks", "network", json!({"name": "net"})).await);
        let subnet = json!({"network_id": network, "cidr": "10.0.0.0/16", "ip_version": 4, "name": "sub"});
        (network, id(&self.create("subnets", "subnet", subnet).await))
    }
}

pub fn options(state: &Path) -> Options {
    let host = HostId(HOST.to_owned());
    Options { dataplane: false, ..Options::new(state.to_owned(), host, URL.parse().unwrap()) }
}

pub async fn open(state: &Path, applied: Option<Arc<dyn AppliedWaiter>>) -> Cloud {
    let options = options(state);
    match applied {
        Some(applied) => Cloud::open_with(options, applied).await.unwrap(),
        None => Cloud::open(options).await.unwrap(),
    }
}

pub fn login(user: &str, password: &str) -> Value {
    let user = json!({"name": user, "domain": {"name": "Default"}, "password": password});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    let id = parts.headers.get("x-openstack-request-id");
    assert!(id.is_some_and(|id| id.to_str().unwrap().starts_with("req-")), "an answer without a request id");
    Answer { status: parts.status, headers: parts.headers, body }
}

pub fn neutron(path: &str) -> String {
    format!("/networking/v2.0/{path}")
}

pub fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

/// The ids of a list, in order.
pub fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(id).collect()
}
