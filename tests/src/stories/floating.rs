//! `docker run -p` on a floating IP: packets of the external network arrive in containers.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{FloatingIp, Network, PortForwarding, Router, RouterInterface, Subnet};
use kuryr_openstack::Query;
use serde_json::{Value, json};

use crate::cloud::Edge;
use crate::{IMAGE, Paths, Rig, run_in, until};

const PATIENCE: Duration = Duration::from_secs(3);
/// What an operator sets for it.
pub const CONFIGURATION: &str = "[DEFAULT]\npublish_ports = floating_ip\n";

/// Something done where the external network is.
fn outside<T: Send>(rig: &Rig, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match &rig.openstack {
        Some(place) => place.openstack.run(work),
        // The host is the gateway of the embedded cloud's external networks.
        None => run_in(&rig.host.network()?, work),
    }
}

fn fetch(rig: &Rig, address: IpAddr, port: u16) -> Result<String> {
    outside(rig, || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.trim().to_owned())
    })
}

/// Wait until the service behind a published port answers.
pub(super) fn answers(rig: &Rig, address: IpAddr, port: u16, text: &str) -> Result<()> {
    until("a published port to answer", || {
        let told = fetch(rig, address, port)?;
        ensure!(told == text, "{address} {port}: {told:?}");
        Ok(())
    })
}

/// Kuryr's own floating IP of a network, with what is forwarded.
fn floating(rig: &Rig, network: &Network) -> Result<Option<(FloatingIp, Vec<PortForwarding>)>> {
    let mut all = rig.cloud.call(async |neutron| neutron.list::<FloatingIp>(&Query::new()).await)?;
    all.retain(|one| one.description.contains(&network.id.to_string()));
    ensure!(all.len() < 2, "{all:?}");
    let Some(floating_ip) = all.pop() else { return Ok(None) };
    let forwardings = rig.cloud.call(async |neutron| neutron.port_forwardings(floating_ip.id).await)?;
    Ok(Some((floating_ip, forwardings)))
}

/// The external network of every project; made where nobody has.
pub(super) fn public(rig: &Rig) -> Result<Network> {
    let all = rig.cloud.call(async |neutron| neutron.list::<Network>(&Query::new().eq("name", "public")).await)?;
    if let Some(network) = all.into_iter().find(|network| network.router_external) {
        return Ok(network);
    }
    let network: Network = rig.cloud.make(json!({ "name": "public", "router:external": true }))?;
    let subnet = json!({ "network_id": network.id, "ip_version": 4, "cidr": Edge::CIDR, "enable_dhcp": false });
    rig.cloud.make::<Subnet>(subnet)?;
    Ok(network)
}

/// A router from the external network to the subnet of `blue`.
fn router(rig: &Rig) -> Result<Router> {
    let gateway = json!({ "name": "edge", "external_gateway_info": { "network_id": public(rig)?.id } });
    let router: Router = rig.cloud.make(gateway)?;
    let interface = RouterInterface { subnet_id: Some(rig.cloud.subnet("10.10.0.0/24")?.id), ..Default::default() };
    rig.cloud.call(async |neutron| neutron.add_router_interface(router.id, interface).await)?;
    Ok(router)
}

/// One that a crash left goes when things are compared, an operator's stays.
fn abandoned(rig: &Rig, like: &FloatingIp) -> Result<()> {
    let outside = public(rig)?.id;
    let [left, kept]: [FloatingIp; 2] = [
        rig.cloud.make(json!({ "floating_network_id": outside, "description": like.description }))?,
        rig.cloud.make(json!({ "floating_network_id": outside, "description": "an operator's" }))?,
    ];
    let done = rig.kuryr.command(&rig.host, &["gc"])?;
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    // The process that serves compares too, and may have been first.
    let removed = told.contains(&format!("removed floating IP {}", left.id)) || told.contains("nothing to remove");
    ensure!(removed, "{told}{done:?}");
    let all = rig.cloud.call(async |neutron| neutron.list::<FloatingIp>(&Query::new()).await)?;
    ensure!(all.iter().all(|one| one.id != left.id) && all.iter().any(|one| one.id == kept.id), "{all:?}");
    rig.cloud.delete::<FloatingIp>(kept.id)
}

/// On a floating IP that the operator has, and keeps.
fn published_on_a_chosen_one(rig: &mut Rig) -> Result<()> {
    let floating_ip: FloatingIp = rig.cloud.make(json!({ "floating_network_id": public(rig)?.id }))?;
    let address = floating_ip.floating_ip_address;
    let path = rig.host.path(Paths::CONFIG);
    let text = std::fs::read_to_string(&path)?;
    let chosen = text.replacen(CONFIGURATION, &format!("publish_floating_ip = {address}\n{CONFIGURATION}"), 1);
    rig.kuryr.reload(&rig.host, &chosen, "changed=[neutron] publish_floating_ip")?;
    let told = rig.engine.refused(&["run", "--network", "blue", "-p", "192.0.2.9:9:9", IMAGE, "true"])?;
    ensure!(told.contains(&format!("publishes on the floating IP {address}")), "{told}");
    rig.engine.container("four", "blue", &["-p", "8080:80"])?;
    rig.engine.serve("four", 80)?;
    answers(rig, address, 8080, "four")?;
    // It is withdrawn from where it was published, whatever the options say by then.
    let other = text.replace("floating_ip", "host");
    rig.kuryr.reload(&rig.host, &other, "changed=[DEFAULT] publish_ports, [neutron] publish_floating_ip")?;
    answers(rig, address, 8080, "four")?;
    rig.engine.docker(&["rm", "--force", "four"])?;
    let left = rig.cloud.call(async |neutron| neutron.port_forwardings(floating_ip.id).await)?;
    ensure!(left.is_empty(), "{left:?}");
    rig.cloud.delete::<FloatingIp>(floating_ip.id)
}

