//! A small world of its own: a host, an engine, a data plane, and containers, all in namespaces that end with the test.

use crate::{
    dataplane::{DataPlane, Error, Layout, purge},
    engine::{self, Context, Engine, Options, Txn},
    store::MemoryStore,
};
use kuryr_netlink::{LinkChange, Links, Namespace, PeerSpec, Route, VethSpec, sysctl};
use kuryr_neutron::{
    Fault, HostId, Network, NetworkId, NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, NewSubnet, Port,
    PortId, ProjectId, SecurityGroup, SecurityGroupRule, Subnet,
};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

pub const HOST: &str = "here";
/// For what another test does for a moment.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

pub struct World {
    pub engine: Engine,
    pub plane: DataPlane,
    pub host: Namespace,
    directory: tempfile::TempDir,
    cancel: CancellationToken,
    pub context: Context,
}

/// A container's namespace with one interface, `eth0`.
pub struct Container {
    pub namespace: Namespace,
    pub port: Port,
}

impl World {
    pub async fn new() -> Self {
        let host = Namespace::anonymous().unwrap();
        let directory = tempfile::Builder::new().prefix("kuryr-dataplane-").tempdir().unwrap();
        let options =
            Options { namespace: directory.path().join("netns/kuryr"), ..Options::new(HostId(HOST.to_owned())) };
        let engine = Engine::open(Box::<MemoryStore>::default(), options).unwrap();
        let context = Context { project_id: ProjectId("p".to_owned()), is_admin: true, ..Context::default() };
        let cancel = CancellationToken::new();
        let layout = layout(directory.path(), &host);
        let plane = DataPlane::start(engine.clone(), layout, cancel.clone()).unwrap();
        Self { engine, plane, host, directory, cancel, context }
    }

    pub fn layout(&self) -> Layout {
        layout(self.directory.path(), &self.host)
    }

    pub fn bridges(&self) -> Namespace {
        Namespace::open(&self.layout().namespace).unwrap()
    }

