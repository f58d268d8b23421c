//! Lies made by hand, frame by frame: what no honest kernel would send, in every wrapping that could hide it.

use super::{traffic::assert_ping, world::*};
use kuryr_netlink::{Datagrams, Links, Namespace};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, sockopt};
use serde_json::json;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// For a frame that comes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts of what may come to nothing.
const AGAIN: Duration = Duration::from_millis(50);
const BROADCAST: [u8; 6] = [0xff; 6];
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ELSEWHERE: [u8; 6] = [0xfa, 0x16, 0x3e, 0xee, 0xee, 0xee];
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FALSE4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
/// What allowed address pairs give.
const PAIR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);
const PAIR6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x99);
const PAIR_OF_MAC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 150);
const PAIR_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xdd, 0xdd, 0xdd];
const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 134;

/// Who sends, and by which a frame is known again wherever it arrives.
#[derive(Clone, Copy)]
struct Sender {
    mac: [u8; 6],
    ip4: Ipv4Addr,
    ip6: Ipv6Addr,
    mark: [u8; 6],
}

fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &kind.to_be_bytes(), content].concat();
    // Ethernet's shortest frame.
    frame.resize(frame.len().max(60), 0);
    frame
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let padded = [bytes, &[0][..bytes.len() % 2]].concat();
    let sum: u32 = padded.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
}

impl Sender {
    fn arp(&self, operation: u8, from: [u8; 6], mac: [u8; 6], ip: Ipv4Addr) -> Vec<u8> {
        let target = [&BROADCAST[..], &ip.octets()].concat();
        let body = [&[0, 1, 8, 0, 6, 4, 0, operation][..], &mac, &ip.octets(), &target, &self.mark].concat();
        ethernet(BROADCAST, from, 0x0806, &body)
    }

    fn udp(&self, ports: (u16, u16)) -> Vec<u8> {
        let length = 8 + self.mark.len() as u16;
        [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &length.to_be_bytes(), &[0, 0], &self.mark].concat()
    }

    fn ipv4(&self, from: [u8; 6], source: Ipv4Addr, ports: (u16, u16)) -> Vec<u8> {
        let body = self.udp(ports);
        let length = (20 + body.len()) as u16;
        let mut header =
            [&[0x45, 0][..], &length.to_be_bytes(), &[0, 0, 0, 0, 64, 17, 0, 0], &source.octets(), &[10, 0, 0, 255]]
                .concat();
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        ethernet(BROADCAST, from, 0x0800, &[header, body].concat())
    }

    /// To all nodes, behind headers that each name the next.
    fn ipv6(&self, from: [u8; 6], source: Ipv6Addr, first: u8, rest: &[u8]) -> Vec<u8> {
        let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let length = (rest.len() as u16).to_be_bytes();
        let packet = [&[0x60, 0, 0, 0][..], &length, &[first, 255], &source.octets(), &to.octets(), rest].concat();
        ethernet(ALL_NODES, from, 0x86dd, &packet)
    }

    fn icmpv6(&self, source: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
        let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        // An option that nobody knows, with the mark.
        let mut message = [&[kind, 0, 0, 0][..], body, &[253, 1], &self.mark].concat();
        let length = (message.len() as u32).to_be_bytes();
        let summed = [&source.octets()[..], &to.octets(), &length, &[0, 0, 0, ICMPV6], &message].concat();
        message[2..4].copy_from_slice(&checksum(&summed));
        message
    }

    fn advertisement(&self, target: Ipv6Addr) -> Vec<u8> {
        self.icmpv6(self.ip6, ADVERTISEMENT, &[&[0x20, 0, 0, 0][..], &target.octets()].concat())
    }

    /// Who has this address? Tell the one who has the source address, and has my MAC.
    fn solicitation(&self, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
        let option = [&[1, 1][..], &self.mac].concat();
        self.icmpv6(source, SOLICITATION, &[&[0; 4][..], &target.octets(), &option].concat())
    }

