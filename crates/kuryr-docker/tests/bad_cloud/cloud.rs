//! A plugin on an embedded cloud that can be made bad, in network namespaces of its own.

use crate::{fault::BadCloud, settings::settings};
use axum::{
    body::{Body, Bytes},
    http::Request,
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
use kuryr_neutron::{
    FixedIpRequest, HostId, Network, NewNetwork, NewPort, NewSecurityGroup, NewSubnet, NewSubnetPool, Port, Resource,
    SecurityGroup, Subnet, SubnetPool,
};
use kuryr_openstack::{InProcess, Neutron, Query, Session, SessionOptions, Transport};
use serde_json::Value;
use std::{
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    time::Duration,
};
use tower::ServiceExt;

/// Longest time of one call to Neutron.
pub const CALL: Duration = Duration::from_millis(700);

pub struct World {
    /// Past the faults.
    pub neutron: Neutron,
    pub bad: Arc<BadCloud>,
    plugin: Plugin,
    host: Namespace,
    taps: Namespace,
    _cloud: Cloud,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Duration::from_secs(40)).await
    }

    /// With this time for each of Docker's requests.
    pub async fn with(request_limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (host, taps) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        let url = "http://127.0.0.1:9696".parse().unwrap();
        let mut options = Options::new(folder.path().join("state"), HostId("here".to_owned()), url);
        // The namespace has no name in any file system: this process's own descriptor is its path.
        options.namespace = format!("/proc/{}/fd/{}", std::process::id(), taps.as_fd().as_raw_fd()).into();
        options.dataplane = false;
        let cloud = Cloud::open(options).await.unwrap();
        let bad = Arc::new(BadCloud::new(cloud.router()));
        let neutron = client(&cloud, Arc::new(InProcess::new(cloud.router())), SessionOptions::default());
        let options =
            SessionOptions { timeout: CALL, retry_delay: Duration::from_millis(1), ..SessionOptions::default() };
        let behind = client(&cloud, bad.clone(), options);
        let binder = host.run(Binder::new).unwrap().unwrap();
        let settings = PluginSettings { request_limit, ..settings() };
        let plugin = Plugin::new(behind, binder, settings);
        let world = Self { neutron, bad, plugin, host, taps, _cloud: cloud, _folder: folder };
        world.add_somebody_elses().await;
        world
    }

    /// Resources that Kuryr has nothing to do with.
    async fn add_somebody_elses(&self) {
        let network = NewNetwork { name: "theirs".into(), ..NewNetwork::default() };
        let network = self.tell_of(self.neutron.create::<Network>(&network).await.unwrap());
        let pool = NewSubnetPool { name: "theirs".into(), ..NewSubnetPool::default() };
        let pool = NewSubnetPool { prefixes: vec!["10.77.0.0/16".parse().unwrap()], ..pool };
        self.tell_of(self.neutron.create::<SubnetPool>(&pool).await.unwrap());
        let subnet = NewSubnet { network_id: Some(network.id), ip_version: Some(4), ..NewSubnet::default() };
        let subnet = NewSubnet { name: "theirs".into(), cidr: Some("10.77.1.0/24".parse().unwrap()), ..subnet };
        self.tell_of(self.neutron.create::<Subnet>(&subnet).await.unwrap());
        let port = NewPort { network_id: Some(network.id), name: "theirs".into(), ..NewPort::default() };
        let port = NewPort { device_id: Some("their-machine".into()), ..port };
        self.tell_of(self.neutron.create::<Port>(&port).await.unwrap());
        let group = NewSecurityGroup { name: "theirs".into(), ..NewSecurityGroup::default() };
        self.tell_of(self.neutron.create::<SecurityGroup>(&group).await.unwrap());
    }

    fn tell_of<R: Resource>(&self, theirs: R) -> R {
        self.bad.tell_of(R::MEMBER, serde_json::to_value(&theirs).unwrap());
        theirs
    }

    /// Docker asks; its error, if it gets one.
    pub async fn ask(&self, path: &str, body: &Value) -> Result<Value, (u16, String)> {
        let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
        let answer = self.plugin.router().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes: Bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let told: Value = serde_json::from_slice(&bytes).unwrap();
        match told.get("Err").and_then(Value::as_str) {
            Some(text) => Err((status, text.to_owned())),
            None if status == 200 => Ok(told),
            None => panic!("{path}: {status} without words: {told}"),
        }
    }

    /// Somebody's port on Kuryr's network, for a container.
    pub async fn prepare_port(&self, address: &str) {
        let subnet = self.all::<Subnet>().await.into_iter().find(|subnet| subnet.name != "theirs").unwrap();
        let address = FixedIpRequest { subnet_id: Some(subnet.id), ip_address: Some(address.parse().unwrap()) };
        let new = NewPort { network_id: Some(subnet.network_id), name: "prepared".into(), ..NewPort::default() };
        let new = NewPort { fixed_ips: Some(vec![address]), ..new };
        self.neutron.create::<Port>(&new).await.unwrap();
    }

    /// Waits for the writes that no answer waits for.
    pub async fn settle(&self) {
        self.plugin.settle().await;
    }

    /// What the data plane would have made.
    pub async fn make_bridges(&self) {
        let mut links = Links::open_in(&self.taps).unwrap();
        for network in self.all::<Network>().await {
            let name = network.id.bridge_name();
            if links.get(&name).unwrap().is_none() {
                links.create_bridge(&BridgeSpec { name: &name, mtu: network.mtu, ..BridgeSpec::default() }).unwrap();
            }
        }
    }

    async fn all<R: Resource>(&self) -> Vec<R> {
        self.neutron.list::<R>(&Query::new()).await.unwrap()
    }

    /// All that is in Neutron and in the kernel; whole, but for what counts changes.
    pub async fn inventory(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.all::<Network>().await.iter().map(whole));
        all.extend(self.all::<Subnet>().await.iter().map(whole));
        all.extend(self.all::<SubnetPool>().await.iter().map(whole));
        all.extend(self.all::<Port>().await.iter().map(whole));
        all.extend(self.all::<SecurityGroup>().await.iter().map(whole));
        for (namespace, prefix) in [(&self.host, "t_c"), (&self.taps, "tap")] {
            let links = Links::open_in(namespace).unwrap().list().unwrap();
            all.extend(links.into_iter().map(|link| link.name).filter(|name| name.starts_with(prefix)));
        }
        all
    }
}

fn whole<R: Resource>(one: &R) -> String {
    let mut one = serde_json::to_value(one).unwrap();
    for counter in ["revision_number", "updated_at"] {
        one.as_object_mut().unwrap().remove(counter);
    }
    format!("{} {one}", R::MEMBER)
}

fn client(cloud: &Cloud, transport: Arc<dyn Transport>, options: SessionOptions) -> Neutron {
    let known = cloud.credentials();
    let domain = || Domain::Name(known.user_domain_name.clone());
    let auth = Auth::Password {
        user: User::Name { name: known.username.clone(), domain: domain() },
        password: known.password.clone(),
        scope: Scope::Project(Project::Name { name: known.project_name.clone(), domain: domain() }),
    };
    Neutron::new(Session::new(transport, known.auth_url.parse().unwrap(), auth, options))
}
