//! More containers than a machine usually has, as quickly as it starts them: addresses, reachability, and security groups
//! that are in force before a container's first packet and before the first packet to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use kuryr_neutron::{Port, SecurityGroup, SecurityGroupRule};
use kuryr_openstack::Query;
use serde_json::{Value, json};

use crate::world::run_in;
use crate::{IMAGE, Rig, until};

/// Where the listener accepts connections, as the containers' group allows.
const ALLOWED: u16 = 7001;
/// Where nobody may send anything to a container.
const FORBIDDEN: u16 = 7002;
/// Rules of the containers' group, beside those that the test is about.
const RULES: u16 = 1_000;
/// Between two packets to each address of the network.
const PACE: Duration = Duration::from_millis(10);

/// So many are started and removed, so many at a time.
pub fn crowd(rig: &mut Rig, many: usize, at_a_time: usize) -> Result<()> {
    let guests = rig.cloud.group("guests")?;
    for rule in &guests.security_group_rules {
        rig.cloud.delete::<SecurityGroupRule>(rule.id)?;
    }
    rig.allow(
        &guests,
        json!({ "direction": "egress", "protocol": "tcp", "port_range_min": ALLOWED, "port_range_max": ALLOWED }),
    )?;
    rig.allow(&guests, json!({ "direction": "ingress", "protocol": "icmp" }))?;
    let rules = (1..=RULES).map(|number| {
        json!({
            "security_group_id": guests.id, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_range_min": number, "port_range_max": number, "remote_ip_prefix": "10.99.0.0/16",
        })
    });
    rig.cloud.make_many::<SecurityGroupRule>(rules)?;
    let groups = format!("neutron.port.security_groups={}", guests.id);
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "--opt", &groups])?;
    rig.engine.container("listener", "blue", &[])?;
    let listeners = rig.set_apart("listener", "blue", "listeners")?;
    rig.cloud.open(listeners.id, "IPv4", ALLOWED)?;
    rig.allow(&listeners, json!({ "direction": "ingress", "protocol": "icmp" }))?;
    let listener: Ipv4Addr = rig.engine.endpoint("listener", "blue")?.address.parse()?;
    let sandbox = rig.sandbox("listener")?;
    let names: Vec<String> = (0..many).map(|number| format!("c{number:03}")).collect();

    let heard = Listening::start(&sandbox, listener)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pestering = scope.spawn(|| pester(&sandbox, &over));
        let started = each(&names, at_a_time, |name| start(rig, name, listener));
        let all_heard = started.and_then(|()| heard.everybody(many));
        over.store(true, Ordering::SeqCst);
        pestering.join().map_err(|_| anyhow!("a thread panicked"))??;
        all_heard
    })?;
    let counted = counters(&sandbox)?;
    ensure!(counted["Icmp.InEchos"] == 0, "{} pings left a container that may send none", counted["Icmp.InEchos"]);
    each(&names, at_a_time, |name| {
        let counted = counters(&rig.sandbox(name)?)?;
        let came = counted["Udp.InDatagrams"] + counted["Udp.NoPorts"];
        ensure!(came == 0, "{came} packets came to {name}, to which nobody may send any");
        Ok(())
    })?;
    let addresses = distinct(rig, many)?;
    ensure!(addresses.is_subset(&heard.peers()), "{addresses:?} and {:?}", heard.peers());
    let script = addresses.iter().map(|address| format!("ping -q -c 1 -W 10 {address} >/dev/null || echo {address}\n"));
    let silent = rig.engine.exec("listener", &["sh", "-c", &script.collect::<String>()])?;
    ensure!(silent.is_empty(), "no answer to a ping of {silent}");

    // What has not come until now would have, but for the group.
    let one = rig.engine.endpoint(&names[0], "blue")?.address;
    rig.allow(&guests, json!({ "direction": "egress", "protocol": "icmp" }))?;
    rig.allow(&guests, json!({ "direction": "ingress", "protocol": "udp" }))?;
    rig.ping(&names[0], &listener.to_string())?;
    ensure!(counters(&sandbox)?["Icmp.InEchos"] > 0);
    run_in(&sandbox, || Ok(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(b"", (one.as_str(), FORBIDDEN))?))?;
    let inside = rig.sandbox(&names[0])?;
    until("a packet that is allowed", || {
        ensure!(counters(&inside)?["Udp.NoPorts"] == 1, "none came");
        Ok(())
    })?;

    each(&names, at_a_time, |name| rig.engine.docker(&["rm", "--force", name]).map(drop))?;
    rig.engine.docker(&["rm", "--force", "listener"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.cloud.all::<Port>()?.is_empty());
    rig.cloud.clear()
}

