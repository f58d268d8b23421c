//! A plugin on the embedded cloud, in network namespaces of its own.

#![allow(dead_code)] // each test file uses its part

mod inventory;
mod requests;
#[path = "../settings/mod.rs"]
mod settings;
mod transport;

use axum::{Router, http::StatusCode};
use kuryr_binding::{Binder, Driver};
use kuryr_cloud::{Cloud, Options};
use kuryr_config::{Auth, Domain, Project, Scope, User};
use kuryr_docker::{Plugin, PluginSettings};
use kuryr_netlink::{Links, Namespace, PeerSpec, VethSpec};
use kuryr_neutron::{HostId, Network, NetworkId, NewPort, Port, Subnet};
use kuryr_openstack::{InProcess, Neutron, Session, SessionOptions, Transport, in_background};
use serde_json::Value;
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
    /// What plugs its ports.
    binding: kuryr_binding::Options,
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
        let binding = kuryr_binding::Options::default();
        let client = client(&cloud, hide_tags, &calls, &pause, &alive, &away);
        let service = start(&client, &host, &settings, &binding);
        let plugin = service.router();
        Self {
            neutron,
            plugin,
            service,
            host,
            taps,
            calls,
            alive,
            away,
            hide_tags,
            cloud,
            settings,
            binding,
            folder,
            pause,
        }
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
        let binding = kuryr_binding::Options::default();
        let service = start(&client(&self.cloud, false, &calls, &pause, &alive, &away), &host, &settings, &binding);
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
            binding,
            folder,
            pause,
        }
    }

    /// This host is a virtual machine with a port on this network, and its containers are on top of its interface.
    pub async fn become_machine(&mut self, driver: Driver, network: NetworkId) -> Port {
        const INTERFACE: &str = "ens3";
        let new = NewPort { network_id: Some(network), name: "machine".to_owned(), ..NewPort::default() };
        let own: Port = self.neutron.create(&new).await.unwrap();
        let peer = PeerSpec { name: "wire", mtu: 1500, ..PeerSpec::default() };
        let mac = Some(own.mac_address.0);
        let spec = VethSpec { name: INTERFACE, mtu: 1500, mac, up: true, peer, ..VethSpec::default() };
        Links::open_in(&self.host).unwrap().create_veth(&spec).unwrap();
        let link_interface = Some(INTERFACE.to_owned());
        self.binding = kuryr_binding::Options { driver, link_interface, ..kuryr_binding::Options::default() };
        self.kill();
        own
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

    /// The next such call is answered with its port as it was before the cloud had bound it.
    pub fn answer_early(&self, call: &str) {
        *self.pause.lock().unwrap() = Some(Pause { is_early: true, ..Pause::of(call) });
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
        self.service = start(&neutron, &self.host, &self.settings, &self.binding);
        self.plugin = self.service.router();
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
        for _ in 0..1200 {
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
}

pub fn texts(tags: &[kuryr_neutron::Tag]) -> Vec<&str> {
    tags.iter().map(|tag| tag.as_str()).collect()
}

fn start(neutron: &Neutron, host: &Namespace, settings: &PluginSettings, binding: &kuryr_binding::Options) -> Plugin {
    let binder = host.run(|| Binder::with(binding.clone())).unwrap().unwrap();
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
