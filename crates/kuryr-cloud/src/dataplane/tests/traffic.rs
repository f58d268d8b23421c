//! Real packets.

use kuryr_netlink::Namespace;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sockopt};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread::JoinHandle,
    time::Duration,
};

/// Long enough for a packet on this machine when it is busy.
const ANSWER: Duration = Duration::from_secs(3);
/// Long enough to believe that none comes; what is dropped is dropped at once.
const SILENCE: Duration = Duration::from_millis(300);
/// The same in an emulated machine.
const SILENCE_OF_GUEST: Duration = Duration::from_millis(1500);

fn patience(expected: bool) -> Duration {
    let silence = if std::env::var_os("KURYR_GUEST").is_some() { SILENCE_OF_GUEST } else { SILENCE };
    if expected { ANSWER } else { silence }
}

/// An echo server of TCP and UDP on a port, until its namespace's test ends.
pub struct Server {
    _threads: [JoinHandle<()>; 2],
}

pub fn serve(namespace: &Namespace, port: u16) -> Server {
    let (tcp, udp) = namespace
        .run(|| {
            let any = SocketAddr::from(([0_u16; 8], port));
            (TcpListener::bind(any).unwrap(), UdpSocket::bind(any).unwrap())
        })
        .unwrap();
    let of_tcp = std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
    let of_udp = std::thread::spawn(move || {
        let mut bytes = [0; 100];
        while let Ok((length, from)) = udp.recv_from(&mut bytes) {
            let _ = udp.send_to(&bytes[..length], from);
        }
    });
    Server { _threads: [of_tcp, of_udp] }
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 100];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// An open connection, if it opens.
pub fn connect(from: &Namespace, to: IpAddr, port: u16, expected: bool) -> Option<TcpStream> {
    let stream =
        from.run(|| TcpStream::connect_timeout(&SocketAddr::new(to, port), patience(expected))).unwrap().ok()?;
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

/// True if what is sent comes back.
pub fn still_open(stream: &mut TcpStream, expected: bool) -> bool {
    stream.set_read_timeout(Some(patience(expected))).unwrap();
    let mut bytes = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut bytes).is_ok() && bytes == *b"ping"
}

#[track_caller]
pub fn assert_tcp(from: &Namespace, to: IpAddr, port: u16, expected: bool) {
    assert_eq!(connect(from, to, port, expected).is_some(), expected, "TCP to {to} port {port}");
}

#[track_caller]
pub fn assert_udp(from: &Namespace, to: IpAddr, port: u16, expected: bool) {
    assert_eq!(udp(from, None, to, port, expected), expected, "UDP to {to} port {port}");
}

/// True if a datagram comes back; sent from an address, if one is given.
pub fn udp(from: &Namespace, source: Option<IpAddr>, to: IpAddr, port: u16, expected: bool) -> bool {
    let any = if to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let socket = from.run(|| UdpSocket::bind((source.unwrap_or(any), 0))).unwrap().unwrap();
    socket.set_read_timeout(Some(patience(expected))).unwrap();
    let mut bytes = [0; 4];
    socket.send_to(b"ping", (to, port)).is_ok() && socket.recv_from(&mut bytes).is_ok()
}

#[track_caller]
pub fn assert_ping(from: &Namespace, to: IpAddr, expected: bool) {
    assert_eq!(Pinger::new(from, to).ping(expected), expected, "ping of {to}");
}

/// Sends ICMP echo requests.
pub struct Pinger {
    socket: std::os::fd::OwnedFd,
    request: [u8; 8],
}

impl Pinger {
    pub fn new(from: &Namespace, to: IpAddr) -> Self {
        let (family, protocol, kind) = match to {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128),
        };
        let socket = from.run(|| rustix::net::socket(family, SocketType::DGRAM, Some(protocol))).unwrap().unwrap();
        rustix::net::connect(&socket, &SocketAddr::new(to, 0)).unwrap();
        Self { socket, request: [kind, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// True if the answer comes.
    pub fn ping(&mut self, expected: bool) -> bool {
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(patience(expected))).unwrap();
        self.request[7] = self.request[7].wrapping_add(1);
        let mut answer = [0_u8; 64];
        rustix::net::send(&self.socket, &self.request, SendFlags::empty()).is_ok()
            && rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty()).is_ok_and(|(n, _)| n >= 8)
    }
}