impl Rig {
    /// One more rule for IPv4.
    fn allow(&self, group: &SecurityGroup, mut rule: Value) -> Result<()> {
        rule["security_group_id"] = json!(group.id);
        rule["ethertype"] = json!("IPv4");
        self.cloud.make::<SecurityGroupRule>(rule).map(drop)
    }
}

/// Its first acts are a ping that its group forbids, and a connection that it allows.
fn start(rig: &Rig, name: &str, listener: Ipv4Addr) -> Result<()> {
    let script = format!("ping -c 1 -W 1 {listener} & nc -w 20 {listener} {ALLOWED}; exec sleep 1000000");
    rig.engine.docker(&["run", "--detach", "--name", name, "--network", "blue", IMAGE, "sh", "-c", &script])?;
    Ok(())
}

/// Do something for each name, so many at a time.
fn each(names: &[String], at_a_time: usize, work: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (next, work) = (&next, &work);
    std::thread::scope(|scope| {
        let worker = || {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::SeqCst)) {
                work(name).with_context(|| name.clone())?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..at_a_time).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// Send packets to all addresses of the network, whether somebody has them yet or not, until it is over.
fn pester(sandbox: &File, over: &AtomicBool) -> Result<()> {
    let socket = run_in(sandbox, || Ok(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?))?;
    while !over.load(Ordering::SeqCst) {
        for last in 2..=254 {
            // Nobody has the address yet: the kernel says so, some time.
            let _ = socket.send_to(b"is this forbidden?", (Ipv4Addr::new(10, 10, 0, last), FORBIDDEN));
        }
        std::thread::sleep(PACE);
    }
    Ok(())
}

/// What the kernel of a namespace has counted, as `Protocol.Counter`.
fn counters(sandbox: &File) -> Result<BTreeMap<String, u64>> {
    let text = run_in(sandbox, || Ok(std::fs::read_to_string("/proc/thread-self/net/snmp")?))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut all = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let (protocol, names) = pair[0].split_once(": ").context("no names")?;
        let (_, values) = pair[1].split_once(": ").context("no values")?;
        for (name, value) in names.split(' ').zip(values.split(' ')) {
            all.insert(format!("{protocol}.{name}"), value.parse().unwrap_or_default());
        }
    }
    Ok(all)
}

/// The addresses of all containers but the listener, which Docker and Neutron tell alike, and none twice.
fn distinct(rig: &Rig, many: usize) -> Result<BTreeSet<IpAddr>> {
    let network = rig.engine.inspect("network", "blue")?;
    let containers = network["Containers"].as_object().context("no containers")?;
    ensure!(containers.len() == many + 1, "{} containers", containers.len());
    let ports = rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?;
    ensure!(ports.len() == many + 1, "{} ports", ports.len());
    let by_mac: BTreeMap<String, &Port> = ports.iter().map(|port| (port.mac_address.to_string(), port)).collect();
    ensure!(by_mac.len() == ports.len(), "a MAC address twice");
    let mut all = BTreeSet::new();
    for container in containers.values() {
        let text = |key: &str| container[key].as_str().unwrap_or_default();
        let address: IpAddr = text("IPv4Address").split('/').next().unwrap_or_default().parse()?;
        ensure!(all.insert(address), "{address} twice");
        let port = by_mac.get(text("MacAddress")).with_context(|| format!("no port of {container}"))?;
        ensure!(port.fixed_ips[0].ip_address == address, "{container} has {port:?}");
    }
    let listener: IpAddr = rig.engine.endpoint("listener", "blue")?.address.parse()?;
    all.remove(&listener);
    Ok(all)
}

/// A service that remembers who came.
struct Listening {
    peers: Arc<Mutex<BTreeSet<IpAddr>>>,
}

impl Listening {
    /// It ends with the test's process.
    fn start(sandbox: &File, address: Ipv4Addr) -> Result<Self> {
        let listener = run_in(sandbox, || Ok(TcpListener::bind((address, ALLOWED))?))?;
        let it = Self { peers: Arc::default() };
        let peers = Arc::clone(&it.peers);
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten().filter_map(|stream| stream.peer_addr().ok()) {
                peers.lock().unwrap_or_else(PoisonError::into_inner).insert(peer.ip());
            }
        });
        Ok(it)
    }

    fn peers(&self) -> BTreeSet<IpAddr> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wait until so many came.
    fn everybody(&self, many: usize) -> Result<()> {
        until("every container's connection", || {
            let came = self.peers().len();
            ensure!(came == many, "{came} of {many} came");
            Ok(())
        })
    }
}
