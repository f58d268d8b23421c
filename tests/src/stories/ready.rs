//! Containers whose ports were ready before they were asked for.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use kuryr_neutron::{NewSecurityGroup, Port, SecurityGroup};
use kuryr_openstack::Query;
use serde_json::Value;

use super::{
    Story,
    ready_pairs::{CREATE_BOTH, both_versions, port_of},
};
use crate::{Kuryr, Paths, PrivateEngine, Rig, until, until_within};

/// What an operator sets for it.
pub const CONFIG: &str = "\n[docker]\nvif_pool_driver = neutron\nreconcile_interval = 60\n\n[vif_pool]\n\
                          ports_pool_min = 2\nports_pool_max = 8\nports_pool_batch = 3\n\n[metrics]\n\
                          listen = 127.0.0.1:9301\n\n";
/// What the address of metrics follows.
const LISTEN: &str = "listen = ";

/// The same for one of several machines in one network: each serves its metrics elsewhere.
pub fn config_apart(metrics: &str) -> String {
    CONFIG.replace("127.0.0.1:9301", metrics)
}

/// All of them that hold on every cloud.
pub const STORIES: &[Story] = &[
    ("from the pool and back", from_the_pool_and_back),
    ("killed in between", killed_in_between),
    ("wishes", wishes),
    ("both IP versions", both_versions),
    ("listed and drained", listed_and_drained),
    ("groups of a network", groups_of_a_network),
    ("twelve at once", |rig| many_at_once(rig, CREATE, 12)),
    ("twelve of both IP versions at once", |rig| many_at_once(rig, CREATE_BOTH, 12)),
];

const CREATE: &[&str] = &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

fn ours(rig: &Rig) -> Result<Vec<Port>> {
    rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))
}

/// The ports that wait for a container.
fn waiting(rig: &Rig) -> Result<Vec<Port>> {
    let mut ports = ours(rig)?;
    ports.retain(|port| port.name == "kuryr-ready-port" && port.device_id.is_empty());
    Ok(ports)
}

/// How many the process itself says that it has ready.
fn held(rig: &Rig) -> Result<usize> {
    let config = std::fs::read_to_string(rig.host.path(Paths::CONFIG))?;
    let address = config.lines().find_map(|line| line.strip_prefix(LISTEN)).context("no metrics are served")?;
    let text = rig.host.run(&["busybox", "wget", "-q", "-O", "-", &format!("http://{address}/metrics")])?;
    let lines = text.lines().filter(|line| line.starts_with("kuryr_ready_ports{") && line.contains("state=\"ready\""));
    let numbers = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(numbers.sum::<f64>() as usize)
}

/// Wait for so many.
pub(super) fn filled(rig: &Rig, least: usize) -> Result<Vec<Port>> {
    // After a refusal of the cloud the filler rests, and longer each time.
    until_within(Duration::from_secs(90), "ports to be ready", || {
        // Neutron shows new ports before it answers.
        let held = held(rig)?;
        let ports = waiting(rig)?;
        ensure!(held >= least && ports.len() >= least, "{held} are ready, {} are in Neutron", ports.len());
        Ok(ports)
    })
}

/// Wait until a port is as new again.
pub(super) fn is_back(rig: &Rig, port: &Port) -> Result<()> {
    until("a port to be ready again", || {
        let port = rig.cloud.port_by_mac(&port.mac_address.to_string())?;
        let tags: Vec<&str> = port.tags.iter().map(|tag| tag.as_str()).collect();
        ensure!(port.name == "kuryr-ready-port" && port.device_id.is_empty() && tags == ["compute:kuryr"], "{port:?}");
        Ok(())
    })
}

/// A container has exactly what its port has, inside too, and packets reach it.
fn is_at(rig: &Rig, container: &str, port: &Port, from: &str) -> Result<()> {
    let endpoint = rig.engine.endpoint(container, "blue")?;
    let address = port.fixed_ips.first().context("the port has no address")?.ip_address.to_string();
    ensure!(endpoint.mac == port.mac_address.to_string() && endpoint.address == address, "{endpoint:?} {port:?}");
    let link = rig.engine.exec(container, &["ip", "address", "show", "eth0"])?;
    ensure!(link.contains(&endpoint.mac) && link.contains(&format!("{address}/24")), "{link}");
    rig.ping(from, &address)?;
    rig.ping(container, &rig.engine.endpoint(from, "blue")?.address)?;
    rig.is_active(container, "blue")
}

