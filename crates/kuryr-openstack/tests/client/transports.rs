//! The same calls through each transport.

use crate::stand_in::{ID, PASSWORD, StandIn};
use axum::serve::ListenerExt;
use kuryr_neutron::{Network, NetworkId, NewNetwork};
use kuryr_openstack::{Http, HttpOptions, InProcess, Neutron, Query, SessionOptions, Transport, Unix, in_background};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

async fn exercise(cloud: &StandIn, transport: Arc<dyn Transport>) {
    let id: NetworkId = ID.parse().unwrap();
    let neutron = Neutron::new(cloud.session_at("identity", transport, SessionOptions::default()));
    assert_eq!(neutron.get::<Network>(id).await.unwrap().name, "n");
    assert_eq!(neutron.list::<Network>(&Query::new()).await.unwrap().len(), 1);
    assert_eq!(neutron.create::<Network>(&NewNetwork::default()).await.unwrap().id, id);
    assert_eq!(cloud.last_login()["auth"]["identity"]["password"]["user"]["password"], PASSWORD);
    assert_eq!((cloud.logins(), cloud.call_count()), (1, 3));
    let host = cloud.base().trim_start_matches("http://").to_owned();
    assert!(cloud.calls().iter().all(|call| call.headers["host"] == *host));
}

#[tokio::test]
async fn over_tcp() {
    let cloud = StandIn::new().serve().await;
    exercise(&cloud, Arc::new(Http::new(&HttpOptions::default()).unwrap())).await;
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_wait_for_no_permission() {
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cloud = StandIn::new().at(&format!("http://{}", listener.local_addr().unwrap()));
    let (router, counter) = (cloud.router(), Arc::clone(&connections));
    let listener = listener.tap_io(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    exercise(&cloud, Arc::new(Http::new(&HttpOptions::default()).unwrap())).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1, "Keystone is at the same place");
    assert!(cloud.calls().iter().all(|call| !call.headers.contains_key("expect")));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_says_so() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    neutron.get::<Network>(ID.parse().unwrap()).await.unwrap();
    in_background(neutron.get::<Network>(ID.parse().unwrap())).await.unwrap();
    let said: Vec<_> = cloud.calls().iter().map(|call| call.headers.get("priority").cloned()).collect();
    assert_eq!(said, [None, Some("u=7".parse().unwrap())]);
}

#[tokio::test]
async fn through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let cloud = StandIn::new();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let router = cloud.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    exercise(&cloud, Arc::new(Unix::new(&path).unwrap())).await;
}

#[tokio::test]
async fn in_process() {
    let cloud = StandIn::new();
    exercise(&cloud, Arc::new(InProcess::new(cloud.router()))).await;
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let transport = Unix::new(&folder.path().join("none.sock")).unwrap();
    let cloud = StandIn::new();
    let error = cloud.session(Arc::new(transport), SessionOptions::default()).authenticate().await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}