/// All of it, on a machine without networks.
pub fn published(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    let network = rig.cloud.one::<Network>(&Query::new().eq("name", &blue_name(rig)?))?;
    let run = |name: &str, arguments: &[&str]| rig.engine.container(name, "blue", arguments);
    let refusal = run("early", &["-p", "8080:80"]).err().context("published without a router")?;
    ensure!(format!("{refusal:#}").contains("has no router with an external gateway"), "{refusal:#}");
    rig.engine.docker(&["rm", "--force", "early"])?;
    ensure!(floating(rig, &network)?.is_none());

    let router = router(rig)?;
    run("one", &["-p", "8080:80", "-p", "5353:53/udp", "-p", "81"])?;
    run("two", &["-p", "8081:80"])?;
    rig.engine.serve("one", 80)?;
    rig.engine.serve("one", 81)?;
    rig.engine.serve("two", 80)?;
    let (floating_ip, forwardings) = floating(rig, &network)?.context("there is no floating IP")?;
    let address = floating_ip.floating_ip_address;
    ensure!(forwardings.len() == 4, "{forwardings:?}");
    answers(rig, address, 8080, "one")?;
    answers(rig, address, 8081, "two")?;
    let any = forwardings.iter().find(|one| one.internal_port == Some(81)).and_then(|one| one.external_port);
    answers(rig, address, any.context("no port was chosen")?, "one")?;
    echo(rig, address)?;

    let told = rig.engine.refused(&["run", "--network", "blue", "-p", "9:9", "-p", "8080:80", IMAGE, "true"])?;
    ensure!(told.contains(&format!("tcp port 8080 of the floating IP {address} is in use")), "{told}");
    ensure!(floating(rig, &network)?.context("it is gone")?.1.len() == 4, "something of a refused one is left");

    // The cloud carries the packets, and remembers.
    rig.kuryr.kill(&rig.host)?;
    ensure!(fetch(rig, address, 8080)? == "one");
    rig.kuryr.start(&rig.host)?;
    rig.engine.docker(&["rm", "--force", "one"])?;
    let left = floating(rig, &network)?.context("it is gone too early")?.1;
    ensure!(left.len() == 1 && left[0].external_port == Some(8081), "{left:?}");
    ensure!(fetch(rig, address, 8080).is_err());
    ensure!(fetch(rig, address, 8081)? == "two");
    rig.engine.docker(&["rm", "--force", "two"])?;
    ensure!(floating(rig, &network)?.is_none(), "the floating IP is left");
    abandoned(rig, &floating_ip)?;

    // A network may do it otherwise.
    rig.create_network(
        "red",
        &["--subnet", "10.20.0.0/24", "--gateway", "10.20.0.1", "-o", "neutron.net.publish=host"],
    )?;
    rig.engine.container("three", "red", &["-p", "127.0.0.1::80"])?;
    rig.engine.serve("three", 80)?;
    // Machines of one OpenStack share its network namespace, so that nobody can choose a port there.
    let endpoint = rig.engine.endpoint("three", "red")?.id;
    let note = std::fs::read(rig.host.path(format!("/var/lib/kuryr/published/{endpoint}.json")))?;
    let note: Value = serde_json::from_slice(&note)?;
    let port = note["ports"][0]["host_port"].as_u64().context("no port in the note")?;
    answers(rig, [127, 0, 0, 1].into(), u16::try_from(port)?, "three")?;
    rig.engine.docker(&["rm", "--force", "three"])?;
    published_on_a_chosen_one(rig)?;
    let interface = RouterInterface { subnet_id: Some(rig.cloud.subnet("10.10.0.0/24")?.id), ..Default::default() };
    rig.cloud.call(async |neutron| neutron.remove_router_interface(router.id, interface).await)?;
    rig.cloud.delete::<Router>(router.id)?;
    rig.engine.docker(&["network", "rm", "blue", "red"])?;
    Ok(())
}

fn blue_name(rig: &Rig) -> Result<String> {
    let id = rig.engine.inspect("network", "blue")?["Id"].as_str().context("no id")?.to_owned();
    Ok(format!("kuryr-net-{id:.8}"))
}

/// A datagram to the container's port 53 and back.
fn echo(rig: &Rig, address: IpAddr) -> Result<()> {
    let inspect = rig.engine.inspect("container", "one")?;
    let key =
        inspect["NetworkSettings"]["SandboxKey"].as_str().context("no SandboxKey")?.replacen("/var/run", "/run", 1);
    let namespace = std::fs::File::open(rig.host.path(key))?;
    let server = run_in(&namespace, || Ok(UdpSocket::bind("0.0.0.0:53")?))?;
    server.set_read_timeout(Some(PATIENCE))?;
    let client = outside(rig, || Ok(UdpSocket::bind("0.0.0.0:0")?))?;
    client.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 16];
    until("a datagram to come back", || {
        client.send_to(b"ping", (address, 5353))?;
        let (length, peer) = server.recv_from(&mut buffer)?;
        server.send_to(&buffer[..length], peer)?;
        let (length, from) = client.recv_from(&mut buffer)?;
        ensure!(&buffer[..length] == b"ping" && from == SocketAddr::new(address, 5353), "{from}");
        Ok(())
    })
}