    fn router(&self, source: Ipv6Addr) -> Vec<u8> {
        self.icmpv6(source, ROUTER, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The message in every wrapping: as it is, behind options, as the only fragment of itself, and with its kind in the
    /// second of two fragments, which bridges that track connections throw away themselves.
    fn wrapped(&self, source: Ipv6Addr, message: &[u8]) -> Vec<(&'static str, Vec<Vec<u8>>, bool)> {
        // Padding of six bytes.
        let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let fragment = |next: u8, offset: u16, more: u16, number: u8| {
            let identity = [self.mark[3], self.mark[4], self.mark[5], number];
            [&[next, 0][..], &(offset | more).to_be_bytes(), &identity].concat()
        };
        let frame = |first, rest: &[u8]| self.ipv6(self.mac, source, first, rest);
        let behind = [&options(ICMPV6)[..], message].concat();
        let two = |number, whole: &[u8], at: usize| {
            let (begin, end) = whole.split_at(at);
            vec![
                frame(FRAGMENT, &[&fragment(DESTINATION, 0, 1, number), begin].concat()),
                frame(FRAGMENT, &[&fragment(DESTINATION, at as u16, 0, number), end].concat()),
            ]
        };
        vec![
            ("as it is", vec![frame(ICMPV6, message)], true),
            ("behind options", vec![frame(DESTINATION, &behind)], true),
            ("behind options of each hop", vec![frame(HOP_BY_HOP, &behind)], true),
            ("as a fragment", vec![frame(FRAGMENT, &[&fragment(ICMPV6, 0, 0, 1), message].concat())], true),
            ("in two fragments", two(2, &behind, 16), true),
            ("in the second fragment", two(3, &behind, 8), false),
        ]
    }
}

/// What is told, and not true.
struct Lie {
    what: String,
    frames: Vec<Vec<u8>>,
    /// A bridge without guards carries it.
    carried: bool,
}

fn lies(sender: Sender, other: Sender) -> Vec<Lie> {
    let Sender { mac, ip4, ip6, .. } = sender;
    let link_local = Ipv6Addr::from([0xfe80_u16, 0, 0, 0, 0, 0, 0, 0x99]);
    let plain = |what: &str, frame: Vec<u8>| Lie { what: what.to_owned(), frames: vec![frame], carried: true };
    let mut lies = vec![
        plain("IPv4 from another MAC", sender.ipv4(ELSEWHERE, ip4, (1000, 1000))),
        plain("IPv4 from the other's MAC", sender.ipv4(other.mac, ip4, (1000, 1000))),
        plain("IPv4 from another address", sender.ipv4(mac, FALSE4, (1000, 1000))),
        plain("IPv4 from the other's address", sender.ipv4(mac, other.ip4, (1000, 1000))),
        plain("IPv6 from the other's address", sender.ipv6(mac, other.ip6, 17, &sender.udp((1000, 1000)))),
        plain("ARP with another Ethernet source", sender.arp(1, other.mac, other.mac, other.ip4)),
        plain("a DHCP server's answer", sender.ipv4(mac, ip4, (67, 68))),
        plain("a DHCPv6 server's answer", sender.ipv6(mac, ip6, 17, &sender.udp((547, 546)))),
        Lie { carried: false, ..plain("a tagged ARP answer", tagged(&sender.arp(2, mac, mac, other.ip4))) },
    ];
    for operation in [1, 2] {
        for (whose, sha, spa) in
            [("another's address", mac, other.ip4), ("the gateway's", mac, GATEWAY), ("another's MAC", other.mac, ip4)]
        {
            lies.push(plain(&format!("ARP {operation}, {whose}"), sender.arp(operation, mac, sha, spa)));
        }
    }
    for (what, source, message) in [
        ("an advertisement of the other's address", ip6, sender.advertisement(other.ip6)),
        ("a solicitation from the other's address", other.ip6, sender.solicitation(other.ip6, ip6)),
        ("an advertisement of a router", ip6, sender.router(ip6)),
        ("an advertisement of a router from nowhere", link_local, sender.router(link_local)),
    ] {
        let wrapped = sender.wrapped(source, &message).into_iter();
        lies.extend(wrapped.map(|(how, frames, carried)| Lie { what: format!("{what}, {how}"), frames, carried }));
    }
    lies
}

/// With a VLAN tag of network 0, which most kernels take off and forget.
fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 0], &frame[12..]].concat()
}

/// All that comes to an interface.
struct Ear(OwnedFd);

impl Ear {
    fn open_in(namespace: &Namespace) -> Self {
        let everything = Protocol::from_raw(NonZeroU32::new(u32::from(3_u16.to_be())).unwrap());
        let open = || rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, Some(everything));
        let socket = namespace.run(open).unwrap().unwrap();
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The first of these marks that comes; none if there is silence.
    fn next_with(&self, marks: &[[u8; 6]]) -> Option<[u8; 6]> {
        let mut buffer = [0; 2048];
        loop {
            let (length, _) = rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty()).ok()?;
            let frame = &buffer[..length.min(2048)];
            let found = marks.iter().find(|mark| frame.windows(6).any(|bytes| bytes == *mark));
            if found.is_some() {
                return found.copied();
            }
        }
    }
}

struct Mouth {
    socket: Datagrams,
    interface: u32,
    sender: Sender,
    count: u8,
}

impl Mouth {
    fn of(container: &Container, number: u8) -> Self {
        let interface = Links::open_in(&container.namespace).unwrap().get("eth0").unwrap().unwrap().index;
        let IpAddr::V6(ip6) = container.ip6() else { unreachable!() };
        let (mac, ip4) = (container.port.mac_address.0, container.ip4());
        let sender = Sender { mac, ip4, ip6, mark: [b'K', b'R', b'Y', number, 0, 0x5a] };
        Self { socket: Datagrams::open4_in(&container.namespace, 9).unwrap(), interface, sender, count: 0 }
    }

