//! The cloud with its data plane, in network namespaces of its own.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests may fail loudly

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::Request;
use kuryr_cloud::{
    Cloud, Options,
    dataplane::{Layout, purge},
};
use kuryr_netlink::{Links, Namespace};
use kuryr_neutron::HostId;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[test]
fn a_bound_port_has_its_bridge_when_it_is_answered() {
    let host = match Namespace::anonymous() {
        Ok(host) => host,
        Err(error) => {
            eprintln!("skipped: network namespaces cannot be made here (run as root): {error}");
            return;
        }
    };
    // All threads of the runtime are born in this namespace, so nothing here touches the machine's own.
    let outcome = host.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let place = Place::new();
        runtime.block_on(drive(&place));
    });
    outcome.unwrap();
}

/// Folders of the state and of network namespaces; dropped, nothing of them remains.
struct Place {
    scratch: tempfile::TempDir,
    namespaces: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("kuryr-cloud-").tempdir().unwrap();
        let namespaces = scratch.path().join("netns");
        std::fs::create_dir(&namespaces).unwrap();
        Self { scratch, namespaces }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(layout) = Layout::of_this_host() {
            let (namespace, router_dir) = (self.namespaces.join("kuryr"), self.namespaces.clone());
            let _ = purge(&Layout { namespace, router_dir, ..layout });
        }
        let _ = rustix::mount::unmount(&self.namespaces, rustix::mount::UnmountFlags::DETACH);
    }
}

async fn drive(place: &Place) {
    let host = HostId("here".to_owned());
    let mut options = Options::new(place.scratch.path().join("state"), host, "http://cloud.test".parse().unwrap());
    options.namespace = place.namespaces.join("kuryr");
    options.router_dir = place.namespaces.clone();
    let cloud = Cloud::open(options.clone()).await.unwrap();
    let token = log_in(&cloud).await;
    let router = cloud.router();
    let network = post(&router, &token, "networks", json!({"network": {}})).await["network"]["id"].clone();
    let subnet = json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}});
    post(&router, &token, "subnets", subnet).await;
    let port = json!({"port": {"network_id": network, "binding:host_id": "here"}});
    let port = post(&router, &token, "ports", port).await["port"].clone();
    assert_eq!(port["binding:vif_type"], "bridge", "{port}: {:?}", cloud.dataplane().unwrap().status());
    let bridge = port["binding:vif_details"]["bridge_name"].as_str().unwrap();
    assert!(has_link(&options.namespace, bridge), "{bridge} is not there when the answer says it is");

    let stop = CancellationToken::new();
    stop.cancel();
    cloud.run(stop).await.unwrap();
    assert!(has_link(&options.namespace, bridge), "a stopped cloud leaves the kernel as it is");
    let late =
        post(&router, &token, "ports", json!({"port": {"network_id": network, "binding:host_id": "here"}})).await;
    assert_eq!(late["port"]["binding:vif_type"], "binding_failed", "nobody minds the kernel any more");
}

fn has_link(namespace: &Path, name: &str) -> bool {
    let namespace = Namespace::open(namespace).unwrap();
    Links::open_in(&namespace).unwrap().get(name).unwrap().is_some()
}

async fn log_in(cloud: &Cloud) -> String {
    let known = cloud.credentials();
    let password = known.password.expose_secret();
    let user = json!({"name": known.username, "domain": {"name": "Default"}, "password": password});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    let request = Request::post("/identity/v3/auth/tokens").body(Body::from(body.to_string())).unwrap();
    let response = cloud.router().oneshot(request).await.unwrap();
    response.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

async fn post(router: &Router, token: &str, path: &str, body: Value) -> Value {
    let request = Request::post(format!("/networking/v2.0/{path}")).header("x-auth-token", token);
    let response = router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let (status, body) = (response.status(), to_bytes(response.into_body(), usize::MAX).await.unwrap());
    let body = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 201, "{body}");
    body
}
