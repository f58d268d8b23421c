//! The embedded cloud on a port of loopback, with the `clouds.yaml` it wrote.

use axum::body::Body;
use http::Request;
use kuryr_cloud::{Cloud, Options};
use kuryr_http::{Limits, Listener, Server};
use kuryr_neutron::HostId;
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A cloud that is served.
pub struct Site {
    /// Where it is.
    pub url: String,
    /// The administrator's token.
    pub token: String,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    state: TempDir,
}

impl Site {
    /// Serves a new cloud. Its state is in memory where that is possible: nobody here asks whether it is durable.
    pub async fn serve() -> Self {
        let memory = Path::new("/dev/shm");
        let state = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let listener = Listener::tcp("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = Options::new(state.path().to_owned(), HostId("here".to_owned()), url.parse().unwrap());
        let cloud = Cloud::open(Options { dataplane: false, ..options }).await.unwrap();
        let token = log_in(&cloud).await;
        let stop = CancellationToken::new();
        let server = tokio::spawn(Server::new(cloud.router(), Limits::default()).listen(listener).run(stop.clone()));
        Self { url, token, stop, server, state }
    }

    /// The way in.
    pub fn clouds_yaml(&self) -> PathBuf {
        self.state.path().join("clouds.yaml")
    }

    /// Stops it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

async fn log_in(cloud: &Cloud) -> String {
    let way = cloud.credentials();
    let user = json!({"name": way.username, "domain": {"name": "Default"}, "password": way.password.expose_secret()});
    let scope = json!({"project": {"name": way.project_name, "domain": {"name": "Default"}}});
    let identity = json!({"methods": ["password"], "password": {"user": user}});
    let body = json!({"auth": {"identity": identity, "scope": scope}}).to_string();
    let request = Request::post("/identity/v3/auth/tokens").body(Body::from(body)).unwrap();
    let answer = cloud.router().oneshot(request).await.unwrap();
    answer.headers()["x-subject-token"].to_str().unwrap().to_owned()
}
