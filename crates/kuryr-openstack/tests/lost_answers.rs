//! Creations that are carried out and whose answers are lost, late, nonsense or somebody else's: found again where the
//! cloud can be asked, and removed when it can be asked again; nothing of others is touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use bytes::Bytes;
use http::{Method, Request, Response};
use kuryr_cloud::{Cloud, Options};
use kuryr_neutron::{HostId, Network, NewNetwork};
use kuryr_openstack::{
    Auth, Domain, Error, InProcess, Neutron, Project, Query, Scope, Session, SessionOptions, Transport, TransportError,
    User,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What becomes of the answer to a creation that was carried out.
type Spoil = fn(Response<Bytes>) -> Result<Response<Bytes>, TransportError>;

/// Spoils the answers to creations, and refuses to tell of anything while it is down.
struct Spoiling {
    inner: InProcess<axum::Router>,
    spoil: Spoil,
    is_down: AtomicBool,
    spoils: AtomicBool,
}

#[async_trait::async_trait]
impl Transport for Spoiling {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let creates = request.method() == Method::POST && request.uri().path().starts_with("/networking/");
        if !creates && self.is_down.load(Ordering::SeqCst) {
            return Err(TransportError::Connect { reason: "down".to_owned() });
        }
        let answer = self.inner.send(request).await?;
        if creates && self.spoils.load(Ordering::SeqCst) { (self.spoil)(answer) } else { Ok(answer) }
    }
}

async fn rig(spoil: Spoil) -> (Arc<Spoiling>, Neutron, Cloud, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = "http://cloud.test:9696".parse().unwrap();
    let mut options = Options::new(folder.path().join("state"), HostId("here".to_owned()), url);
    options.dataplane = false;
    let cloud = Cloud::open(options).await.unwrap();
    let known = cloud.credentials();
    let domain = || Domain::Name(known.user_domain_name.clone());
    let auth = Auth::Password {
        user: User::Name { name: known.username.clone(), domain: domain() },
        password: known.password.clone(),
        scope: Scope::Project(Project::Name { name: known.project_name.clone(), domain: domain() }),
    };
    let inner = InProcess::new(cloud.router());
    let transport =
        Arc::new(Spoiling { inner, spoil, is_down: AtomicBool::new(false), spoils: AtomicBool::new(false) });
    let options = SessionOptions { retry_delay: Duration::from_millis(1), ..SessionOptions::default() };
    let session = Session::new(transport.clone(), known.auth_url.parse().unwrap(), auth, options);
    (transport, Neutron::new(session), cloud, folder)
}

fn named(name: &str) -> NewNetwork {
    NewNetwork { name: name.into(), ..NewNetwork::default() }
}

/// The same answer, telling of another resource.
fn somebody_elses(answer: Response<Bytes>) -> Result<Response<Bytes>, TransportError> {
    Ok(answer.map(|body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        Bytes::from(text.replace("Created by Kuryr, req-", "Created by Kuryr, of another request "))
    }))
}

const SPOILS: [Spoil; 5] = [
    |_| Err(TransportError::Interrupted { reason: "reset".to_owned() }),
    |answer| Ok(answer.map(|_| Bytes::from_static(b"{\"network\": {\"id\": 7}}"))),
    |answer| Ok(answer.map(|_| Bytes::from_static(b"<html>Log in to the hotel's WLAN</html>"))),
    |_| Ok(Response::builder().status(502).body(Bytes::from_static(b"Bad Gateway")).unwrap()),
    somebody_elses,
];

#[tokio::test]
async fn what_was_created_is_found_and_used() {
    for (number, spoil) in SPOILS.into_iter().enumerate() {
        let (transport, neutron, _cloud, _folder) = rig(spoil).await;
        neutron.create::<Network>(&named("before")).await.unwrap();
        transport.spoils.store(true, Ordering::SeqCst);
        let network = neutron.create::<Network>(&named("wanted")).await.unwrap();
        assert_eq!(network.name, "wanted", "{number}");
        let all = neutron.list::<Network>(&Query::new()).await.unwrap();
        assert_eq!(all.len(), 2, "{number}: {all:?}");
        let error = neutron.create_many::<Network>(&[named("a"), named("b")]).await.unwrap_err();
        assert!(error.may_have_happened(), "{number}: {error}");
        assert_eq!(neutron.list::<Network>(&Query::new()).await.unwrap().len(), 2, "{number}: many are removed again");
    }
}

#[tokio::test]
async fn what_cannot_be_found_at_once_is_removed_later() {
    // Side by side: each waits for a while.
    let all = SPOILS.into_iter().enumerate().map(|(number, spoil)| async move {
        let (transport, neutron, _cloud, _folder) = rig(spoil).await;
        neutron.create::<Network>(&named("before")).await.unwrap();
        transport.spoils.store(true, Ordering::SeqCst);
        transport.is_down.store(true, Ordering::SeqCst);
        let error = neutron.create::<Network>(&named("lost")).await.unwrap_err();
        assert!(error.may_have_happened() && !matches!(error, Error::Timeout { .. }), "{number}: {error}");
        transport.is_down.store(false, Ordering::SeqCst);
        assert_eq!(neutron.list::<Network>(&Query::new()).await.unwrap().len(), 2);
        let mut left = Vec::new();
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            left = neutron.list::<Network>(&Query::new()).await.unwrap();
            if left.len() == 1 {
                break;
            }
        }
        let names: Vec<_> = left.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["before"], "{number}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_refusal_is_final_and_nobody_looks() {
    fn refuse(_: Response<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let body = r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded.", "detail": ""}}"#;
        Ok(Response::builder().status(409).body(Bytes::from_static(body.as_bytes())).unwrap())
    }
    let (transport, neutron, _cloud, _folder) = rig(refuse).await;
    neutron.create::<Network>(&named("before")).await.unwrap();
    transport.spoils.store(true, Ordering::SeqCst);
    transport.is_down.store(true, Ordering::SeqCst);
    let error = neutron.create::<Network>(&named("refused")).await.unwrap_err();
    assert_eq!(error.error_type(), "OverQuota");
}