    /// Stops the data plane as the end of its process would.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.plane.stopped().await;
    }

    /// Stops the data plane and starts another.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.cancel = CancellationToken::new();
        let until = Instant::now() + PATIENCE;
        self.plane = loop {
            match DataPlane::start(self.engine.clone(), self.layout(), self.cancel.clone()) {
                // Whatever another test has forked holds the lock too, until it executes its program.
                Err(Error::InUse { .. }) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                plane => break plane.unwrap(),
            }
        };
        self.settled().await;
    }

    /// Commits a change and waits until it is in force.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Txn, &Context) -> Result<T, Fault> + Send + 'static,
    ) -> T {
        let context = self.context.clone();
        let committed = self.engine.write(move |txn| change(txn, &context)).await.unwrap();
        self.in_force(committed.revision).await;
        committed.value
    }

    /// Waits longer than callers do: an emulated machine is slow.
    async fn in_force(&self, revision: u64) {
        let until = Instant::now() + PATIENCE;
        while let Err(late) = self.plane.applied(revision).await {
            assert!(Instant::now() < until, "{late}");
        }
    }

    /// Waits until all that is committed is in force.
    pub async fn settled(&self) {
        let revision = self.engine.read(|state| state.revision);
        self.in_force(revision).await;
    }

    pub async fn network(&self, body: Value) -> Network {
        let new: NewNetwork = read(body);
        self.write(move |txn, context| engine::network::create(txn, context, new)).await
    }

    pub async fn subnet(&self, network: NetworkId, cidr: &str) -> Subnet {
        let new: NewSubnet = read(json!({"network_id": network, "cidr": cidr}));
        self.write(move |txn, context| engine::subnet::create(txn, context, new)).await
    }

    /// A network with one subnet.
    pub async fn net(&self, cidr: &str) -> Network {
        let network = self.network(json!({"name": cidr})).await;
        self.subnet(network.id, cidr).await;
        network
    }

    pub async fn group(&self) -> SecurityGroup {
        let new: NewSecurityGroup = read(json!({"name": "web"}));
        self.write(move |txn, context| engine::security_group::create(txn, context, new)).await
    }

    pub async fn allow(&self, group: &SecurityGroup, mut rule: Value) -> SecurityGroupRule {
        rule.as_object_mut().unwrap().insert("security_group_id".to_owned(), json!(group.id));
        let new: NewSecurityGroupRule = read(rule);
        self.write(move |txn, context| engine::security_group_rule::create(txn, context, new)).await
    }

    pub async fn forbid(&self, rule: &SecurityGroupRule) {
        let id = rule.id;
        self.write(move |txn, context| engine::security_group_rule::delete(txn, context, id)).await;
    }

    /// A port bound to this host.
    pub async fn port(&self, network: NetworkId, mut body: Value) -> Port {
        let port = body.as_object_mut().unwrap();
        port.insert("network_id".to_owned(), json!(network));
        port.insert("binding:host_id".to_owned(), json!(HOST));
        port.insert("device_owner".to_owned(), json!("compute:kuryr"));
        let new: NewPort = read(body);
        self.write(move |txn, context| engine::port::create(txn, context, new)).await
    }

    /// A container on a new port.
    pub async fn container(&self, network: NetworkId, body: Value) -> Container {
        let port = self.port(network, body).await;
        self.plug(port)
    }

    /// What binding does, and Docker then: a veth pair from the bridge into a new namespace, with addresses and routes.
    pub fn plug(&self, port: Port) -> Container {
        let container = self.wire(port);
        self.configure(&container);
        container
    }

    /// A veth pair from the bridge into a new namespace.
    pub fn wire(&self, port: Port) -> Container {
        let namespace = Namespace::anonymous().unwrap();
        let mut links = Links::open_in(&self.bridges()).unwrap();
        let bridge = links.get(&port.network_id.bridge_name()).unwrap().expect("the bridge is there before the answer");
        let name = port.id.tap_name();
        let mac = Some(port.mac_address.0);
        let peer = PeerSpec { name: "eth0", mtu: bridge.mtu, mac, namespace: Some(namespace.as_fd()) };
        let controller = Some(bridge.index);
        links
            .create_veth(&VethSpec { name: &name, mtu: bridge.mtu, mac: None, controller, up: true, alias: None, peer })
            .unwrap();
        raise(&mut Links::open_in(&namespace).unwrap(), "eth0");
        sysctl::write(&namespace, "net.ipv4.ping_group_range", "0 2147483647").unwrap();
        Container { namespace, port }
    }

    /// Gives a container what Docker does: its addresses, and routes by its gateways.
    pub fn configure(&self, container: &Container) {
        let mut inside = Links::open_in(&container.namespace).unwrap();
        let index = inside.get("eth0").unwrap().unwrap().index;
        self.engine.read(|state| {
            for fixed in &container.port.fixed_ips {
                let subnet = &state.subnets[&fixed.subnet_id];
                let net = ipnet::IpNet::new(fixed.ip_address, subnet.cidr.prefix_len()).unwrap();
                inside.add_address(index, net).unwrap();
                if let Some(gateway) = subnet.gateway_ip {
                    let all = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
                    let route = Route { destination: all.parse().unwrap(), gateway: Some(gateway), index: None };
                    inside.replace_route(&route).unwrap();
                }
            }
        });
    }

    /// Waits until a port has a status.
    pub async fn status(&self, id: PortId, wanted: kuryr_neutron::Status) {
        let mut changes = self.engine.changes();
        let reached = async {
            while self.engine.read(|state| state.ports[&id].status) != wanted {
                changes.changed().await.unwrap();
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, reached).await;
        assert!(outcome.is_ok(), "port {id} did not become {wanted}: {:?}", self.plane.status());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
        let layout = self.layout();
        // The loop may still be at its last pass: what it makes meanwhile is removed in a second turn.
        let _ = purge(&layout);
        let _ = purge(&layout);
        let _ = rustix::mount::unmount(&layout.router_dir, rustix::mount::UnmountFlags::DETACH);
    }
}

fn layout(directory: &Path, host: &Namespace) -> Layout {
    let router_dir = directory.join("netns");
    Layout {
        namespace: router_dir.join("kuryr"),
        router_dir,
        router_prefix: "qrouter-".to_owned(),
        host: host.try_clone().unwrap(),
    }
}

pub fn read<T: serde::de::DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

pub fn raise(links: &mut Links, name: &str) -> u32 {
    let index = links.get(name).unwrap().unwrap().index;
    links.set(index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    index
}

impl Container {
    pub fn ip(&self) -> IpAddr {
        self.port.fixed_ips[0].ip_address
    }

    pub fn ip4(&self) -> Ipv4Addr {
        self.port
            .fixed_ips
            .iter()
            .find_map(|f| if let IpAddr::V4(ip) = f.ip_address { Some(ip) } else { None })
            .unwrap()
    }

    pub fn ip6(&self) -> IpAddr {
        self.port.fixed_ips.iter().map(|f| f.ip_address).find(IpAddr::is_ipv6).unwrap()
    }
}

/// Polls until something is so; false when patience ends, which is before the data plane looks at everything anyway.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    is_so()
}
