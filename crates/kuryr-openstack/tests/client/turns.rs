//! Many calls at once take turns.

use crate::stand_in::{ID, StandIn};
use bytes::Bytes;
use http::{Method, Request, Response};
use kuryr_neutron::{Network, NetworkId, NewNetwork};
use kuryr_openstack::{Error, Neutron, SessionOptions, Transport, TransportError, within};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const CALL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// A cloud that does a few calls at a time, in the order of asking, and has deletions hang.
struct Busy {
    inner: Arc<dyn Transport>,
    processes: Semaphore,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Busy {
    fn new(cloud: &StandIn, processes: usize) -> Arc<Self> {
        let (inner, processes) = (cloud.in_process(), Semaphore::new(processes));
        Arc::new(Self { inner, processes, under_way: AtomicUsize::new(0), most: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Transport for Busy {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if !request.uri().path().contains("/networks") {
            return self.inner.send(request).await;
        }
        if request.method() == Method::DELETE {
            std::future::pending::<()>().await;
        }
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _process = self.processes.acquire().await.unwrap();
        sleep(CALL).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.inner.send(request).await
    }
}

async fn client(cloud: &StandIn, transport: Arc<Busy>, takes_turns: bool) -> Neutron {
    let options = SessionOptions { takes_turns, ..SessionOptions::default() };
    let neutron = Neutron::new(cloud.session(transport, options));
    neutron.session().authenticate().await.unwrap();
    neutron
}

fn id() -> NetworkId {
    ID.parse().unwrap()
}

/// Sixteen operations of two calls each: who ended when, in order.
async fn crowd(neutron: &Neutron) -> Vec<(usize, Duration)> {
    let started = Instant::now();
    let mut operations = JoinSet::new();
    for number in 0..16 {
        let neutron = neutron.clone();
        operations.spawn(within(PATIENCE, async move {
            for _ in 0..2 {
                neutron.create::<Network>(&NewNetwork::default()).await.unwrap();
            }
            (number, started.elapsed())
        }));
        sleep(Duration::from_micros(10)).await;
    }
    let mut ended = operations.join_all().await;
    ended.sort_by_key(|(_, when)| *when);
    ended
}

#[tokio::test(start_paused = true)]
async fn operations_end_one_after_the_other_and_not_all_at_the_end() {
    let cloud = StandIn::new();
    let [together, in_turns] = [false, true].map(|takes_turns| {
        let busy = Busy::new(&cloud, 2);
        (busy.clone(), takes_turns)
    });
    let mut medians = Vec::new();
    for (busy, takes_turns) in [together, in_turns] {
        let neutron = client(&cloud, busy.clone(), takes_turns).await;
        let ended = crowd(&neutron).await;
        // 32 calls, two at a time.
        let last = ended.last().unwrap().1;
        assert!(last >= CALL * 16 && last <= CALL * 17, "{last:?}");
        medians.push(ended[7].1);
        let most = busy.most.load(Ordering::SeqCst);
        if takes_turns {
            assert!(most <= 6, "{most}");
            let numbers: Vec<_> = ended.iter().map(|(number, _)| number / 2).collect();
            assert!(numbers.is_sorted(), "{ended:?}");
        } else {
            assert_eq!(most, 16);
        }
    }
    assert!(medians[0] >= CALL * 12 && medians[1] <= CALL * 10, "{medians:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_does_many_calls_at_a_time_gets_them() {
    let cloud = StandIn::new();
    let busy = Busy::new(&cloud, 1000);
    let neutron = client(&cloud, busy.clone(), true).await;
    crowd(&neutron).await;
    assert!(neutron.session().calls_at_a_time() >= Some(16));
    crowd(&neutron).await;
    assert_eq!(busy.most.load(Ordering::SeqCst), 16);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_do_not_hold_up_the_rest() {
    let cloud = StandIn::new();
    let neutron = client(&cloud, Busy::new(&cloud, 2), true).await;
    let started = Instant::now();
    let mut hanging = JoinSet::new();
    for _ in 0..8 {
        let neutron = neutron.clone();
        hanging.spawn(async move { neutron.delete::<Network>(id()).await.unwrap_err() });
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(neutron.session().calls_waiting(), 4);
    neutron.create::<Network>(&NewNetwork::default()).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2, "four that hang, and four more");
    for error in hanging.join_all().await {
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_takes_nobodys_turn() {
    let cloud = StandIn::new();
    let neutron = client(&cloud, Busy::new(&cloud, 2), true).await;
    for _ in 0..20 {
        let many = (0..16).map(|_| neutron.get::<Network>(id()));
        let given_up = timeout(CALL / 2, futures_util::future::join_all(many)).await;
        assert!(given_up.is_err());
    }
    assert_eq!(neutron.session().calls_waiting(), 0);
    let started = Instant::now();
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(started.elapsed().as_millis(), CALL.as_millis());
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_turn_does_not_come_in_time_was_not_made() {
    let cloud = StandIn::new();
    let neutron = client(&cloud, Busy::new(&cloud, 2), true).await;
    for _ in 0..4 {
        let neutron = neutron.clone();
        tokio::spawn(async move { neutron.delete::<Network>(id()).await });
    }
    sleep(Duration::from_millis(1)).await;
    let limit = Duration::from_millis(300);
    let error = within(limit, neutron.get::<Network>(id())).await.unwrap_err();
    assert!(matches!(error, Error::OutOfTime { .. }) && !error.may_have_happened(), "{error}");
    assert_eq!(cloud.call_count(), 0);
}
