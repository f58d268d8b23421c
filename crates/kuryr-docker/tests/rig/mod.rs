//! A plugin on the embedded cloud, in network namespaces of its own.

#![allow(dead_code)] // each test file uses its part

#[path = "../settings/mod.rs"]
mod settings;
mod transport;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use kuryr_binding::Binder;
use kuryr_cloud::{Cloud, Options};
use kuryr_config::{Auth, Domain, Project, Scope, User};
use kuryr_docker::{Plugin, PluginSettings};
use kuryr_netlink::{
    Namespace,
    link::{BridgeSpec, Links},
};
use kuryr_neutron::{HostId, Network, Port, Resource, SecurityGroup, Subnet, SubnetPool};
use kuryr_openstack::{InProcess, Neutron, Query, Session, SessionOptions, Transport, in_background};
use serde_json::{Value, json};
use settings::settings;
use std::{
    os::fd::{AsFd, AsRawFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use tower::ServiceExt;
use transport::{NoTags, Noted, Pause};

pub const NETWORK: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcde";
pub const NETWORK_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub const ENDPOINT_B: &str = "2222222222222222222222222222222222222222222222222222222222222222";
/// Ends the line of a call that nobody waited for.
const BEHIND: &str = " behind";
pub const MAC: &str = "02:42:0a:00:00:02";
pub const MAC_B: &str = "02:42:0a:00:00:03";

/// Everything of one test.
pub struct Rig {
    pub neutron: Neutron,
    pub plugin: Router,
    /// The same, for what is not Docker's to ask.
    pub service: Plugin,
    pub host: Namespace,
    pub taps: Namespace,
    /// `METHOD path` of every call to Neutron since the last look, with [`BEHIND`] if nobody waited for it.
    calls: Arc<Mutex<Vec<String>>>,
    /// Whether the plugin's process lives: the dead write nothing.
    alive: Arc<AtomicBool>,
    /// Whether the plugin finds no cloud.
    away: Arc<AtomicBool>,
    hide_tags: bool,
    cloud: Arc<Cloud>,
    settings: PluginSettings,
    folder: Arc<tempfile::TempDir>,
    pause: Arc<Mutex<Option<Pause>>>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|_| {}, false).await
    }

    /// On a cloud without tags.
    pub async fn without_tags() -> Self {
        Self::with(|_| {}, true).await
    }

    pub async fn with(change: impl FnOnce(&mut PluginSettings), hide_tags: bool) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let (host, taps) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        let url = "http://127.0.0.1:9696".parse().unwrap();
        let mut options = Options::new(folder.path().join("state"), HostId("here".to_owned()), url);
        // The namespace has no name in any file system: this process's own descriptor is its path.
        options.namespace = format!("/proc/{}/fd/{}", std::process::id(), taps.as_fd().as_raw_fd()).into();
        options.dataplane = false;
        options.mtu = 1450;
        let cloud = Arc::new(Cloud::open(options).await.unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let pause = Arc::default();
        let neutron = client(&cloud, hide_tags, &calls, &Arc::default(), &living(), &Arc::default());
        let (alive, away) = (living(), Arc::default());
        let mut settings = PluginSettings { published: folder.path().join("published"), ..settings() };
        change(&mut settings);
        let service = start(&client(&cloud, hide_tags, &calls, &pause, &alive, &away), &host, &settings);
        let plugin = service.router();
        Self { neutron, plugin, service, host, taps, calls, alive, away, hide_tags, cloud, settings, folder, pause }
    }

    /// Another Kuryr on the same cloud, on a host of its own.
    pub fn beside(&self, control_plane: &str) -> Self {
        let host = Namespace::anonymous().unwrap();
        let (calls, pause) = (Arc::default(), Arc::default());
        let neutron = client(&self.cloud, false, &calls, &Arc::default(), &living(), &Arc::default());
        let (alive, away) = (living(), Arc::default());
        let mut settings = self.settings.clone();
        settings.control_plane = control_plane.parse().unwrap();
        settings.published = self.folder.path().join(control_plane);
        let service = start(&client(&self.cloud, false, &calls, &pause, &alive, &away), &host, &settings);
        let plugin = service.router();
        let (cloud, folder) = (Arc::clone(&self.cloud), Arc::clone(&self.folder));
        let taps = self.taps.try_clone().unwrap();
        Self {
            neutron,
            plugin,
            service,
            host,
            taps,
            calls,
            alive,
            away,
            hide_tags: false,
            cloud,
            settings,
            folder,
            pause,
        }
    }

    /// Does something at the moment when a request is about to make a call, which is told by its beginning; then the
    /// request goes on. The answer to the request.
    pub async fn meanwhile(&self, path: &str, body: Value, call: &str, act: impl AsyncFnOnce()) -> (StatusCode, Value) {
        let (reached, released) = self.hold(call, false);
        let others = async {
            let arrival = tokio::time::timeout(Duration::from_secs(10), reached.notified()).await;
            arrival.unwrap_or_else(|_| panic!("{path} never makes the call {call}"));
            act().await;
            released.notify_one();
        };
        tokio::join!(self.ask(path, body), others).0
    }

    /// The next such call is not carried out, and answered as if its subject did not exist.
    pub fn deny(&self, call: &str) {
        *self.pause.lock().unwrap() = Some(Pause { is_denied: true, ..Pause::of(call) });
    }

    /// Holds up the answer to the next such call: told when the cloud has done it, and waited for before it is told.
    pub fn hold_answer(&self, call: &str) -> (Arc<Notify>, Arc<Notify>) {
        let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (reached_too, released_too) = (Arc::clone(&reached), Arc::clone(&released));
        let pause = Pause { is_late: true, reached: reached_too, released: released_too, ..Pause::of(call) };
        *self.pause.lock().unwrap() = Some(pause);
        (reached, released)
    }

    /// A request whose process is killed when it is about to make its nth such call; then a new process is there.
    pub async fn killed_at(&mut self, path: &str, body: Value, call: &str, nth: usize) {
        let reached = Arc::new(Notify::new());
        let pause = Pause { before: nth - 1, reached: Arc::clone(&reached), ..Pause::of(call) };
        *self.pause.lock().unwrap() = Some(pause);
        tokio::select! {
            answer = self.ask(path, body) => panic!("{path} never makes the call {call}: {answer:?}"),
            () = reached.notified() => {}
        }
        self.kill();
    }

    /// Holds up the next such call, or the answer to it; what to wait for, and what lets it go on, without its answer.
    pub fn hold(&self, call: &str, is_carried_out: bool) -> (Arc<Notify>, Arc<Notify>) {
        let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (reached_too, released_too) = (Arc::clone(&reached), Arc::clone(&released));
        let pause = Pause { reached: reached_too, released: released_too, is_carried_out, ..Pause::of(call) };
        *self.pause.lock().unwrap() = Some(pause);
        (reached, released)
    }

    /// Nothing is held up any more.
    pub fn hold_nothing(&self) {
        self.pause.lock().unwrap().take();
    }

    /// The plugin finds no cloud any more, or finds it again.
    pub fn take_cloud_away(&self, is_away: bool) {
        self.away.store(is_away, Ordering::SeqCst);
    }

    /// From the next restart on, the settings are others.
    pub fn change(&mut self, change: impl FnOnce(&mut PluginSettings)) {
        change(&mut self.settings);
    }

    /// The plugin after a restart: it remembers nothing. What was to be written behind is written.
    pub async fn restart(&mut self) {
        self.service.settle().await;
        self.kill();
    }

    /// The plugin after a `kill -9` and a start: it remembers nothing, and what was not written yet never is.
    pub fn kill(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        (self.alive, self.pause) = (living(), Arc::default());
        let neutron = client(&self.cloud, self.hide_tags, &self.calls, &self.pause, &self.alive, &self.away);
        self.service = start(&neutron, &self.host, &self.settings);
        self.plugin = self.service.router();
    }

    pub async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
        let answer = self.plugin.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// An answer without error.
    pub async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(path, body.clone()).await;
        assert!(status == StatusCode::OK && answer.get("Err").is_none(), "{path} {body}: {status} {answer}");
        answer
    }

    /// The text of an error.
    pub async fn err(&self, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.ask(path, body.clone()).await;
        match answer.get("Err").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => (status.as_u16(), text.to_owned()),
            _ => panic!("{path} {body} should fail: {status} {answer}"),
        }
    }

    pub async fn request_pool(&self, cidr: &str, options: Value) -> String {
        let body =
            json!({"AddressSpace": "", "Pool": cidr, "SubPool": "", "Options": options, "V6": cidr.contains(':')});
        let answer = self.ok("/IpamDriver.RequestPool", body).await;
        assert_eq!(answer["Pool"], cidr);
        answer["PoolID"].as_str().unwrap().to_owned()
    }

    pub async fn gateway(&self, pool: &str, address: &str) -> String {
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        let answer =
            self.ok("/IpamDriver.RequestAddress", json!({"PoolID": pool, "Address": address, "Options": options}));
        answer.await["Address"].as_str().unwrap().to_owned()
    }

    pub fn address_request(pool: &str, address: &str, mac: &str) -> Value {
        let options = json!({"com.docker.network.endpoint.macaddress": mac});
        json!({"PoolID": pool, "Address": address, "Options": options})
    }

    pub async fn request_address(&self, pool: &str, address: &str, mac: &str) -> String {
        let answer = self.ok("/IpamDriver.RequestAddress", Self::address_request(pool, address, mac)).await;
        answer["Address"].as_str().unwrap().to_owned()
    }

    pub async fn release_address(&self, pool: &str, address: &str) {
        let address = address.split('/').next().unwrap();
        let answer = self.ok("/IpamDriver.ReleaseAddress", json!({"PoolID": pool, "Address": address})).await;
        assert_eq!(answer, json!({}));
    }

    pub async fn release_pool(&self, pool: &str) {
        assert_eq!(self.ok("/IpamDriver.ReleasePool", json!({"PoolID": pool})).await, json!({}));
    }

    pub fn network_request(id: &str, ranges: &[(&str, &str)], options: Value) -> Value {
        let data = |v6: bool| -> Vec<Value> {
            let own = ranges.iter().filter(|(pool, _)| pool.contains(':') == v6);
            own.map(|(pool, gateway)| json!({"AddressSpace": "", "Pool": pool, "Gateway": gateway})).collect()
        };
        let options = json!({"com.docker.network.enable_ipv6": false, "com.docker.network.generic": options});
        json!({"NetworkID": id, "IPv4Data": data(false), "IPv6Data": data(true), "Options": options})
    }

    pub async fn create_network(&self, id: &str, ranges: &[(&str, &str)], options: Value) {
        let body = Self::network_request(id, ranges, options);
        assert_eq!(self.ok("/NetworkDriver.CreateNetwork", body).await, json!({}));
        self.make_bridges().await;
    }

    pub async fn delete_network(&self, id: &str) {
        assert_eq!(self.ok("/NetworkDriver.DeleteNetwork", json!({"NetworkID": id})).await, json!({}));
    }

    pub fn endpoint_request(network: &str, endpoint: &str, v4: &str, v6: &str, mac: &str) -> Value {
        let interface = json!({"Address": v4, "AddressIPv6": v6, "MacAddress": mac});
        json!({"NetworkID": network, "EndpointID": endpoint, "Options": {}, "Interface": interface})
    }

    pub async fn create_endpoint(&self, network: &str, endpoint: &str, v4: &str, v6: &str, mac: &str) {
        let body = Self::endpoint_request(network, endpoint, v4, v6, mac);
        assert_eq!(self.ok("/NetworkDriver.CreateEndpoint", body).await, json!({"Interface": {}}));
    }

    pub async fn join(&self, network: &str, endpoint: &str) -> Value {
        let key = "/var/run/docker/netns/052b9aa6e9cd";
        let body = json!({"NetworkID": network, "EndpointID": endpoint, "SandboxKey": key, "Options": null});
        self.ok("/NetworkDriver.Join", body).await
    }

    /// A request that names a network and an endpoint and is answered by `{}`.
    pub async fn endpoint(&self, method: &str, network: &str, endpoint: &str) {
        let body = json!({"NetworkID": network, "EndpointID": endpoint});
        assert_eq!(self.ok(&format!("/NetworkDriver.{method}"), body).await, json!({}));
    }

    /// `METHOD path` of the calls to Neutron that somebody waited for, since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().extract_if(.., |call| !call.ends_with(BEHIND)).collect()
    }

    /// `METHOD path` of the calls to Neutron that nobody waited for, since this was asked last.
    pub fn calls_behind(&self) -> Vec<String> {
        let mut calls = self.calls.lock().unwrap();
        calls.extract_if(.., |call| call.ends_with(BEHIND)).map(|call| call.replace(BEHIND, "")).collect()
    }

    /// Waits for the writes that no answer waits for.
    pub async fn written_behind(&self, done: impl AsyncFn() -> bool) {
        for _ in 0..200 {
            // Looking must not be what they let go first.
            if in_background(done()).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not written behind: {:?}", self.inventory().await);
    }

    /// Waits until every subnet has the tag of its pool.
    pub async fn subnets_are_tagged(&self) {
        self.written_behind(async || self.all::<Subnet>().await.iter().all(|subnet| !subnet.tags.is_empty())).await;
    }

    /// Waits until every network has the tags of its Docker network.
    pub async fn networks_are_tagged(&self) {
        self.written_behind(async || self.all::<Network>().await.iter().all(|network| !network.tags.is_empty())).await;
    }

    /// Waits until every plugged port has its endpoint and its endpoint's tags.
    pub async fn ports_are_marked(&self) {
        self.written_behind(async || {
            let plugged = self.links().1;
            let ports = self.all::<Port>().await;
            let mut plugged = ports.iter().filter(|port| plugged.contains(&port.id.tap_name()));
            plugged.all(|port| port.device_id.parse::<kuryr_ports::DockerId>().is_ok() && port.tags.len() == 3)
        })
        .await;
    }

    pub async fn all<R: Resource>(&self) -> Vec<R> {
        self.neutron.list::<R>(&Query::new()).await.unwrap()
    }

    /// The only resource of its kind.
    pub async fn only<R: Resource + std::fmt::Debug>(&self) -> R {
        let mut all = self.all::<R>().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// What the data plane would have made.
    pub async fn make_bridges(&self) {
        let mut links = Links::open_in(&self.taps).unwrap();
        for network in self.all::<Network>().await {
            let name = network.id.bridge_name();
            if links.get(&name).unwrap().is_none() {
                let spec = BridgeSpec { name: &name, mtu: network.mtu, ..BridgeSpec::default() };
                links.create_bridge(&spec).unwrap();
            }
        }
    }

    /// Names of the interfaces that plugging made: on the host, and in the cloud's namespace.
    pub fn links(&self) -> (Vec<String>, Vec<String>) {
        let names = |namespace: &Namespace, prefix: &str| {
            let all = Links::open_in(namespace).unwrap().list().unwrap();
            all.into_iter().map(|link| link.name).filter(|name| name.starts_with(prefix)).collect()
        };
        (names(&self.host, "t_c"), names(&self.taps, "tap"))
    }

    /// All that is in Neutron and in the kernel, by names.
    pub async fn inventory(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.all::<Network>().await.into_iter().map(|n| format!("network {} {:?}", n.name, texts(&n.tags))));
        all.extend(self.all::<Subnet>().await.into_iter().map(|s| format!("subnet {} {:?}", s.name, texts(&s.tags))));
        all.extend(self.all::<SubnetPool>().await.into_iter().map(|p| format!("pool {} {:?}", p.name, texts(&p.tags))));
        all.extend(self.all::<Port>().await.into_iter().map(|p| {
            let user = format!("{}{}{}", p.device_id, p.device_owner, p.binding_host_id);
            format!("port {} {:?} {user}", p.name, texts(&p.tags))
        }));
        let groups = self.all::<SecurityGroup>().await.into_iter().filter(|g| g.name != "default");
        all.extend(groups.map(|g| format!("group {}", g.name)));
        let (host, taps) = self.links();
        all.extend(host.into_iter().chain(taps).map(|name| format!("link {name}")));
        all
    }

    /// Fails if anything is left, in Neutron or in the kernel.
    pub async fn assert_nothing_left(&self) {
        assert_eq!(self.inventory().await, Vec::<String>::new());
    }
}

