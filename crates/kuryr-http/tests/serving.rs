//! Servers on unix sockets, TCP and TLS, seen from a client.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests may fail loudly

use axum::{
    Extension, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderName, StatusCode};
use kuryr_http::{Error, Limits, Listener, Peer, PeerPolicy, Server, TlsFiles, UnixOptions, guard};
use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Once},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

fn router() -> Router {
    let router = Router::new()
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { format!("{peer:?}") }))
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/choosy",
            post(|body: Body| async {
                assert!(axum::body::to_bytes(body, 10).await.is_err());
                (StatusCode::PAYLOAD_TOO_LARGE, "in its own words")
            }),
        )
        .route(
            "/defect",
            get(|| async {
                if true {
                    panic!("the secret reason")
                }
            }),
        );
    guard(router, HeaderName::from_static("x-openstack-request-id"), || -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, "a defect").into_response()
    })
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn start(listener: Listener, router: Router, limits: Limits) -> Running {
    let stop = CancellationToken::new();
    let task = tokio::spawn(Server::new(router, limits).listen(listener).run(stop.clone()));
    Running { stop, task }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn on_tcp(router: Router, limits: Limits) -> (SocketAddr, Running) {
    let listener = Listener::tcp("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, start(listener, router, limits))
}

async fn ask_unix(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

const PEER: &str = "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_tells_who_asks() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("api.sock");
    let options = UnixOptions { mode: 0o660, peers: PeerPolicy::RootOrSelf };
    let server = start(Listener::unix(&path, options).unwrap(), router(), Limits::default());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let answer = ask_unix(&path, PEER).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("pid: Some({})", std::process::id())), "{answer}");
    assert!(answer.contains("x-openstack-request-id: req-"), "{answer}");
    server.stop().await;
    assert!(!path.exists(), "a stopped server takes its socket away");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_served_one_is_not() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the stale socket is there");
    let server = start(Listener::unix(&path, UnixOptions::default()).unwrap(), router(), Limits::default());
    let refused = Listener::unix(&path, UnixOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::SocketInUse { .. }), "{refused}");
    assert!(ask_unix(&path, PEER).await.starts_with("HTTP/1.1 200"), "the first server still serves");
    server.stop().await;

    std::fs::write(&path, "somebody's notes").unwrap();
    let refused = Listener::unix(&path, UnixOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::NotASocket { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's notes");
}

#[tokio::test]
async fn tcp_serves_limits_bodies_and_survives_a_panic() {
    let (address, server) = on_tcp(router(), Limits { max_body_bytes: 1000, ..Limits::default() }).await;
    let client = client(|builder| builder);
    let url = |path: &str| format!("http://{address}/{path}");
    let answer = client.post(url("echo")).body("x".repeat(1000)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap().len(), 1000);
    let answer = client.post(url("echo")).body("x".repeat(1001)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let answer = client.post(url("choosy")).body("x".repeat(100_000)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (413, "in its own words"));
    let answer = client.get(url("defect")).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().contains_key("x-openstack-request-id"));
    assert_eq!(answer.text().await.unwrap(), "a defect");
    assert_eq!(client.get(url("peer")).send().await.unwrap().status(), 200);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn who_never_finishes_the_head_is_hung_up_on() {
    let limits = Limits { header_read_timeout: Duration::from_millis(100), ..Limits::default() };
    let (address, server) = on_tcp(router(), limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost:").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let (address, server) = on_tcp(router(), Limits { max_connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(PEER.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_to_string(&mut answer)).await;
    assert!(early.is_err(), "answered beyond the limit: {answer}");
    drop(first);
    tokio::time::timeout(Duration::from_secs(10), second.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn stopping_completes_the_running_request_and_takes_no_new_one() {
    let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, finish) = (Arc::clone(&entered), Arc::clone(&finish));
        Router::new().route(
            "/slow",
            get(move || async move {
                entered.notify_one();
                finish.notified().await;
                "finished"
            }),
        )
    };
    let (address, server) = on_tcp(slow, Limits::default()).await;
    let request = tokio::spawn(client(|builder| builder).get(format!("http://{address}/slow")).send());
    entered.notified().await;
    server.stop.cancel();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished(), "the server waits for the running request");
    finish.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "finished");
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_abandoned_after_the_deadline() {
    let stuck = Router::new().route("/stuck", get(|| async { std::future::pending::<()>().await }));
    let (address, server) = on_tcp(stuck, Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
}

#[tokio::test]
async fn tls_serves_and_asks_for_a_client_certificate_if_told() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let signed = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, key) = signed("localhost");
    let files = TlsFiles {
        certificate: file("server.pem", &certificate),
        key: file("server.key", &key),
        client_authorities: Some(file("ca.pem", &authority.pem())),
    };
    let listener = Listener::tls("127.0.0.1:0", &files).await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("https://localhost:{}/peer", address.port());
    let keys = listener.keys().unwrap();
    let server = start(listener, router(), Limits::default());
    let (certificate, key) = signed("client");
    let root = || reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let named = client(|builder| {
        let identity = reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
        builder.tls_certs_only([root()]).identity(identity).resolve("localhost", address)
    });
    assert_eq!(named.get(&url).send().await.unwrap().status(), 200);
    let nameless = client(|builder| builder.tls_certs_only([root()]).resolve("localhost", address));
    assert!(nameless.get(&url).send().await.is_err(), "a client without certificate was let in");

    // Another certificate takes effect while it serves; what cannot be used changes nothing.
    let (certificate, key) = signed("elsewhere.test");
    let renewed = TlsFiles {
        certificate: file("renewed.pem", &certificate),
        key: file("renewed.key", &key),
        client_authorities: None,
    };
    keys.replace(&TlsFiles { key: files.key.clone(), ..renewed.clone() }).unwrap_err();
    assert_eq!(named.get(&url).send().await.unwrap().status(), 200);
    keys.replace(&renewed).unwrap();
    let elsewhere = client(|builder| builder.tls_certs_only([root()]).resolve("elsewhere.test", address));
    let answer = elsewhere.get(format!("https://elsewhere.test:{}/peer", address.port())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(named.get(&url).send().await.unwrap().status(), 200, "a connection that was there goes on");
    server.stop().await;

    let swapped = TlsFiles { certificate: files.key.clone(), ..files };
    let refused = Listener::tls("127.0.0.1:0", &swapped).await.unwrap_err();
    assert!(refused.to_string().contains("server.key"), "{refused}");
}

fn client(build: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    build(reqwest::Client::builder().no_proxy()).build().unwrap()
}
