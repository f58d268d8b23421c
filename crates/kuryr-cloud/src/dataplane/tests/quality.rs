//! What a QoS policy limits and marks, in packets.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_neutron::{BandwidthLimitRule, NetworkUpdate, NewQosPolicy, PortUpdate, QosPolicy, QosPolicyId};
use rustix::net::{AddressFamily, RecvFlags, SocketType, ipproto, sockopt};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

/// One megabyte in a second.
const KBPS: u32 = 8000;
const RATE: f64 = 1_000_000.0;
/// What comes at once after a pause: that of one second.
const AT_ONCE: f64 = RATE;
const TRANSFER: usize = 3_000_000;
/// For a transfer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 5001;

async fn policy(world: &World) -> QosPolicy {
    let new: NewQosPolicy = read(json!({"name": "slow"}));
    world.write(move |txn, context| engine::qos::create(txn, context, new)).await
}

async fn limit(world: &World, policy: QosPolicyId, body: Value) -> BandwidthLimitRule {
    let mut new: kuryr_neutron::NewBandwidthLimitRule = read(body);
    new.qos_policy_id = Some(policy);
    world.write(move |txn, context| engine::qos_rule::create_limit(txn, context, new)).await
}

async fn change_port(world: &World, container: &Container, policy: Option<QosPolicyId>) {
    let (id, update) = (container.port.id, PortUpdate { qos_policy_id: Some(policy), ..PortUpdate::default() });
    world.write(move |txn, context| engine::port::update(txn, context, id, update, None)).await;
}

/// Two containers that know each other and may send each other everything.
async fn pair(world: &World) -> [Container; 2] {
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00::/64").await;
    let open = || json!({"port_security_enabled": false, "security_groups": []});
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let one = world.container(network.id, json!({"security_groups": [group.id]})).await;
    let two = world.container(network.id, open()).await;
    // New links take a moment on a busy machine, and so does it to find the neighbour: nothing waits for that later.
    assert!((0..5).any(|_| Pinger::new(&one.namespace, two.ip()).ping(true)));
    [one, two]
}

/// Seconds that a transfer takes from before its beginning until all of it is there.
fn seconds(from: &Container, to: &Container, address: IpAddr) -> f64 {
    let listener = to.namespace.run(|| TcpListener::bind((address, 0))).unwrap().unwrap();
    let there = listener.local_addr().unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = vec![0; TRANSFER];
        stream.read_exact(&mut bytes).unwrap();
        Instant::now()
    });
    let begin = Instant::now();
    let mut stream: TcpStream = from.namespace.run(|| TcpStream::connect_timeout(&there, PATIENCE)).unwrap().unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&vec![7; TRANSFER]).unwrap();
    receiver.join().unwrap().duration_since(begin).as_secs_f64()
}

/// No machine is so slow that this could fail, for all that is waited for makes a transfer longer.
#[track_caller]
fn assert_limited(from: &Container, to: &Container, address: IpAddr) {
    let (took, least) = (seconds(from, to, address), (TRANSFER as f64 - AT_ONCE) / RATE);
    assert!(took >= least, "{TRANSFER} bytes in {took} s, which is less than {least} s");
}

