//! What is sent again and what is not, counted.

use crate::stand_in::{ID, StandIn, answer, fault, later};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use kuryr_neutron::{Network, NetworkId, NetworkUpdate, NewNetwork, Router, RouterId, RouterInterface, Tag};
use kuryr_openstack::{Error, Neutron, SessionOptions, Transport, TransportError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

fn id() -> NetworkId {
    ID.parse().unwrap()
}

fn tag() -> Tag {
    "t".parse().unwrap()
}

/// Every kind of call, with whether it may be sent again blindly.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Get,
    Delete,
    SetTags,
    AddTag,
    RemoveTag,
    Create,
    CreateMany,
    Update,
    UpdateIf,
    AddInterface,
}

const KINDS: [(Kind, bool); 10] = [
    (Kind::Get, true),
    (Kind::Delete, true),
    (Kind::SetTags, true),
    (Kind::AddTag, true),
    (Kind::RemoveTag, true),
    (Kind::Create, false),
    (Kind::CreateMany, false),
    (Kind::Update, false),
    (Kind::UpdateIf, false),
    (Kind::AddInterface, false),
];

impl Kind {
    /// Calls that look what became of a call whose answer is lost, when all fail.
    fn looks(self, each: usize) -> usize {
        if matches!(self, Self::Update | Self::UpdateIf) { each } else { 0 }
    }
}

