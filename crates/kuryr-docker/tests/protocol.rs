//! The protocol itself: paths, methods, bodies and envelopes, with a cloud that cannot be reached.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

#[path = "settings/mod.rs"]
mod settings;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header::CONTENT_TYPE},
};
use http_body_util::BodyExt;
use kuryr_binding::Binder;
use kuryr_config::{Auth, Scope};
use kuryr_docker::Plugin;
use kuryr_openstack::{Http, HttpOptions, Neutron, Session, SessionOptions};
use serde_json::{Value, json};
use settings::settings;
use std::{sync::Arc, time::Duration};
use tower::ServiceExt;

const PLUGIN_JSON: &str = "application/vnd.docker.plugins.v1+json; charset=utf-8";
const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// A plugin whose cloud is a port of this machine at which nobody listens.
fn plugin() -> Router {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let auth = Auth::Token { token: "t".to_owned().into(), scope: Scope::Unscoped };
    let options = SessionOptions { retries: 0, timeout: Duration::from_secs(5), ..SessionOptions::default() };
    let http = Http::new(&HttpOptions::default()).unwrap();
    let session = Session::new(Arc::new(http), format!("http://{free}/v3").parse().unwrap(), auth, options);
    Plugin::new(Neutron::new(session), Binder::new().unwrap(), settings()).router()
}

async fn ask(method: Method, path: &str, body: impl Into<Body>) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/vnd.docker.plugins.v1.2+json")
        .body(body.into())
        .unwrap();
    let answer = plugin().oneshot(request).await.unwrap();
    let (status, kind) = (answer.status(), answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn error(path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let (status, kind, body) = ask(Method::POST, path, body).await;
    assert_eq!(kind, PLUGIN_JSON);
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["Err"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_handshake_needs_no_cloud() {
    for (path, answer) in [
        ("/Plugin.Activate", r#"{"Implements":["NetworkDriver","IpamDriver"]}"#),
        ("/NetworkDriver.GetCapabilities", r#"{"GwAllocChecker":true,"Scope":"local"}"#),
        ("/IpamDriver.GetCapabilities", r#"{"RequiresMACAddress":true}"#),
        (
            "/IpamDriver.GetDefaultAddressSpaces",
            r#"{"GlobalDefaultAddressSpace":"no_address_space","LocalDefaultAddressSpace":"no_address_space"}"#,
        ),
        ("/NetworkDriver.DiscoverNew", "{}"),
        ("/NetworkDriver.DiscoverDelete", "{}"),
    ] {
        for body in ["", "null", "not JSON"] {
            let expected = (StatusCode::OK, "application/json".to_owned(), format!("{answer}\n"));
            assert_eq!(ask(Method::POST, path, body).await, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn what_swarm_asks_is_given_back() {
    let ask = |path, body: Value| async move { ask(Method::POST, path, body.to_string()).await.2 };
    let options = json!({"NetworkID": "x", "Options": {"a": "b"}});
    assert_eq!(ask("/NetworkDriver.AllocateNetwork", options).await, "{\"Options\":{\"a\":\"b\"}}\n");
    assert_eq!(ask("/NetworkDriver.AllocateNetwork", json!({})).await, "{\"Options\":null}\n");
    assert_eq!(ask("/NetworkDriver.FreeNetwork", json!({"NetworkID": "x"})).await, "{}\n");
    let leave = json!({"NetworkID": ENDPOINT, "EndpointID": ENDPOINT});
    assert_eq!(ask("/NetworkDriver.Leave", leave).await, "{}\n");
}

#[tokio::test]
async fn wrong_paths_methods_and_bodies_have_their_envelopes() {
    let (status, text) = error("/NetworkDriver.Bogus", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.starts_with("404 Not Found: The requested URL was not found on the server."), "{text}");
    let (status, kind, body) = ask(Method::GET, "/Plugin.Activate", "").await;
    assert_eq!((status, kind.as_str()), (StatusCode::METHOD_NOT_ALLOWED, PLUGIN_JSON));
    assert!(body.contains("405 Method Not Allowed: The method is not allowed for the requested URL."), "{body}");
    for body in ["", "notjson", "{"] {
        let (status, text) = error("/IpamDriver.RequestPool", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.starts_with("400 Bad Request: The browser (or proxy) sent a request"), "{text}");
    }
    let (status, text) = error("/IpamDriver.ReleasePool", r#"{"PoolID": ""}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("PoolID") && text.contains("UUID"), "{text}");
    let (status, _) = error("/NetworkDriver.AllocateNetwork", "[]").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_without_end_is_refused() {
    let (status, text) = error("/IpamDriver.RequestPool", vec![b' '; 8 << 20]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!text.is_empty());
}

#[tokio::test]
async fn a_cloud_that_is_down_is_told() {
    let body = json!({"AddressSpace": "", "Pool": "10.0.0.0/24", "SubPool": "", "Options": {}, "V6": false});
    let (status, text) = error("/IpamDriver.RequestPool", body.to_string()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("127.0.0.1"), "{text}");
    assert!(!text.contains("\"t\""), "{text}");
}
