//! From this machine's side into a namespace, by real sockets.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use kuryr_netlink::{
    Namespace,
    link::{LinkChange, Links},
};
use kuryr_publish::{Error, HostPorts, Mapping, Published, Publisher, Sandbox, Transport};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    path::PathBuf,
    time::Duration,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

/// A namespace whose loopback stands for a container's interface, and a folder for notes.
struct World {
    inside: Namespace,
    folder: TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let Ok(inside) = Namespace::anonymous() else {
            println!("skipped: relays: no rights to make network namespaces");
            return None;
        };
        let mut links = Links::open_in(&inside).unwrap();
        let lo = links.get("lo").unwrap().unwrap();
        links.set(lo.index, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        Some(Self { inside, folder: TempDir::new().unwrap() })
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.inside.as_fd().as_raw_fd()).into()
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox { path: self.path(), v4: Some(Ipv4Addr::LOCALHOST), v6: None }
    }

    fn publisher(&self) -> Publisher {
        Publisher::new(self.folder.path())
    }

    fn notes(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }

    /// A service in the namespace that sends back what it reads when the client has no more to say, then says bye.
    fn echo(&self) -> u16 {
        let listener = self.inside.run(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let (mut stream, mut text) = (stream.unwrap(), Vec::new());
                    stream.read_to_end(&mut text).unwrap();
                    text.extend(b" bye");
                    stream.write_all(&text).unwrap();
                });
            }
        });
        port
    }
}

fn tcp(port: u16, host: &str, host_ports: HostPorts) -> Mapping {
    Mapping { transport: Transport::Tcp, port, host: host.parse().ok(), host_ports }
}