pub(super) fn of(rig: &Rig, ready: &[Port], container: &str) -> Result<Port> {
    let mac = rig.engine.endpoint(container, "blue")?.mac;
    let found = ready.iter().find(|port| port.mac_address.to_string() == mac);
    found.cloned().with_context(|| format!("{container} has {mac}, which was not ready: {ready:?}"))
}

/// These containers have ports, and there are no others. Whether a port says so already is another matter: that is written
/// a moment after the container has it.
fn only_those_of(rig: &Rig, containers: &[&str]) -> Result<()> {
    let macs = containers.iter().map(|name| Ok(rig.engine.endpoint(name, "blue")?.mac));
    let macs = macs.collect::<Result<BTreeSet<String>>>()?;
    let ports = ours(rig)?;
    let theirs: BTreeSet<String> = ports.iter().map(|port| port.mac_address.to_string()).collect();
    ensure!(theirs == macs, "{containers:?} have {macs:?}, and there are {ports:?}");
    Ok(())
}

/// Remove the containers and the network; nothing may be left anywhere.
pub(super) fn remove(rig: &Rig, containers: &[&str]) -> Result<()> {
    rig.engine.docker(&[["rm", "--force"].as_slice(), containers].concat())?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let left = rig.cloud.inventory()?;
    ensure!(!left.iter().any(|name| name.contains("kuryr") || name.contains("exposed")), "{left:?}");
    ensure!(ours(rig)?.is_empty(), "{:?}", ours(rig)?);
    rig.is_clean()?;
    let log = PrivateEngine::log(&rig.host);
    ensure!(!log.contains("panic"), "dockerd panicked");
    Ok(())
}

/// Start, stop, start and restart.
pub fn from_the_pool_and_back(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &["--stop-signal", "KILL"])?;
    let ready = filled(rig, 2)?;
    rig.engine.container("two", "blue", &["--stop-signal", "KILL"])?;
    let port = of(rig, &ready, "two")?;
    is_at(rig, "two", &port, "one")?;
    let told = rig.owned_port("two", "blue")?;
    ensure!(told.id == port.id && told.binding_vif_type == rig.vif_type(), "{told:?}");
    rig.engine.docker(&["stop", "two"])?;
    is_back(rig, &port)?;
    let ready = filled(rig, 2)?;
    rig.engine.docker(&["start", "two"])?;
    is_at(rig, "two", &of(rig, &ready, "two")?, "one")?;
    rig.engine.docker(&["restart", "two"])?;
    rig.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
    remove(rig, &["one", "two"])
}

/// The process dies right after a start, right after a stop, and with ports that are ready.
pub fn killed_in_between(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &["--stop-signal", "KILL"])?;
    let ready = filled(rig, 2)?;
    rig.engine.container("two", "blue", &["--stop-signal", "KILL"])?;
    rig.kuryr.kill(&rig.host)?;
    rig.kuryr.start(&rig.host)?;
    is_at(rig, "two", &of(rig, &ready, "two")?, "one")?;
    rig.owned_port("two", "blue")?;
    rig.engine.container("three", "blue", &["--stop-signal", "KILL"])?;
    rig.ping("three", &rig.engine.endpoint("two", "blue")?.address)?;
    let given_back = rig.port("two", "blue")?.id;
    rig.engine.docker(&["stop", "two"])?;
    rig.kuryr.kill(&rig.host)?;
    rig.kuryr.start(&rig.host)?;
    rig.engine.docker(&["start", "two"])?;
    // Its return was answered, and never written.
    until_within(Duration::from_secs(90), "the end of a port that was given back", || {
        let ports = ours(rig)?;
        ensure!(ports.iter().all(|port| port.id != given_back || port.device_id.is_empty()), "{ports:?}");
        Ok(())
    })?;
    rig.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
    let names = ["one", "two", "three"];
    let ports: BTreeSet<_> = names.iter().map(|name| Ok(rig.port(name, "blue")?.id)).collect::<Result<_>>()?;
    ensure!(ports.len() == names.len(), "a port is used twice: {ports:?}");
    remove(rig, &names)
}