    fn sender(&mut self) -> Sender {
        self.count += 1;
        self.sender.mark[4] = self.count;
        self.sender
    }

    /// Says a truth until it is heard: a bridge forwards by an interface a moment after that is up.
    fn until_heard(mut self, ear: &Ear) -> Self {
        let end = Instant::now() + PATIENCE;
        sockopt::set_socket_timeout(&ear.0, sockopt::Timeout::Recv, Some(AGAIN)).unwrap();
        let truth = self.sender();
        let frame = truth.arp(1, truth.mac, truth.mac, truth.ip4);
        while {
            self.socket.send(self.interface, &frame).unwrap();
            ear.next_with(&[truth.mark]).is_none()
        } {
            assert!(Instant::now() < end, "nothing is forwarded");
        }
        sockopt::set_socket_timeout(&ear.0, sockopt::Timeout::Recv, Some(PATIENCE)).unwrap();
        self
    }

    /// Says it, and then a truth. What is expected to come is waited for; else the truth comes and it did not before.
    fn is_heard(&mut self, ear: &Ear, expected: bool, frames: impl FnOnce(Sender) -> Vec<Vec<u8>>) -> bool {
        let sender = self.sender();
        let last = self.sender();
        let truth = last.arp(1, last.mac, last.mac, last.ip4);
        for frame in frames(sender).iter().chain([&truth]) {
            self.socket.send(self.interface, frame).unwrap();
        }
        if expected {
            return ear.next_with(&[sender.mark]).is_some();
        }
        ear.next_with(&[sender.mark, last.mark]).expect("the truth") == sender.mark
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_arrives_in_any_wrapping_unless_the_port_is_not_guarded() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let body = || json!({"security_groups": [group.id]});
    let victim = world.container(network.id, body()).await;
    let other = world.container(network.id, body()).await;
    let liar = world.container(network.id, body()).await;
    let unguarded = json!({"port_security_enabled": false, "security_groups": []});
    let free = world.container(network.id, unguarded).await;
    let ear = Ear::open_in(&victim.namespace);
    let other = Mouth::of(&other, 0).sender;
    for (container, number, guarded) in [(&liar, 1, true), (&free, 2, false)] {
        let mut mouth = Mouth::of(container, number).until_heard(&ear);
        for index in 0..lies(mouth.sender, other).len() {
            let Lie { what, carried, .. } = lies(mouth.sender, other).swap_remove(index);
            if guarded || carried {
                let heard = mouth.is_heard(&ear, !guarded, |sender| lies(sender, other).swap_remove(index).frames);
                assert_eq!(heard, !guarded, "{what}, guarded: {guarded}");
            }
        }
        if guarded {
            // Nor has the bridge believed one: the other is where it was.
            assert_ping(&victim.namespace, other.ip4.into(), true);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_pair_is_its_addresses_with_its_mac_and_no_more() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let victim = world.container(network.id, json!({})).await;
    let mac = PAIR_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let pairs = json!([
        {"ip_address": "10.0.0.192/26"}, {"ip_address": PAIR6}, {"ip_address": PAIR_OF_MAC, "mac_address": mac},
    ]);
    let trusted = world.container(network.id, json!({"allowed_address_pairs": pairs})).await;
    let ear = Ear::open_in(&victim.namespace);
    let mut mouth = Mouth::of(&trusted, 3).until_heard(&ear);
    let mac = mouth.sender.mac;
    let beside = Ipv6Addr::from_bits(PAIR6.to_bits() + 1);
    for (what, allowed, frame) in [
        ("ARP of a pair", true, Box::new(|it: Sender| it.arp(2, mac, mac, PAIR)) as Box<dyn Fn(Sender) -> Vec<u8>>),
        ("an advertisement of a pair", true, Box::new(|it| it.ipv6(mac, it.ip6, ICMPV6, &it.advertisement(PAIR6)))),
        ("ARP of a pair with a MAC", true, Box::new(|it| it.arp(1, PAIR_MAC, PAIR_MAC, PAIR_OF_MAC))),
        ("ARP beside the pair", false, Box::new(|it| it.arp(2, mac, mac, FALSE4))),
        ("an advertisement beside it", false, Box::new(|it| it.ipv6(mac, it.ip6, ICMPV6, &it.advertisement(beside)))),
        ("the pair's MAC with its own address", false, Box::new(|it| it.arp(2, PAIR_MAC, PAIR_MAC, it.ip4))),
        ("its own MAC with the pair's address", false, Box::new(|it| it.arp(2, mac, mac, PAIR_OF_MAC))),
    ] {
        assert_eq!(mouth.is_heard(&ear, allowed, |sender| vec![frame(sender)]), allowed, "{what}");
    }
}
