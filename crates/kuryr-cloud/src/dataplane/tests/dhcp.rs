//! Who configures itself: busybox's DHCP client on ports of the real data plane.

use super::{
    router::{active, join, router},
    traffic::assert_ping,
    world::*,
};
use crate::{dataplane::dhcp::frame::Datagram, engine};
use dhcproto::{
    Decodable, Encodable,
    v4::{DhcpOption, Flags, Message, MessageType},
};
use kuryr_netlink::{Datagrams, LinkChange, Links, Namespace};
use kuryr_neutron::{MacAddr, NetworkId, NewSubnet, Subnet};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// For a client, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rig/guest/unpack.sh");
pub const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dataplane/tests/told.sh");

/// A busybox with the client: the machine's, or Debian's, unpacked beside the system.
fn busybox(test: &str) -> Option<PathBuf> {
    let lists = |busybox: &str| {
        Command::new(busybox)
            .arg("--list")
            .output()
            .is_ok_and(|list| String::from_utf8_lossy(&list.stdout).lines().any(|applet| applet == "udhcpc"))
    };
    if lists("busybox") {
        return Some("busybox".into());
    }
    unpacked("busybox", "busybox-static", test).map(|folder| folder.join("bin/busybox"))
}

/// The folder with a package of Debian, beside the system; says so where there is none.
pub fn unpacked(name: &str, package: &str, test: &str) -> Option<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/kuryr-rig");
    let folder = std::env::var_os("KURYR_RIG_CACHE").map_or_else(home, PathBuf::from).join(name);
    let output = Command::new(RIG).arg(&folder).arg(package).output().unwrap();
    if output.status.success() {
        return Some(folder);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    println!("skipped: {test}: {}", reason.split_whitespace().collect::<Vec<_>>().join(" "));
    None
}

/// A client on `eth0` of a namespace.
struct Client {
    child: Child,
    told: tempfile::TempDir,
}