/// `--ip`, of a ready port too, `--mac-address` and `--expose`.
pub fn wishes(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &[])?;
    let ready = filled(rig, 2)?;
    let mac = "02:42:ac:11:00:77";
    rig.engine.container("two", "blue", &["--ip", "10.10.0.177", "--mac-address", mac])?;
    let two = rig.owned_port("two", "blue")?;
    ensure!(two.mac_address.to_string() == mac, "{two:?}");
    is_at(rig, "two", &two, "one")?;
    let wanted = ready[1].fixed_ips[0].ip_address.to_string();
    rig.engine.container("three", "blue", &["--ip", &wanted])?;
    is_at(rig, "three", &ready[1], "one")?;
    rig.engine.docker(&["rm", "--force", "two", "three"])?;
    is_back(rig, &ready[1])?;
    filled(rig, 2)?;

    // A MAC for a port that was ready: it must not stay with it.
    rig.engine.container("two", "blue", &["--mac-address", mac])?;
    let two = rig.owned_port("two", "blue")?;
    is_at(rig, "two", &two, "one")?;
    rig.engine.docker(&["rm", "--force", "two"])?;
    until("the chosen MAC to be nobody's", || {
        let left = ours(rig)?;
        ensure!(left.iter().all(|port| port.mac_address.to_string() != mac), "{left:?}");
        Ok(())
    })?;

    let ready = filled(rig, 2)?;
    rig.engine.container("server", "blue", &["--expose", "8080"])?;
    let server = of(rig, &ready, "server")?;
    rig.set_apart("one", "blue", "guests")?;
    for number in [8080, 8081] {
        rig.engine.serve("server", number)?;
        rig.reaches("one", &server.fixed_ips[0].ip_address.to_string(), number, number == 8080)?;
    }
    rig.engine.docker(&["rm", "--force", "server"])?;
    is_back(rig, &server)?;
    let back = rig.cloud.port_by_mac(&server.mac_address.to_string())?;
    ensure!(back.security_groups == server.security_groups, "{back:?}");
    remove(rig, &["one"])
}

/// A network's own groups are those of its ready ports, before and after a container had them.
pub fn groups_of_a_network(rig: &mut Rig) -> Result<()> {
    let new = NewSecurityGroup { name: "guests".to_owned(), ..NewSecurityGroup::default() };
    let guests = rig.cloud.call(async |neutron| neutron.create::<SecurityGroup>(&new).await)?.id;
    rig.create_network("blue", &[CREATE, &["--opt", "neutron.port.security_groups=guests"]].concat())?;
    rig.engine.container("one", "blue", &["--stop-signal", "KILL"])?;
    let ready = filled(rig, 2)?;
    ensure!(ready.iter().all(|port| port.security_groups == [guests]), "{ready:?}");
    rig.engine.container("two", "blue", &["--stop-signal", "KILL"])?;
    let port = of(rig, &ready, "two")?;
    ensure!(rig.owned_port("two", "blue")?.security_groups == [guests]);
    // The group lets nobody in.
    rig.engine.serve("two", 80)?;
    rig.reaches("one", &port.fixed_ips[0].ip_address.to_string(), 80, false)?;
    rig.engine.docker(&["stop", "two"])?;
    is_back(rig, &port)?;
    ensure!(rig.cloud.port_by_mac(&port.mac_address.to_string())?.security_groups == [guests]);
    remove(rig, &["one", "two"])?;
    rig.cloud.call(async |neutron| neutron.delete::<SecurityGroup>(guests).await)
}