fn ask(address: impl Into<IpAddr>, port: u16, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address.into(), port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(text)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_keep_their_halves_in_both_ip_versions() {
    let Some(world) = World::new() else { return };
    let publisher = world.publisher();
    let mapping = tcp(world.echo(), "", HostPorts::Any);
    let published = publisher.publish("one", world.sandbox(), &[mapping], true).await.unwrap();
    let host_port = published[0].host_port;
    let text = vec![7; 300_000];
    let expected = [text.as_slice(), b" bye"].concat();
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let sent = text.clone();
        let answer = blocking(move || ask(address, host_port, &sent).unwrap()).await;
        assert_eq!(answer.len(), expected.len(), "through {address}");
        assert!(answer == expected);
    }
    assert_eq!(publisher.published("one").await, published);
    publisher.withdraw("one").await.unwrap();
    publisher.withdraw("one").await.unwrap();
    let error = blocking(move || ask(Ipv4Addr::LOCALHOST, host_port, b"x").unwrap_err()).await;
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(world.notes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_listen_refuses_and_a_withdrawal_ends_connections() {
    let Some(world) = World::new() else { return };
    let publisher = world.publisher();
    let echo = world.echo();
    let nobody = world.inside.run(|| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()).unwrap();
    let mappings = [tcp(echo, "127.0.0.1", HostPorts::Any), tcp(nobody, "127.0.0.1", HostPorts::Any)];
    let published = publisher.publish("one", world.sandbox(), &mappings, true).await.unwrap();
    let (open, closed) = (published[0].host_port, published[1].host_port);
    let error = blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", closed))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read(&mut [0; 1])
    });
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut stream = TcpStream::connect(("127.0.0.1", open)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"half").unwrap();
    publisher.withdraw("one").await.unwrap();
    let ended = blocking(move || stream.read(&mut [0; 1])).await;
    let waited = |e: &std::io::Error| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!ended.as_ref().is_err_and(waited), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_two_clients_do_not_mix() {
    let Some(world) = World::new() else { return };
    let publisher = world.publisher();
    let server = world.inside.run(|| UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let port = server.local_addr().unwrap().port();
    let mapping = Mapping { transport: Transport::Udp, ..tcp(port, "", HostPorts::Any) };
    let published = publisher.publish("one", world.sandbox(), &[mapping], true).await.unwrap();
    let host_port = published[0].host_port;
    blocking(move || {
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let clients = ["127.0.0.1:0", "[::1]:0"].map(|address| UdpSocket::bind(address).unwrap());
        let mut peers = Vec::new();
        let mut buffer = vec![0; 70_000];
        for (number, client) in clients.iter().enumerate() {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let host: IpAddr = client.local_addr().unwrap().ip();
            client.connect((host, host_port)).unwrap();
            client.send(&vec![number as u8; 60_000]).unwrap();
            let (length, peer) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], vec![number as u8; 60_000]);
            peers.push(peer);
        }
        assert_ne!(peers[0], peers[1]);
        for number in [1, 0] {
            server.send_to(&[number as u8 + 10], peers[number]).unwrap();
            assert_eq!((clients[number].recv(&mut buffer).unwrap(), buffer[0]), (1, number as u8 + 10));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_and_nothing_is_published() {
    let Some(world) = World::new() else { return };
    let publisher = world.publisher();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = other.local_addr().unwrap().port();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mappings =
        [tcp(80, "127.0.0.1", HostPorts::Range(free, free)), tcp(81, "127.0.0.1", HostPorts::Range(used, used))];
    let error = publisher.publish("one", world.sandbox(), &mappings, true).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("tcp port {used} of 127.0.0.1 is in use")), "{text}");
    assert!(publisher.published("one").await.is_empty());
    assert_eq!(world.notes(), 0);
    drop(TcpListener::bind(("127.0.0.1", free)).unwrap());

    let error = publisher.publish("one", world.sandbox(), &[tcp(80, "192.0.2.77", HostPorts::Any)], true).await;
    assert!(matches!(error, Err(Error::NoSuchAddress { .. })), "{error:?}");
    // Of a range the first free one is taken; `nothing` has the container's port twice.
    if let Some(next) = used.checked_add(1).filter(|next| TcpListener::bind(("127.0.0.1", *next)).is_ok()) {
        let mapping = tcp(80, "127.0.0.1", HostPorts::Range(used, next));
        let published = publisher.publish("one", world.sandbox(), &[mapping], true).await.unwrap();
        let expected = Published {
            transport: Transport::Tcp,
            port: 80,
            host: Ipv4Addr::LOCALHOST.into(),
            host_port: next,
            v6_only: false,
        };
        assert_eq!(published, [expected]);
        let two = publisher.publish("two", world.sandbox(), &[mapping], true).await;
        assert!(matches!(two, Err(Error::InUse { .. })), "{two:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_publishes_again_what_is_still_there() {
    let Some(world) = World::new() else { return };
    let first = world.publisher();
    let gone = Sandbox { path: world.folder.path().join("gone"), ..world.sandbox() };
    let mapping = tcp(world.echo(), "127.0.0.1", HostPorts::Any);
    let published = first.publish("here", world.sandbox(), &[mapping], true).await.unwrap();
    first.publish("gone", gone.clone(), &[mapping], true).await.unwrap();
    first.publish("rebooted", gone, &[mapping], true).await.unwrap();
    drop(first);
    let age = |name: &str, edit: &dyn Fn(String) -> String, seconds: u64| {
        let path = world.folder.path().join(format!("{name}.json"));
        fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
        let when = std::time::SystemTime::now() - Duration::from_secs(seconds);
        fs::File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
    };
    age("gone", &|text| text, 3600);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    age("rebooted", &|text| text.replace(boot.trim(), "another"), 0);
    fs::write(world.folder.path().join("broken.json"), "{").unwrap();

    let second = world.publisher();
    second.restore().await;
    assert_eq!(second.published("here").await, published, "the same ports");
    assert!(second.published("gone").await.is_empty() && second.published("rebooted").await.is_empty());
    let host_port = published[0].host_port;
    assert_eq!(blocking(move || ask(Ipv4Addr::LOCALHOST, host_port, b"hi").unwrap()).await, b"hi bye");
    // Docker tells it once more, when it lives on without its containers noticing.
    let again = second.publish("here", world.sandbox(), &[mapping], true).await.unwrap();
    assert_eq!((again.len(), second.published("here").await), (1, again));
    second.withdraw("here").await.unwrap();
    assert_eq!(world.notes(), 1, "the note that makes no sense is left for people");
}
