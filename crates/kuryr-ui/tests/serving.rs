//! The page and its question, asked of the embedded cloud.

#![allow(clippy::unwrap_used)] // helpers of tests may fail loudly

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Request, StatusCode};
use kuryr_cloud::{Cloud, Options};
use kuryr_neutron::{HostId, Network};
use kuryr_openstack::{Auth, Domain, InProcess, Neutron, Project, Scope, Session, SessionOptions, User};
use kuryr_ui::{Source, Token, router, topology};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    neutron: Neutron,
    page: Router,
    token: String,
    stop: CancellationToken,
    _cloud: Cloud,
    _folder: tempfile::TempDir,
}

async fn served() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let url: url::Url = "http://127.0.0.1:9696".parse().unwrap();
    let mut options = Options::new(folder.path().join("state"), HostId("here".to_owned()), url.clone());
    options.dataplane = false;
    let cloud = Cloud::open(options).await.unwrap();
    let known = cloud.credentials();
    let domain = || Domain::Name(known.user_domain_name.clone());
    let auth = Auth::Password {
        user: User::Name { name: known.username.clone(), domain: domain() },
        password: known.password.clone(),
        scope: Scope::Project(Project::Name { name: known.project_name.clone(), domain: domain() }),
    };
    let transport = Arc::new(InProcess::new(cloud.router()));
    let neutron =
        Neutron::new(Session::new(transport, known.auth_url.parse().unwrap(), auth, SessionOptions::default()));
    let name = topology::Cloud { source: "a test".to_owned(), auth_url: url.to_string() };
    let token = Token::random().unwrap();
    let told = token.url("127.0.0.1:1".parse().unwrap());
    let stop = CancellationToken::new();
    let source = Source::new(neutron.clone(), name, folder.path().join("no-docker.sock"));
    let page = router(source, token, stop.clone());
    let token = told.split_once("#token=").unwrap().1.to_owned();
    Served { neutron, page, token, stop, _cloud: cloud, _folder: folder }
}

impl Served {
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.page.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// By whoever has the token; further headers may be given.
    async fn topology(&self, more: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("host", "127.0.0.1"), ("authorization", bearer.as_str())];
        headers.extend(more);
        self.get("/api/topology", &headers).await
    }

    async fn make_network(&self, name: &str) -> Network {
        self.neutron.create::<Network>(&serde_json::from_value(json!({"name": name})).unwrap()).await.unwrap()
    }
}

fn etag(headers: &HeaderMap) -> String {
    headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_told_without_the_token() {
    let served = served().await;
    served.make_network("secret").await;
    for headers in [
        &[("host", "127.0.0.1")][..],
        &[("host", "127.0.0.1"), ("authorization", "Bearer wrong")],
        &[("host", "127.0.0.1"), ("authorization", "Basic eDp4")],
        &[("host", "127.0.0.1"), ("cookie", &served.token)],
    ] {
        let (status, answer, body) = served.get("/api/topology", headers).await;
        assert_eq!((status, &answer["www-authenticate"]), (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap()));
        assert!(!body.contains("secret") && body.contains("the token is missing or wrong"), "{body}");
    }
    let bearer = format!("Bearer {}", served.token);
    let by_name = [("host", "rebound.example:9695"), ("authorization", bearer.as_str())];
    for path in ["/api/topology", "/"] {
        let (status, _, body) = served.get(path, &by_name).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{body}");
    }
    assert_eq!(served.topology(&[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_waits_for_a_change() {
    let served = served().await;
    let (status, headers, body) = served.topology(&[]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let first: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(first["networks"], json!([]));
    assert!(first["docker_error"].as_str().unwrap().contains("is it running"), "{first}");
    let known = etag(&headers);
    let (status, _, body) = served.topology(&[("if-none-match", &known)]).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));

    let ask = [("if-none-match", known.as_str()), ("prefer", "respond-async, wait=25")];
    let waiting = served.topology(&ask);
    let (answer, network) = tokio::join!(timeout(PATIENCE, waiting), served.make_network("blue"));
    let (status, headers, body) = answer.unwrap();
    assert!(status == StatusCode::OK && etag(&headers) != known, "{status} {body}");
    let all: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&all["networks"][0]["name"], &all["networks"][0]["id"]), (&json!("blue"), &json!(network.id)));
}

#[tokio::test]
async fn whoever_waits_is_answered_at_the_end() {
    let served = served().await;
    let (_, headers, _) = served.topology(&[]).await;
    let known = etag(&headers);
    let ask = [("if-none-match", known.as_str()), ("prefer", "wait=25")];
    let waiting = served.topology(&ask);
    let (answer, ()) = tokio::join!(timeout(Duration::from_secs(20), waiting), async { served.stop.cancel() });
    assert_eq!(answer.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
}

/// What a file of the page asks the browser to fetch.
fn named(text: &str) -> BTreeSet<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    let names = quoted.map(|name| name.strip_prefix("./").unwrap_or(name));
    names.filter(|name| [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end))).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let served = served().await;
    let (mut asked, mut wanted) = (BTreeSet::new(), BTreeSet::from([String::new()]));
    while let Some(name) = wanted.pop_first() {
        let (status, headers, text) = served.get(&format!("/{name}"), &[("host", "localhost:1")]).await;
        assert_eq!(status, StatusCode::OK, "{name}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        let own = text.replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "//cdn", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "style=\""] {
            assert!(!own.contains(word), "{name} has {word}");
        }
        asked.insert(name);
        wanted.extend(named(&text).into_iter().filter(|name| !asked.contains(name)));
    }
    assert!(asked.len() >= 15, "{asked:?}");
}