async fn perform(neutron: &Neutron, kind: Kind) -> Result<(), Error> {
    let update = NetworkUpdate::default();
    match kind {
        Kind::Get => neutron.get::<Network>(id()).await.map(|_| ()),
        Kind::Delete => neutron.delete::<Network>(id()).await,
        Kind::SetTags => neutron.set_tags::<Network>(id(), &[tag()]).await,
        Kind::AddTag => neutron.add_tag::<Network>(id(), &tag()).await,
        Kind::RemoveTag => neutron.remove_tag::<Network>(id(), &tag()).await,
        Kind::Create => neutron.create::<Network>(&NewNetwork::default()).await.map(|_| ()),
        Kind::CreateMany => neutron.create_many::<Network>(&[NewNetwork::default()]).await.map(|_| ()),
        Kind::Update => neutron.update::<Network>(id(), &update).await.map(|_| ()),
        Kind::UpdateIf => neutron.update_if::<Network>(id(), 7, &update).await.map(|_| ()),
        Kind::AddInterface => {
            let router: RouterId = ID.parse().unwrap();
            neutron.add_router_interface(router, RouterInterface::default()).await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_status_repeats() {
    for (kind, safe) in KINDS {
        for (status, safe_calls, unsafe_calls) in
            [(400, 1, 1), (404, 1, 1), (409, 1, 1), (429, 4, 4), (500, 4, 1), (502, 4, 1), (503, 4, 1), (504, 4, 1)]
        {
            let cloud = StandIn::new();
            cloud.answer_with(move |_| fault(status, "Broken", "no"));
            let error = perform(&cloud.neutron(), kind).await.unwrap_err();
            assert_eq!(error.status(), Some(status), "{kind:?}");
            let looks = kind.looks(if matches!(status, 500 | 502 | 504) { 4 } else { 0 });
            let wanted = if safe { safe_calls } else { unsafe_calls + looks };
            assert_eq!(cloud.call_count(), wanted, "{kind:?} {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_request_id_names_all_attempts() {
    let cloud = StandIn::new();
    cloud.script([answer(502, ""), answer(500, "")]);
    cloud.neutron().get::<Network>(id()).await.unwrap();
    let ids: Vec<_> = cloud.calls().iter().map(|c| c.headers["x-openstack-request-id"].clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0] && id.to_str().unwrap().starts_with("req-")), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_by_all_and_bounded() {
    for (kind, _) in KINDS {
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            let cloud = StandIn::new();
            let neutron = cloud.neutron();
            neutron.session().authenticate().await.unwrap();
            cloud.script([later(status, "7")]);
            let started = Instant::now();
            perform(&neutron, kind).await.unwrap();
            assert_eq!((cloud.call_count(), started.elapsed().as_secs()), (2, 7), "{kind:?} {status}");
        }
    }
    for after in ["21", "86400", "18446744073709551615"] {
        let cloud = StandIn::new();
        cloud.script([later(StatusCode::SERVICE_UNAVAILABLE, after)]);
        let started = Instant::now();
        let error = cloud.neutron().get::<Network>(id()).await.unwrap_err();
        assert_eq!((error.status(), cloud.call_count()), (Some(503), 1));
        assert!(started.elapsed() < Duration::from_secs(1), "not worth waiting for {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_never_passes_the_deadline() {
    let cloud = StandIn::new();
    cloud.answer_with(|_| later(StatusCode::SERVICE_UNAVAILABLE, "4"));
    let options = SessionOptions { timeout: Duration::from_secs(10), retries: 100, ..SessionOptions::default() };
    let neutron = Neutron::new(cloud.session(cloud.in_process(), options));
    let started = Instant::now();
    let error = neutron.get::<Network>(id()).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!((cloud.call_count(), started.elapsed().as_secs()), (3, 8));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    for (kind, _) in KINDS {
        let cloud = StandIn::new();
        cloud.hang();
        let started = Instant::now();
        let error = perform(&cloud.neutron(), kind).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }) && error.may_have_happened(), "{error}");
        let looks = kind.looks(1);
        assert_eq!((cloud.call_count(), started.elapsed().as_secs()), (1 + looks, 60 + 10 * looks as u64), "{kind:?}");
    }
}

/// Fails calls of Neutron as told: before they are sent, or after they were answered.
struct Unreliable {
    inner: Arc<dyn Transport>,
    refuse: AtomicUsize,
    lose: AtomicUsize,
    sent: AtomicUsize,
}

impl Unreliable {
    fn new(cloud: &StandIn, refuse: usize, lose: usize) -> Arc<Self> {
        Arc::new(Self { inner: cloud.in_process(), refuse: refuse.into(), lose: lose.into(), sent: 0.into() })
    }
}

fn take(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

#[async_trait::async_trait]
impl Transport for Unreliable {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if request.uri().path().contains("/identity") {
            return self.inner.send(request).await;
        }
        self.sent.fetch_add(1, Ordering::SeqCst);
        if take(&self.refuse) {
            return Err(TransportError::Connect { reason: "refused".into() });
        }
        let answer = self.inner.send(request).await;
        if take(&self.lose) { Err(TransportError::Interrupted { reason: "reset".into() }) } else { answer }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_by_all() {
    for (kind, _) in KINDS {
        let cloud = StandIn::new();
        let transport = Unreliable::new(&cloud, 2, 0);
        let neutron = Neutron::new(cloud.session(transport.clone(), SessionOptions::default()));
        perform(&neutron, kind).await.unwrap();
        assert_eq!((transport.sent.load(Ordering::SeqCst), cloud.call_count()), (3, 1), "{kind:?}");

        let transport = Unreliable::new(&cloud, 100, 0);
        let neutron = Neutron::new(cloud.session(transport.clone(), SessionOptions::default()));
        let error = perform(&neutron, kind).await.unwrap_err();
        assert!(!error.may_have_happened(), "{error}");
        assert_eq!(transport.sent.load(Ordering::SeqCst), 4, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_only_where_twice_is_once() {
    for (kind, safe) in KINDS {
        let cloud = StandIn::new();
        let transport = Unreliable::new(&cloud, 0, 2);
        let neutron = Neutron::new(cloud.session(transport, SessionOptions::default()));
        let result = perform(&neutron, kind).await;
        if safe {
            result.unwrap();
            assert_eq!(cloud.call_count(), 3, "{kind:?}");
        } else if matches!(kind, Kind::Update | Kind::UpdateIf) {
            // It is looked at until something can be seen, and nothing differs from what was asked for.
            result.unwrap();
            assert_eq!(cloud.call_count(), 3, "{kind:?}");
        } else {
            assert!(result.unwrap_err().may_have_happened(), "{kind:?}");
            assert_eq!(cloud.call_count(), 1, "{kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_deleted_is_deleted() {
    let gone = || fault(404, "NetworkNotFound", "Network could not be found.");
    let cloud = StandIn::new();
    cloud.script([answer(204, ""), gone()]);
    let neutron = Neutron::new(cloud.session(Unreliable::new(&cloud, 0, 1), SessionOptions::default()));
    neutron.delete::<Network>(id()).await.unwrap();
    assert_eq!(cloud.call_count(), 2);

    // A 502 may hide a deletion too; a 429 and a refused connection may not.
    cloud.script([answer(502, ""), gone()]);
    assert!(cloud.neutron().delete_if_exists::<Network>(id()).await.unwrap());
    cloud.script([answer(429, ""), gone()]);
    assert!(!cloud.neutron().delete_if_exists::<Network>(id()).await.unwrap());
    cloud.script([gone()]);
    let neutron = Neutron::new(cloud.session(Unreliable::new(&cloud, 1, 0), SessionOptions::default()));
    assert!(neutron.delete::<Network>(id()).await.unwrap_err().is_not_found());

    assert!(cloud.calls().iter().all(|call| call.method == Method::DELETE));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_does_not_use_up_repetitions() {
    let cloud = StandIn::new();
    cloud.script([answer(401, ""), answer(502, ""), answer(502, ""), answer(502, "")]);
    cloud.neutron().get::<Network>(id()).await.unwrap();
    assert_eq!((cloud.call_count(), cloud.logins()), (5, 2));
    let router: Result<Router, _> = cloud.neutron().get::<Router>(ID.parse().unwrap()).await;
    assert!(router.is_err(), "the stand-in only has networks");
}