/// What `kuryr pool` prints.
fn pool(rig: &Rig, words: &[&str]) -> Result<String> {
    let output = rig.kuryr.command(&rig.host, &[&["pool"], words].concat())?;
    ensure!(output.status.success(), "kuryr pool {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// `kuryr pool list` shows them, `kuryr pool drain` removes those that no container has, whether Kuryr runs or not.
pub fn listed_and_drained(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &["--stop-signal", "KILL"])?;
    let ready = filled(rig, 2)?;
    rig.engine.container("two", "blue", &["--stop-signal", "KILL"])?;
    let two = of(rig, &ready, "two")?;
    // A young network says a moment later whose it is.
    let listed = until("the list of ready ports", || {
        let listed: Value = serde_json::from_str(&pool(rig, &["list", "--json"])?)?;
        ensure!(listed["pools"][0]["docker_networks"][0]["name"] == "blue", "{listed:#}");
        Ok(listed)
    })?;
    let pools = listed["pools"].as_array().context("no pools")?;
    ensure!(pools.len() == 1, "{listed:#}");
    ensure!(pools[0]["in_use"] == 1 && pools[0]["subnets"][0]["cidr"] == "10.10.0.0/24", "{listed:#}");
    let ports = pools[0]["ports"].as_array().context("no ports")?;
    let used = ports.iter().find(|port| port["state"] == "in_use").context("none is in use")?;
    ensure!(used["id"] == two.id.to_string() && used["container"]["name"] == "two", "{used:#}");
    ensure!(pools[0]["ready"] == ports.len() - 1, "{listed:#}");
    let table = pool(rig, &["list"])?;
    ensure!(
        table.contains("Pools (1)") && ports.iter().all(|port| table.contains(port["id"].as_str().unwrap_or("?"))),
        "{table}"
    );

    let wrong = rig.kuryr.command(&rig.host, &["pool", "drain", "green"])?;
    let told = String::from_utf8_lossy(&wrong.stderr);
    ensure!(wrong.status.code() == Some(1) && told.contains("there is no network 'green'"), "{wrong:?}");
    filled(rig, 2)?;

    let told = pool(rig, &["drain", "blue"])?;
    ensure!(told.starts_with("removed ") && !told.starts_with("removed 0"), "{told}");
    only_those_of(rig, &["one", "two"])?;
    ensure!(pool(rig, &["drain", "blue"])? == "removed 0 ready ports\n");
    is_at(rig, "two", &two, "one")?;
    // What was lent before is not wanted back.
    rig.engine.docker(&["rm", "--force", "two"])?;
    until("the end of a port", || {
        ensure!(ours(rig)?.len() == 1, "{:?}", ours(rig)?);
        Ok(())
    })?;
    rig.engine.container("three", "blue", &["--stop-signal", "KILL"])?;
    rig.ping("one", &rig.engine.endpoint("three", "blue")?.address)?;
    filled(rig, 2)?;

    // Nobody serves: the command itself does it, and leaves what containers have.
    if rig.openstack.is_some() {
        rig.kuryr.kill(&rig.host)?;
        pool(rig, &["drain"])?;
        only_those_of(rig, &["one", "three"])?;
        rig.kuryr.start(&rig.host)?;
        rig.ping("one", &rig.engine.endpoint("three", "blue")?.address)?;
    }
    remove(rig, &["one", "three"])
}

/// More containers at once than ports are ready; none shares a port with another.
fn many_at_once(rig: &mut Rig, create: &[&str], many: usize) -> Result<()> {
    rig.create_network("blue", create)?;
    rig.engine.container("first", "blue", &[])?;
    filled(rig, 2)?;
    let names: Vec<String> = (0..many).map(|number| format!("c{number:02}")).collect();
    let engine = &*rig.engine;
    let all = |work: &(dyn Fn(&str) -> Result<()> + Sync)| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|name| scope.spawn(move || work(name))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
        })
    };
    // The second time there are more ready ports, and some on their way back.
    for _ in 0..2 {
        all(&|name| engine.container(name, "blue", &[]))?;
        let (mut macs, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for name in &names {
            let port = port_of(rig, name)?;
            let is_first = macs.insert(port.mac_address) && port.fixed_ips.iter().all(|ip| addresses.insert(*ip));
            ensure!(is_first, "{name} shares its port or an address: {port:?}");
        }
        rig.ping("first", &engine.endpoint(&names[many - 1], "blue")?.address)?;
        all(&|name| engine.docker(&["rm", "--force", name]).map(drop))?;
    }
    remove(rig, &["first"])
}

/// Where the project may have no more ports, none is kept ready and containers start all the same; one more is refused
/// plainly. Only on a real OpenStack.
pub fn quota(rig: &mut Rig) -> Result<()> {
    let place = rig.openstack.as_ref().context("there is no quota without an OpenStack")?;
    let (openstack, tenant) = (place.openstack.clone(), place.tenant.clone());
    rig.create_network("blue", CREATE)?;
    let used = rig.cloud.all::<Port>()?.len();
    openstack.limit_ports(&tenant, used + 2)?;
    for name in ["one", "two"] {
        rig.engine.container(name, "blue", &[])?;
        if name == "one" {
            // Three at once are one too many, and none is made.
            until("the filler to be refused", || {
                ensure!(Kuryr::log(&rig.host).contains("no more ports are kept ready"), "no word of it");
                Ok(())
            })?;
            ensure!(waiting(rig)?.is_empty(), "{:?}", waiting(rig)?);
        }
    }
    rig.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
    let run = ["run", "--detach", "--name", "three", "--network", "blue", crate::IMAGE, "sleep", "1000000"];
    let told = rig.engine.refused(&run)?;
    ensure!(told.contains("Quota exceeded for resources: ['port']") && told.contains("req-"), "{told}");
    rig.engine.docker(&["rm", "--force", "three"])?;
    ensure!(ours(rig)?.len() == 2, "{:?}", ours(rig)?);
    // The filler tries again by itself.
    openstack.limit_ports(&tenant, used + 10)?;
    filled(rig, 2)?;
    rig.engine.container("three", "blue", &[])?;
    rig.ping("one", &rig.engine.endpoint("three", "blue")?.address)?;
    remove(rig, &["one", "two", "three"])
}
