//! `docker run -p`: the outside reaches a container at the machine's own address.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Host, IMAGE, PrivateEngine, Rig, run_in, until, with_rig};
use serde_json::Value;

const NOTES: &str = "/var/lib/kuryr/published";
const PATIENCE: Duration = Duration::from_secs(3);

/// What the outside gets from a service of the machine that speaks first.
fn fetch(rig: &Rig, address: &str, port: u16) -> Result<String> {
    let address = SocketAddr::new(address.parse()?, port);
    rig.host.world()?.run(|| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.trim().to_owned())
    })
}

/// The container's namespace, as Docker tells it.
fn namespace(rig: &Rig, container: &str) -> Result<File> {
    let inspect = rig.engine.inspect("container", container)?;
    let key = inspect["NetworkSettings"]["SandboxKey"].as_str().context("no SandboxKey")?.to_owned();
    let path = rig.host.path(key.replacen("/var/run/", "/run/", 1));
    File::open(&path).with_context(|| format!("cannot open {}", path.display()))
}

/// A container's service that sends back each datagram with its own name; it ends with the test's process.
fn echo_datagrams(rig: &Rig, container: &'static str, port: u16) -> Result<()> {
    let socket = run_in(&namespace(rig, container)?, || Ok(UdpSocket::bind(("0.0.0.0", port))?))?;
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let answer = [container.as_bytes(), b" ", &buffer[..length]].concat();
            drop(socket.send_to(&answer, peer));
        }
    });
    Ok(())
}

/// What the outside is answered to a datagram.
fn exchange(rig: &Rig, address: &str, port: u16, text: &str) -> Result<String> {
    let address = SocketAddr::new(address.parse()?, port);
    rig.host.world()?.run(|| {
        let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        socket.send(text.as_bytes())?;
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
}

/// Whether the machine listens there.
fn listens(rig: &Rig, port: u16) -> Result<bool> {
    let address = SocketAddr::new(Host::ADDRESS.parse()?, port);
    rig.host.world()?.run(|| Ok(TcpStream::connect_timeout(&address, PATIENCE).is_ok()))
}

/// The port that Kuryr chose for a container where the user chose none; the user chose 8080 and 5353.
fn chosen(rig: &Rig, container: &str) -> Result<u16> {
    let endpoint = rig.engine.endpoint(container, "blue")?.id;
    let note = std::fs::read(rig.host.path(format!("{NOTES}/{endpoint}.json")))?;
    let note: Value = serde_json::from_slice(&note)?;
    let mut ports = note["ports"].as_array().into_iter().flatten().filter_map(|port| port["host_port"].as_u64());
    let chosen = ports.find(|port| ![8080, 5353].contains(port)).context("no port was chosen")?;
    Ok(u16::try_from(chosen)?)
}

fn blue(rig: &Rig) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])
}

#[test]
fn the_outside_reaches_containers_by_tcp_and_udp() -> Result<()> {
    with_rig(|rig| {
        reached_from_outside(rig)?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        Ok(())
    })
}

pub(crate) fn reached_from_outside(rig: &mut Rig) -> Result<()> {
    blue(rig)?;
    rig.engine.container("one", "blue", &["-p", "8080:80", "-p", "5353:53/udp"])?;
    rig.engine.container("two", "blue", &["-p", "192.0.2.2:8081:80", "-p", "9000-9005:81", "-p", "5354:53/udp"])?;
    for (container, port) in [("one", 80), ("two", 80), ("two", 81)] {
        rig.engine.serve(container, port)?;
    }
    echo_datagrams(rig, "one", 53)?;
    echo_datagrams(rig, "two", 53)?;
    for (address, port, answer) in [
        (Host::ADDRESS, 8080, "one"),
        (Host::ADDRESS6, 8080, "one"),
        (Host::ADDRESS, 8081, "two"),
        (Host::ADDRESS, 9000, "two"),
    ] {
        let told = fetch(rig, address, port)?;
        ensure!(told == answer, "{address} {port}: {told:?}");
    }
    ensure!(fetch(rig, Host::ADDRESS6, 8081).is_err(), "published on one address of IPv4 alone");
    ensure!(exchange(rig, Host::ADDRESS, 5353, "hi")? == "one hi");
    ensure!(exchange(rig, Host::ADDRESS6, 5353, "hi")? == "one hi");
    ensure!(exchange(rig, Host::ADDRESS, 5354, "hi")? == "two hi");
    // A stopped container's port is free for another, and so is a removed one's.
    rig.engine.docker(&["stop", "--time", "1", "one"])?;
    ensure!(!listens(rig, 8080)?);
    rig.engine.container("three", "blue", &["-p", "8080:80"])?;
    let told = rig.engine.refused(&["start", "one"])?;
    ensure!(told.contains("tcp port 8080 of :: is in use"), "{told}");
    rig.engine.docker(&["rm", "--force", "three"])?;
    ensure!(!listens(rig, 8080)?);
    rig.engine.docker(&["start", "one"])?;
    rig.engine.serve("one", 80)?;
    ensure!(fetch(rig, Host::ADDRESS, 8080)? == "one");
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    ensure!(!listens(rig, 8080)? && !listens(rig, 8081)? && !listens(rig, 9000)?);
    Ok(())
}

