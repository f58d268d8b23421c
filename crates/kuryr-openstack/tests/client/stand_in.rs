//! A small Keystone and Neutron that do as a test tells them.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use kuryr_openstack::{Auth, Domain, InProcess, Neutron, Project, Scope, Session, SessionOptions, Transport, User};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Barrier;

pub const PASSWORD: &str = "hunter2-password";
pub const ID: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

/// A call that reached the network service.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: Method,
    /// With the query, below `/networking`.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What a cloud with one network answers to everything.
fn usual(call: &Recorded) -> Response {
    if call.method == Method::DELETE {
        return answer(204, "");
    }
    let body = json!({ "network": network("n"), "networks": [network("n")], "tags": call.body["tags"] });
    json_answer(200, &body)
}

type Answerer = Arc<dyn Fn(&Recorded) -> Response + Send + Sync>;

#[derive(Clone)]
pub struct StandIn(Arc<Mutex<Inner>>);

struct Inner {
    base: String,
    password: String,
    logins: Vec<Value>,
    valid: BTreeSet<String>,
    lifetime: Duration,
    calls: Vec<Recorded>,
    lookups: usize,
    script: VecDeque<Response>,
    answerer: Answerer,
    keystone: VecDeque<Response>,
    hold_refusals: Option<Arc<Barrier>>,
    hang: bool,
}

pub fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

pub fn json_answer(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-openstack-request-id", "req-of-the-cloud")
        .body(Body::from(body.to_string()))
        .unwrap()
}

pub fn network(name: &str) -> Value {
    json!({ "id": ID, "name": name })
}

impl StandIn {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            base: "http://cloud.test".into(),
            password: PASSWORD.into(),
            logins: Vec::new(),
            valid: BTreeSet::new(),
            lifetime: Duration::from_secs(3600),
            calls: Vec::new(),
            lookups: 0,
            script: VecDeque::new(),
            answerer: Arc::new(usual),
            keystone: VecDeque::new(),
            hold_refusals: None,
            hang: false,
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// The next calls of Neutron get these answers, one each.
    pub fn script(&self, answers: impl IntoIterator<Item = Response>) {
        self.with(|inner| inner.script.extend(answers));
    }

    /// Every call of Neutron that has no scripted answer gets this one.
    pub fn answer_with(&self, answerer: impl Fn(&Recorded) -> Response + Send + Sync + 'static) {
        self.with(|inner| inner.answerer = Arc::new(answerer));
    }

    /// The next requests for tokens get these answers.
    pub fn keystone(&self, answers: impl IntoIterator<Item = Response>) {
        self.with(|inner| inner.keystone.extend(answers));
    }

    /// Where the catalog says the services are.
    pub fn at(self, base: &str) -> Self {
        self.with(|inner| inner.base = base.to_owned());
        self
    }

    pub fn lifetime(&self, lifetime: Duration) {
        self.with(|inner| inner.lifetime = lifetime);
    }

    /// The user gets another password, which ends all tokens.
    pub fn rotate(&self, password: &str) {
        self.with(|inner| inner.password = password.to_owned());
        self.revoke();
    }

    /// No token issued so far is worth anything any more.
    pub fn revoke(&self) {
        self.with(|inner| inner.valid.clear());
    }

    /// Refusals of tokens wait until this many are due.
    pub fn hold_refusals(&self, count: usize) {
        self.with(|inner| inner.hold_refusals = Some(Arc::new(Barrier::new(count))));
    }

    /// Neutron answers no more.
    pub fn hang(&self) {
        self.with(|inner| inner.hang = true);
    }

    pub fn logins(&self) -> usize {
        self.with(|inner| inner.logins.len())
    }

    pub fn last_login(&self) -> Value {
        self.with(|inner| inner.logins.last().cloned().unwrap())
    }

    pub fn calls(&self) -> Vec<Recorded> {
        self.with(|inner| inner.calls.clone())
    }

    pub fn call_count(&self) -> usize {
        self.with(|inner| inner.calls.len())
    }

    /// How often somebody looked for what a creation with a lost answer has left. They find nothing.
    pub fn lookups(&self) -> usize {
        self.with(|inner| inner.lookups)
    }

    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    pub fn in_process(&self) -> Arc<dyn Transport> {
        Arc::new(InProcess::new(self.router()))
    }

    /// Serves on a port of this machine; the catalog then tells that port.
    pub async fn serve(self) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = self.at(&format!("http://{}", listener.local_addr().unwrap()));
        let router = this.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    pub fn base(&self) -> String {
        self.with(|inner| inner.base.clone())
    }

    pub fn session(&self, transport: Arc<dyn Transport>, options: SessionOptions) -> Session {
        self.session_at("identity/v3", transport, options)
    }

    /// A session whose Keystone is at this path.
    pub fn session_at(&self, path: &str, transport: Arc<dyn Transport>, options: SessionOptions) -> Session {
        let url = format!("{}/{path}", self.base()).parse().unwrap();
        Session::new(transport, url, password_auth(), options)
    }

