//! An unreachable, slow or lying Neutron: each call of each of Docker's requests goes wrong once, in each way. Docker
//! gets an error that says what and carries an id, or the request is carried out all the same; in time; and when it
//! failed nothing is left, in Neutron and in the kernel, and nothing of others is touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

mod cloud;
mod fault;
#[path = "../settings/mod.rs"]
mod settings;

use cloud::{CALL, World};
use fault::{Fault, Target};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const NETWORK: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcde";
const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const MAC: &str = "02:42:0a:00:00:02";

/// A request takes no longer, whatever its calls do: the one that hangs, those that look what it did, and the undoing.
const REQUEST: Duration = Duration::from_secs(5);

/// More calls than any request makes.
const CALLS: usize = 30;

/// One of Docker's requests.
struct Step {
    path: &'static str,
    body: Value,
    /// Whether a failure must leave all as it was; what removes may have removed something already.
    undone: bool,
}

/// The life of a network with one container, as Docker asks for it.
fn life(pool: &str) -> Vec<Step> {
    let step = |path, undone, body| Step { path, body, undone };
    let endpoint = || json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT});
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let options = json!({"com.docker.network.enable_ipv6": false, "com.docker.network.generic": {}});
    let range = json!([{"AddressSpace": "", "Pool": "10.0.0.0/24", "Gateway": "10.0.0.1/24"}]);
    let address = |address: &str| json!({"PoolID": pool, "Address": address});
    let mac = json!({"Options": {"com.docker.network.endpoint.macaddress": MAC}});
    let exposed = json!({"com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}]});
    vec![
        step(
            "/IpamDriver.RequestPool",
            true,
            json!({"AddressSpace": "", "Pool": "10.0.0.0/24", "SubPool": "", "Options": {}, "V6": false}),
        ),
        step(
            "/IpamDriver.RequestAddress",
            true,
            with(address("10.0.0.1"), json!({"Options": {"RequestAddressType": "com.docker.network.gateway"}})),
        ),
        step(
            "/NetworkDriver.CreateNetwork",
            true,
            json!({"NetworkID": NETWORK, "IPv4Data": range, "IPv6Data": [], "Options": options}),
        ),
        step("/IpamDriver.RequestAddress", true, with(address("10.0.0.5"), mac)),
        step(
            "/NetworkDriver.CreateEndpoint",
            true,
            with(
                endpoint(),
                json!({"Options": {}, "Interface": {"Address": "10.0.0.5/24", "AddressIPv6": "", "MacAddress": MAC}}),
            ),
        ),
        step(
            "/NetworkDriver.Join",
            true,
            with(endpoint(), json!({"SandboxKey": "/var/run/docker/netns/052b9aa6e9cd", "Options": null})),
        ),
        step("/NetworkDriver.ProgramExternalConnectivity", true, with(endpoint(), json!({"Options": exposed}))),
        step("/NetworkDriver.RevokeExternalConnectivity", false, endpoint()),
        step("/NetworkDriver.Leave", false, endpoint()),
        step("/NetworkDriver.DeleteEndpoint", false, endpoint()),
        step("/IpamDriver.ReleaseAddress", false, address("10.0.0.5")),
        step("/IpamDriver.ReleaseAddress", false, address("10.0.0.1")),
        step("/NetworkDriver.DeleteNetwork", false, json!({"NetworkID": NETWORK})),
        step("/IpamDriver.ReleasePool", false, json!({"PoolID": pool})),
    ]
}

/// Lives through as many lives as it takes for each call of each request to have gone wrong once.
async fn every_call_once(fault: Fault) {
    let world = World::new().await;
    let before = world.inventory().await;
    let mut next: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut failed, mut overcome) = (0, 0);
    for _ in 0..CALLS {
        let mut any = false;
        let mut pool = String::new();
        let steps = life("").len();
        for number in 0..steps {
            let step = life(&pool).remove(number);
            let call = next.get(&number).copied().unwrap_or(0);
            let mut answer = None;
            if call < CALLS {
                let at_first = world.inventory().await;
                world.bad.set(Target::Number(call), fault);
                let started = Instant::now();
                let result = world.ask(step.path, &step.body).await;
                let took = started.elapsed();
                let hit = world.bad.clear();
                world.settle().await;
                next.insert(number, if hit.is_some() { call + 1 } else { CALLS });
                any |= hit.is_some();
                let what = format!("{fault:?} of call {call} of {} ({hit:?})", step.path);
                assert!(took < REQUEST, "{what}: took {took:?}");
                match result {
                    Ok(told) => {
                        overcome += usize::from(hit.is_some());
                        answer = Some(told);
                    }
                    Err((status, text)) => {
                        assert!(hit.is_some(), "{what}: failed without a fault: {text}");
                        assert!(status >= 400 || status == 200, "{what}: {status} {text}");
                        assert!(text.contains("req-"), "{what}: carries no id: {text}");
                        failed += 1;
                        let left = world.inventory().await;
                        if step.undone {
                            let changes = changes(&at_first, &left);
                            assert!(changes.is_empty(), "{what}: not undone after: {text}\n{changes}");
                        }
                        let taken = before.iter().find(|one| one.contains("theirs") && !left.contains(*one));
                        assert_eq!(taken, None, "{what}: took what is not ours");
                    }
                }
            }
            let told = match answer {
                Some(told) => told,
                // Docker asks again, or somebody does.
                None => world.ask(step.path, &step.body).await.unwrap_or_else(|e| panic!("{} again: {e:?}", step.path)),
            };
            world.settle().await;
            if let Some(id) = told.get("PoolID") {
                pool = id.as_str().unwrap().to_owned();
            }
            world.make_bridges().await;
        }
        let changes = changes(&before, &world.inventory().await);
        assert!(changes.is_empty(), "{fault:?}: after a life: {changes}");
        if !any {
            println!("{fault:?}: {failed} requests failed and were undone, {overcome} were carried out all the same");
            assert!(failed + overcome > 0, "{fault:?} never came");
            return;
        }
    }
    panic!("{fault:?}: some request makes more than {CALLS} calls");
}