pub fn texts(tags: &[kuryr_neutron::Tag]) -> Vec<&str> {
    tags.iter().map(|tag| tag.as_str()).collect()
}

fn start(neutron: &Neutron, host: &Namespace, settings: &PluginSettings) -> Plugin {
    let binder = host.run(Binder::new).unwrap().unwrap();
    Plugin::new(neutron.clone(), binder, settings.clone())
}

fn living() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

fn client(
    cloud: &Cloud,
    hide_tags: bool,
    calls: &Arc<Mutex<Vec<String>>>,
    pause: &Arc<Mutex<Option<Pause>>>,
    alive: &Arc<AtomicBool>,
    away: &Arc<AtomicBool>,
) -> Neutron {
    let known = cloud.credentials();
    let domain = || Domain::Name(known.user_domain_name.clone());
    let auth = Auth::Password {
        user: User::Name { name: known.username.clone(), domain: domain() },
        password: known.password.clone(),
        scope: Scope::Project(Project::Name { name: known.project_name.clone(), domain: domain() }),
    };
    let inner = Noted {
        inner: InProcess::new(cloud.router()),
        calls: Arc::clone(calls),
        pause: Arc::clone(pause),
        alive: Arc::clone(alive),
        away: Arc::clone(away),
    };
    let transport: Arc<dyn Transport> = if hide_tags { Arc::new(NoTags(inner)) } else { Arc::new(inner) };
    Neutron::new(Session::new(transport, known.auth_url.parse().unwrap(), auth, SessionOptions::default()))
}