/// One of several transfers is faster than the limit lets any be.
#[track_caller]
fn assert_free(from: &Container, to: &Container, address: IpAddr) {
    let least = (TRANSFER as f64 - AT_ONCE) / RATE;
    let took: Vec<f64> = (0..10).map(|_| seconds(from, to, address)).take_while(|took| *took >= least).collect();
    assert!(took.len() < 10, "{TRANSFER} bytes in {took:?} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_port_sends_is_limited_as_soon_as_its_policy_says_so() {
    let world = World::new().await;
    let [one, two] = pair(&world).await;
    assert_free(&one, &two, two.ip());
    let slow = policy(&world).await.id;
    change_port(&world, &one, Some(slow)).await;
    assert_free(&one, &two, two.ip());
    let rule = limit(&world, slow, json!({"max_kbps": KBPS})).await.id;
    assert_limited(&one, &two, two.ip());
    assert_free(&two, &one, one.ip());
    world.write(move |txn, context| engine::qos_rule::delete_limit(txn, context, rule)).await;
    assert_free(&one, &two, two.ip());
    limit(&world, slow, json!({"max_kbps": KBPS})).await;
    change_port(&world, &one, None).await;
    assert_free(&one, &two, two.ip());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ports_get_is_limited_by_their_networks_policy_unless_they_have_their_own() {
    let mut world = World::new().await;
    let [one, two] = pair(&world).await;
    let (slow, free) = (policy(&world).await.id, policy(&world).await.id);
    limit(&world, slow, json!({"max_kbps": KBPS, "direction": "ingress"})).await;
    let network = one.port.network_id;
    let update = NetworkUpdate { qos_policy_id: Some(Some(slow)), ..NetworkUpdate::default() };
    world.write(move |txn, context| engine::network::update(txn, context, network, update, None)).await;
    assert_limited(&one, &two, two.ip());
    assert_limited(&two, &one, one.ip6());
    change_port(&world, &two, Some(free)).await;
    assert_free(&one, &two, two.ip());
    world.stop().await;
    assert_limited(&two, &one, one.ip());
    world.restart().await;
    assert_limited(&two, &one, one.ip());
    assert_free(&one, &two, two.ip());
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_beyond_a_limit_are_lost_at_once() {
    let world = World::new().await;
    let [one, two] = pair(&world).await;
    let slow = policy(&world).await.id;
    // 64 KiB come at once, more than a second's 1000 bytes.
    limit(&world, slow, json!({"max_kbps": 8})).await;
    change_port(&world, &one, Some(slow)).await;
    let sender = one.namespace.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    let receiver = two.namespace.run(|| UdpSocket::bind((two.ip(), PORT))).unwrap().unwrap();
    let (begin, mut received, mut bytes) = (Instant::now(), 0_u32, [0; 2000]);
    for _ in 0..300 {
        sender.send_to(&[7; 1000], SocketAddr::new(two.ip(), PORT)).unwrap();
    }
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    while receiver.recv_from(&mut bytes).is_ok() {
        received += 1;
        receiver.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    }
    // Each is 1028 bytes with its headers.
    let most = (f64::from(64 * 1024) + begin.elapsed().as_secs_f64() * 1000.0) / 1028.0;
    assert!(received > 0 && f64::from(received) <= most, "{received} of 300 datagrams came, {most} are allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_have_their_policys_mark() {
    let world = World::new().await;
    let [one, two] = pair(&world).await;
    assert_eq!(type_of_service(&one, &two), 0);
    let marked = policy(&world).await.id;
    let new = kuryr_neutron::NewDscpMarkingRule { qos_policy_id: Some(marked), dscp_mark: 46 };
    world.write(move |txn, context| engine::qos_rule::create_marking(txn, context, new)).await;
    change_port(&world, &one, Some(marked)).await;
    assert_eq!(type_of_service(&one, &two), 46 << 2);
    assert_eq!(type_of_service(&two, &one), 0);
    // Both IP versions still get through: checksums are right.
    for address in [two.ip(), two.ip6()] {
        assert!((0..5).any(|_| Pinger::new(&one.namespace, address).ping(true)), "{address}");
    }
}

/// Of a datagram from one to another, as it arrives.
fn type_of_service(from: &Container, to: &Container) -> u8 {
    let raw = || rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP));
    let socket = to.namespace.run(raw).unwrap().unwrap();
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(Duration::from_secs(20))).unwrap();
    let sender = from.namespace.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    sender.send_to(b"ping", (to.ip(), PORT)).unwrap();
    let mut packet = [0_u8; 64];
    let (length, _) = rustix::net::recv(&socket, &mut packet[..], RecvFlags::empty()).unwrap();
    assert!(length >= 28, "{length} bytes are no datagram with its headers");
    packet[1]
}