#[test]
fn a_port_that_cannot_be_published_starts_nothing_and_leaves_nothing() -> Result<()> {
    with_rig(|rig| {
        blue(rig)?;
        let before = rig.cloud.inventory()?;
        let other = run_in(&rig.host.network()?, || Ok(TcpListener::bind("0.0.0.0:8080")?))?;
        let run = |arguments: &[&str]| {
            let all = [&["run", "--rm", "--network", "blue"], arguments, &[IMAGE, "true"]].concat();
            rig.engine.refused(&all)
        };
        let told = run(&["-p", "8081:81", "-p", "8080:80"])?;
        ensure!(told.contains("tcp port 8080") && told.contains("in use on this host"), "{told}");
        let told = run(&["-p", "203.0.113.9:8081:80"])?;
        ensure!(told.contains("203.0.113.9 is not an address of this host"), "{told}");
        let told = run(&["-p", "9:9/sctp"])?;
        ensure!(told.contains("9/sctp cannot be published"), "{told}");
        ensure!(!listens(rig, 8081)?);
        let after = rig.cloud.inventory()?;
        ensure!(after == before, "before: {before:?}; after: {after:?}");
        drop(other);
        rig.engine.container("one", "blue", &["-p", "8080:80"])?;
        rig.engine.serve("one", 80)?;
        ensure!(fetch(rig, Host::ADDRESS, 8080)? == "one");
        Ok(())
    })
}

#[test]
fn published_ports_come_back_with_the_process_and_go_with_the_container() -> Result<()> {
    with_rig(|rig| {
        blue(rig)?;
        rig.engine.container("one", "blue", &["-p", "8080:80", "-p", "80", "-p", "5353:53/udp"])?;
        rig.engine.serve("one", 80)?;
        echo_datagrams(rig, "one", 53)?;
        let anywhere = chosen(rig, "one")?;
        ensure!(fetch(rig, Host::ADDRESS, anywhere)? == "one", "a port that Kuryr chose");
        for orderly in [false, true] {
            match orderly {
                true => drop(rig.kuryr.stop(&rig.host)?),
                false => rig.kuryr.kill(&rig.host)?,
            }
            rig.kuryr.start(&rig.host)?;
            for port in [8080, anywhere] {
                ensure!(fetch(rig, Host::ADDRESS, port)? == "one");
            }
            ensure!(exchange(rig, Host::ADDRESS, 5353, "hi")? == "one hi");
        }
        rig.engine.docker(&["rm", "--force", "one"])?;
        ensure!(!listens(rig, 8080)? && !listens(rig, anywhere)?);
        let notes = std::fs::read_dir(rig.host.path(NOTES))?.count();
        ensure!(notes == 0, "{notes} notes are left");
        Ok(())
    })
}

#[test]
fn a_restart_of_the_engine_publishes_again() -> Result<()> {
    with_rig(|rig| {
        blue(rig)?;
        rig.engine.container("one", "blue", &["-p", "8080:80"])?;
        rig.host.signal(rig.engine.pid(), "-TERM")?;
        until("dockerd to end", || {
            ensure!(rig.engine.try_docker(&["version"]).is_ok_and(|output| !output.status.success()));
            ensure!(!rig.host.path("/run/docker.pid").exists());
            Ok(())
        })?;
        ensure!(!listens(rig, 8080)?, "the engine took its container with it");
        rig.engine.start_again(&rig.host)?;
        rig.engine.docker(&["start", "one"])?;
        rig.engine.serve("one", 80)?;
        ensure!(fetch(rig, Host::ADDRESS, 8080)? == "one");
        ensure!(!PrivateEngine::log(&rig.host).contains("panic"), "dockerd panicked");
        Ok(())
    })
}

#[test]
fn a_long_connection_keeps_its_halves() -> Result<()> {
    with_rig(|rig| {
        blue(rig)?;
        rig.engine.container("one", "blue", &["-p", "8080:80"])?;
        let listener = run_in(&namespace(rig, "one")?, || Ok(TcpListener::bind("0.0.0.0:80")?))?;
        // It answers only when the client has said all it has to say.
        let server = std::thread::spawn(move || -> Result<usize> {
            let (mut stream, _) = listener.accept()?;
            let mut all = Vec::new();
            let length = stream.read_to_end(&mut all)?;
            stream.write_all(&all)?;
            Ok(length)
        });
        let address = SocketAddr::new(Host::ADDRESS.parse()?, 8080);
        let length = 20_000_000;
        let back = rig.host.world()?.run(|| {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(&vec![7; length])?;
            stream.shutdown(Shutdown::Write)?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            Ok(all)
        })?;
        ensure!(server.join().ok().context("the server panicked")?? == length);
        ensure!(back == vec![7; length], "{} bytes came back", back.len());
        Ok(())
    })
}