    /// A client in process.
    pub fn neutron(&self) -> Neutron {
        Neutron::new(self.session(self.in_process(), SessionOptions::default()))
    }
}

pub fn password_auth() -> Auth {
    auth_with(PASSWORD)
}

pub fn auth_with(password: &str) -> Auth {
    let domain = Domain::Id("default".into());
    Auth::Password {
        user: User::Name { name: "kuryr".into(), domain: domain.clone() },
        password: password.into(),
        scope: Scope::Project(Project::Name { name: "service".into(), domain }),
    }
}

async fn handle(State(cloud): State<StandIn>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // As over a wire, whoever else is about to ask gets a chance meanwhile.
    tokio::task::yield_now().await;
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    if let Some(path) = path.strip_prefix("/networking") {
        return network_service(&cloud, head.method, path, head.headers, &body).await;
    }
    match (head.method.as_str(), path.as_str()) {
        ("POST", "/identity/v3/auth/tokens") => issue(&cloud, &body),
        ("GET", "/identity" | "/identity/") => {
            let href = "http://unreachable.test/identity/v3/";
            let versions = json!([{"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": href}]}]);
            json_answer(300, &json!({ "versions": { "values": versions } }))
        }
        _ => answer(404, "no such page"),
    }
}

fn issue(cloud: &StandIn, body: &Bytes) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap();
    cloud.with(|inner| {
        inner.logins.push(body.clone());
        if let Some(answer) = inner.keystone.pop_front() {
            return answer;
        }
        let password = &body["auth"]["identity"]["password"]["user"]["password"];
        if !password.is_null() && *password != inner.password {
            let fault = json!({"error": {"code": 401, "title": "Unauthorized",
                "message": "The request you have made requires authentication."}});
            return json_answer(401, &fault);
        }
        let token = format!("secret-token-{}", inner.logins.len());
        inner.valid.insert(token.clone());
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let endpoint = json!({"interface": "public", "region": "RegionOne", "region_id": "RegionOne",
            "url": format!("{}/networking", inner.base)});
        let body = json!({"token": {
            "issued_at": start.to_string(), "expires_at": (start + inner.lifetime).to_string(),
            "project": {"id": "42"}, "catalog": [{"type": "network", "endpoints": [endpoint]}],
        }});
        Response::builder().status(201).header("x-subject-token", token).body(Body::from(body.to_string())).unwrap()
    })
}

async fn network_service(cloud: &StandIn, method: Method, path: &str, headers: HeaderMap, body: &Bytes) -> Response {
    let token = headers.get("x-auth-token").map_or("", |t| t.to_str().unwrap()).to_owned();
    let (valid, hold) = cloud.with(|inner| (inner.valid.contains(&token), inner.hold_refusals.clone()));
    if !valid {
        if let Some(barrier) = hold {
            barrier.wait().await;
        }
        return json_answer(401, &json!({"error": {"code": 401, "title": "Unauthorized", "message": "Who?"}}));
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
    if path.contains("description=Created") {
        cloud.with(|inner| inner.lookups += 1);
        let collection = path.trim_start_matches("/v2.0/").split('?').next().unwrap();
        return json_answer(200, &json!({ (collection): [] }));
    }
    let recorded = Recorded { method, path: path.to_owned(), headers, body };
    let (scripted, answerer, hang) = cloud.with(|inner| {
        inner.calls.push(recorded.clone());
        (inner.script.pop_front(), inner.answerer.clone(), inner.hang)
    });
    if hang {
        std::future::pending::<()>().await;
    }
    described(scripted.unwrap_or_else(|| answerer(&recorded)), &recorded).await
}

/// What is created has the description that it was given.
async fn described(answer: Response, call: &Recorded) -> Response {
    let given = call.body.as_object().and_then(|body| body.values().next());
    let given = given.map(|given| given.get(0).unwrap_or(given)["description"].clone()).filter(|text| !text.is_null());
    let Some(given) = given.filter(|_| call.method == Method::POST && answer.status().is_success()) else {
        return answer;
    };
    let (head, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 30).await.unwrap();
    let Ok(Value::Object(mut told)) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    let all = told.values_mut().flat_map(|one| match one {
        Value::Array(all) => all.iter_mut().collect(),
        one => vec![one],
    });
    for one in all.filter_map(Value::as_object_mut) {
        one.entry("description").or_insert(given.clone());
    }
    Response::from_parts(head, Body::from(Value::Object(told).to_string()))
}

/// A Neutron fault.
pub fn fault(status: u16, error_type: &str, message: &str) -> Response {
    json_answer(status, &json!({"NeutronError": {"type": error_type, "message": message, "detail": ""}}))
}

/// An answer with `Retry-After`.
pub fn later(status: StatusCode, after: &str) -> Response {
    Response::builder().status(status).header("retry-after", after).body(Body::empty()).unwrap()
}