impl Client {
    fn start(busybox: &PathBuf, namespace: &Namespace, arguments: &[&str]) -> Self {
        let told = tempfile::tempdir().unwrap();
        let mut command = Command::new(busybox);
        command.args(["udhcpc", "-f", "-i", "eth0", "-s", SCRIPT]).args(arguments).env("TOLD", told.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = namespace.run(|| command.spawn()).unwrap().unwrap();
        Self { child, told }
    }

    /// Asks until it has an address.
    fn patient(busybox: &PathBuf, namespace: &Namespace) -> Self {
        Self::start(busybox, namespace, &["-t", "60", "-T", "1", "-A", "1"])
    }

    /// What it was told at an event: by name, as busybox writes it.
    fn told(&self, event: &str) -> BTreeMap<String, String> {
        let (path, end) = (self.told.path().join(event), Instant::now() + PATIENCE);
        while !path.exists() {
            assert!(Instant::now() < end, "udhcpc has not seen '{event}'");
            std::thread::sleep(Duration::from_millis(20));
        }
        let lines = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let known = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        let ours = pairs.filter(|(name, _)| known(name) && !["interface", "siaddr"].contains(name));
        ours.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    /// Wants its lease prolonged.
    fn renew(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::USR1).unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// True if a client that asks twice gets an answer.
fn is_answered(busybox: &PathBuf, namespace: &Namespace) -> bool {
    let mut client = Client::start(busybox, namespace, &["-n", "-q", "-t", "2", "-T", "1"]);
    client.child.wait().unwrap().success()
}

pub async fn subnet(world: &World, network: NetworkId, mut body: Value) -> Subnet {
    body["network_id"] = json!(network);
    let new: NewSubnet = read(body);
    world.write(move |txn, context| engine::subnet::create(txn, context, new)).await
}

fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_gets_what_its_own_subnet_has_and_nothing_else() {
    let Some(busybox) = busybox("a_port_gets_what_its_own_subnet_has_and_nothing_else") else { return };
    let world = World::new().await;
    let mut clients = Vec::new();
    for more in [
        json!({
            "dns_nameservers": ["192.0.2.53", "192.0.2.54"],
            "host_routes": [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.7"}],
        }),
        // The same addresses on another network, and the least that there is.
        json!({"gateway_ip": null}),
        json!({"gateway_ip": null, "host_routes": [{"destination": "198.51.100.0/25", "nexthop": "10.0.0.8"}]}),
    ] {
        let network = world.network(json!({"name": "n", "mtu": 1400})).await;
        let mut body = json!({"cidr": "10.0.0.0/24"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        subnet(&world, network.id, body).await;
        subnet(&world, network.id, json!({"cidr": "10.1.0.0/24", "enable_dhcp": false})).await;
        let port = world.port(network.id, json!({"fixed_ips": [{"ip_address": "10.0.0.10"}]})).await;
        let machine = world.wire(port);
        clients.push((Client::patient(&busybox, &machine.namespace), machine));
    }
    let same = [("ip", "10.0.0.10"), ("mask", "24"), ("subnet", "255.255.255.0"), ("mtu", "1400"), ("lease", "43200")];
    let server = "169.254.169.254";
    for ((client, _machine), own) in clients.iter().zip([
        &[
            ("serverid", "10.0.0.1"),
            ("router", "10.0.0.1"),
            ("dns", "192.0.2.53 192.0.2.54"),
            ("staticroutes", "198.51.100.0/24 10.0.0.7 0.0.0.0/0 10.0.0.1"),
        ][..],
        &[("serverid", server)],
        &[("serverid", server), ("staticroutes", "198.51.100.0/25 10.0.0.8")],
    ]) {
        let mut told = client.told("bound");
        // The kind of message, and the client's name for itself.
        told.retain(|name, _| !["opt53", "opt61"].contains(&name.as_str()));
        assert_eq!(told, pairs(&[&same[..], own].concat()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_is_not_the_ports() {
    let Some(busybox) = busybox("nobody_gets_what_is_not_the_ports") else { return };
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    let owner = world.wire(world.port(network.id, json!({})).await);
    let mac = |of: &Container, mac: [u8; 6]| {
        let mut links = Links::open_in(&of.namespace).unwrap();
        let index = links.get("eth0").unwrap().unwrap().index;
        links.set(index, &LinkChange { mac: Some(mac), ..LinkChange::default() }).unwrap();
    };
    let insecure = json!({"port_security_enabled": false, "security_groups": []});
    for body in [json!({}), insecure.clone()] {
        let thief = world.wire(world.port(network.id, body.clone()).await);
        mac(&thief, owner.port.mac_address.0);
        assert!(!is_answered(&busybox, &thief.namespace), "another's Ethernet address: {body}");
        mac(&thief, [0xfa, 0x16, 0x3e, 0xee, 0xee, 0xee]);
        assert!(!is_answered(&busybox, &thief.namespace), "nobody's Ethernet address: {body}");
        mac(&thief, thief.port.mac_address.0);
        assert!(Client::patient(&busybox, &thief.namespace).told("bound").contains_key("ip"), "its own: {body}");
    }

    let quiet = world.network(json!({"name": "quiet"})).await;
    subnet(&world, quiet.id, json!({"cidr": "10.0.0.0/24", "enable_dhcp": false})).await;
    let alone = world.wire(world.port(quiet.id, json!({})).await);
    assert!(!is_answered(&busybox, &alone.namespace), "its subnet offers none");
    let down = world.wire(world.port(network.id, json!({"admin_state_up": false})).await);
    assert!(!is_answered(&busybox, &down.namespace), "its port is down");
    assert_eq!(Client::patient(&busybox, &owner.namespace).told("bound")["ip"], owner.ip().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_prolonged_by_the_next_cloud_and_a_wrong_one_refused() {
    let Some(busybox) = busybox("a_lease_is_prolonged_by_the_next_cloud_and_a_wrong_one_refused") else { return };
    let mut world = World::new().await;
    let network = world.network(json!({"name": "n"})).await;
    let range = subnet(&world, network.id, json!({"cidr": "10.0.0.0/24"})).await;
    let router = router(&world, json!({"name": "r"})).await;
    // Who has the gateway's address gets what is sent to the server alone.
    join(&world, router.id, range.id).await;
    active(&world, router.id).await;
    let mut machines = Vec::new();
    for body in [json!({}), json!({"port_security_enabled": false, "security_groups": []})] {
        let machine = world.wire(world.port(network.id, body).await);
        let client = Client::patient(&busybox, &machine.namespace);
        assert_eq!(client.told("bound")["ip"], machine.ip().to_string());
        world.configure(&machine);
        machines.push((machine, client));
    }
    world.restart().await;
    let gateway = world.engine.read(|state| state.router_interfaces(router.id).next().unwrap().mac_address);
    for (machine, client) in &machines {
        client.renew();
        assert_eq!(client.told("renew")["ip"], machine.ip().to_string());
        assert_ping(&machine.namespace, "10.0.0.1".parse().unwrap(), true);
        // To the server alone, without the broadcast that busybox may have taken to.
        let alone = message(machine, machine.ip4(), &[]);
        let (ack, to) = ask(machine, &alone, (gateway, Ipv4Addr::new(10, 0, 0, 1))).await;
        assert_eq!((ack.opts().msg_type(), to), (Some(MessageType::Ack), machine.port.mac_address));
    }

    let machine = world.wire(world.port(network.id, json!({})).await);
    for (address, kind) in [(Ipv4Addr::new(10, 0, 0, 222), MessageType::Nak), (machine.ip4(), MessageType::Ack)] {
        let mut wish = message(&machine, Ipv4Addr::UNSPECIFIED, &[DhcpOption::RequestedIpAddress(address)]);
        wish.set_flags(Flags::default().set_broadcast());
        let (answer, to) = ask(&machine, &wish, (ALL, Ipv4Addr::BROADCAST)).await;
        assert_eq!((answer.opts().msg_type(), to), (Some(kind), ALL), "{address}");
    }
}

const ALL: MacAddr = MacAddr([0xff; 6]);

/// A request of who has an address, or none.
fn message(machine: &Container, has: Ipv4Addr, options: &[DhcpOption]) -> Message {
    let mut message = of_kind(MessageType::Request, machine.port.mac_address, has);
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    message
}

fn of_kind(kind: MessageType, mac: MacAddr, has: Ipv4Addr) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(7, has, none, none, none, &mac.0);
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    message
}

async fn ask(machine: &Container, message: &Message, to: (MacAddr, Ipv4Addr)) -> (Message, MacAddr) {
    ask_by(&machine.namespace, "eth0", message, to).await
}

/// The address that a client is offered.
pub async fn offered(namespace: &Namespace, interface: &str, mac: MacAddr) -> IpAddr {
    let discover = of_kind(MessageType::Discover, mac, Ipv4Addr::UNSPECIFIED);
    ask_by(namespace, interface, &discover, (ALL, Ipv4Addr::BROADCAST)).await.0.yiaddr().into()
}

/// Sends a message until it is answered; to whom the answer was sent.
async fn ask_by(namespace: &Namespace, by: &str, message: &Message, to: (MacAddr, Ipv4Addr)) -> (Message, MacAddr) {
    let by = Links::open_in(namespace).unwrap().get(by).unwrap().unwrap().index;
    let wire = Datagrams::open4_in(namespace, 68).unwrap();
    let content = message.to_vec().unwrap();
    let macs = (MacAddr(*message.chaddr().first_chunk().unwrap()), to.0);
    let frame = Datagram { macs, addresses: (message.ciaddr(), to.1), ports: (68, 67), content: &content };
    let frame = frame.write().unwrap();
    let mut answer = [0; 1500];
    let answered = async {
        loop {
            wire.send(by, &frame).unwrap();
            let next = wire.next(&mut answer);
            if let Ok(next) = tokio::time::timeout(Duration::from_millis(500), next).await {
                break next.unwrap().1;
            }
        }
    };
    let length = tokio::time::timeout(PATIENCE, answered).await.expect("an answer");
    let datagram = Datagram::read(&answer[..length]).unwrap();
    (Message::from_bytes(datagram.content).unwrap(), datagram.macs.1)
}