/// What one inventory has and the other has not, each way.
fn changes(before: &[String], after: &[String]) -> String {
    let only = |these: &[String], those: &[String], sign: char| -> String {
        these.iter().filter(|one| !those.contains(one)).map(|one| format!("{sign} {one}\n")).collect()
    };
    only(before, after, '-') + &only(after, before, '+')
}

macro_rules! faults {
    ($($name:ident: $fault:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_call_once($fault).await;
        }
    )+};
}

faults! {
    nobody_listens: Fault::Refused;
    silence: Fault::Hang { done: false };
    silence_after_the_deed: Fault::Hang { done: true };
    half_an_answer: Fault::Truncated { done: false };
    half_an_answer_after_the_deed: Fault::Truncated { done: true };
    a_proxys_page: Fault::BadGateway { done: false };
    a_proxys_page_after_the_deed: Fault::BadGateway { done: true };
    a_redirect: Fault::Redirect;
    an_endless_answer: Fault::Enormous { done: false };
    an_endless_answer_after_the_deed: Fault::Enormous { done: true };
    wrong_types: Fault::WrongTypes { done: false };
    wrong_types_after_the_deed: Fault::WrongTypes { done: true };
    an_error_as_success: Fault::ErrorInside { done: false };
    an_error_as_success_after_the_deed: Fault::ErrorInside { done: true };
    an_answer_about_another: Fault::AnotherOne { done: false };
    an_answer_about_another_after_the_deed: Fault::AnotherOne { done: true };
    a_fault_of_neutrons: Fault::Neutron;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_of_a_call_is_the_operators() {
    let world = World::new().await;
    world.bad.set(Target::Number(0), Fault::Hang { done: false });
    let started = Instant::now();
    let body = json!({"AddressSpace": "", "Pool": "10.0.0.0/24", "SubPool": "", "Options": {}, "V6": false});
    let (status, text) = world.ask("/IpamDriver.RequestPool", &body).await.unwrap_err();
    assert!(started.elapsed() >= CALL && started.elapsed() < CALL * 3, "{:?}", started.elapsed());
    assert_eq!(status, 500);
    assert!(text.contains("no answer within 700ms") && text.contains("raise timeout"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_the_clouds_request_and_ours() {
    let body = json!({"AddressSpace": "", "Pool": "10.0.0.0/24", "SubPool": "", "Options": {}, "V6": false});
    let lost = Fault::Truncated { done: true };
    for (fault, of_the_cloud) in [(Fault::Neutron, Some("request_ids: ['req-of-neutron']")), (lost, None)] {
        let world = World::new().await;
        world.bad.set(Target::All, fault);
        let (_, text) = world.ask("/IpamDriver.RequestPool", &body).await.unwrap_err();
        let ours = world.bad.sent_as(0);
        assert!(text.contains(&ours), "{fault:?}: not '{ours}': {text}");
        assert!(of_the_cloud.is_none_or(|words| text.contains(words)), "{fault:?}: {text}");
    }
}

/// What Docker asks up to a step of a life, all of it well.
async fn live_until(world: &World, path: &str) -> (String, Step) {
    let mut pool = String::new();
    for number in 0.. {
        let step = life(&pool).remove(number);
        let is_gateway = step.body["Options"].get("RequestAddressType").is_some();
        if step.path == path && !is_gateway {
            world.settle().await;
            return (pool, step);
        }
        let told = world.ask(step.path, &step.body).await.unwrap_or_else(|e| panic!("{}: {e:?}", step.path));
        if let Some(id) = told.get("PoolID") {
            pool = id.as_str().unwrap().to_owned();
        }
        world.make_bridges().await;
    }
    unreachable!("life goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_cloud_takes_no_more_than_a_requests_time() {
    const LIMIT: Duration = Duration::from_secs(1);
    // So slow that something is done, and not all of it.
    for (path, each) in [("/NetworkDriver.CreateNetwork", 600), ("/NetworkDriver.ProgramExternalConnectivity", 300)] {
        let world = World::with(LIMIT).await;
        let (_, step) = live_until(&world, path).await;
        let before = world.inventory().await;
        world.bad.set(Target::All, Fault::Slow(each));
        let started = Instant::now();
        let (status, text) = world.ask(step.path, &step.body).await.unwrap_err();
        let took = started.elapsed();
        world.bad.clear();
        assert!(status >= 400 && text.contains("req-"), "{path}: {status} {text}");
        // A look at what became of the last call, and the undoing, have time of their own.
        assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(4 * each), "{path}: {took:?}");
        world.settle().await;
        let changes = changes(&before, &world.inventory().await);
        assert!(changes.is_empty(), "{path}: not undone after: {text}\n{changes}");
        world.ask(step.path, &step.body).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_whose_change_is_lost_without_a_trace_is_given_back() {
    for path in ["/NetworkDriver.CreateEndpoint", "/NetworkDriver.ProgramExternalConnectivity"] {
        let world = World::new().await;
        let (pool, _) = live_until(&world, "/IpamDriver.RequestAddress").await;
        world.prepare_port("10.0.0.5").await;
        for step in life(&pool).into_iter().skip(3) {
            let before = world.inventory().await;
            let is_reached = step.path == path;
            if is_reached {
                world.bad.set(Target::PortUpdate, Fault::Truncated { done: true });
                let (status, text) = world.ask(step.path, &step.body).await.unwrap_err();
                world.bad.clear();
                world.settle().await;
                let changes = changes(&before, &world.inventory().await);
                assert!(changes.is_empty(), "{path}: not undone after: {status} {text}\n{changes}");
            }
            world.ask(step.path, &step.body).await.unwrap_or_else(|e| panic!("{}: {e:?}", step.path));
            world.settle().await;
            if is_reached {
                break;
            }
        }
    }
}
