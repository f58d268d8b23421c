//! A network and its containers come and go, and leave nothing.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Status, Subnet, SubnetPool};
use kuryr_openstack::Query;
use kuryr_tests::{PrivateEngine, Rig, until, with_rig};

const CREATE: &[&str] = &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

/// The two tags by which an id of Docker's is known.
fn tags_of(prefix: &str, id: &str) -> Vec<String> {
    vec![format!("{prefix}.lh:{}", &id[..32]), format!("{prefix}.uh:{}", &id[32..])]
}

fn has_all(tags: &[kuryr_neutron::Tag], wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| tags.iter().any(|tag| tag.as_str() == wanted))
}

#[test]
fn a_network_and_its_containers_come_and_go() -> Result<()> {
    with_rig(come_and_go)
}

pub(crate) fn come_and_go(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    ensure!(rig.kernel()?.is_empty(), "the kernel is not clean before: {:?}", rig.kernel()?);

    rig.create_network("blue", CREATE)?;
    let docker_id = rig.engine.inspect("network", "blue")?["Id"].as_str().context("no id")?.to_owned();
    let network: Network = rig.cloud.one(&Query::new().eq("name", format!("kuryr-net-{}", &docker_id[..8])))?;
    ensure!(has_all(&network.tags, &tags_of("kuryr.net.uuid", &docker_id)), "{:?}", network.tags);
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    ensure!(subnet.name == "kuryr-subnet-10.10.0.0/24", "{}", subnet.name);
    ensure!(subnet.gateway_ip == Some("10.10.0.1".parse()?), "{:?}", subnet.gateway_ip);
    let pool: SubnetPool = rig.cloud.one(&Query::new().eq("name", "kuryrPool-10.10.0.0/24"))?;
    // Docker does not wait for these tags; they follow.
    until("the subnet to have its pool's tag", || {
        let tags = rig.cloud.subnet("10.10.0.0/24")?.tags;
        ensure!(has_all(&tags, &[pool.id.to_string()]), "{tags:?}");
        Ok(())
    })?;

    for name in ["one", "two"] {
        rig.engine.container(name, "blue", &[])?;
    }
    let two = rig.engine.endpoint("two", "blue")?;
    rig.engine.ping("one", &two.address)?;
    rig.engine.serve("two", 8080)?;
    ensure!(rig.engine.fetch("one", &two.address, 8080)? == "two");

    let port = rig.cloud.port_by_mac(&two.mac)?;
    ensure!(port.network_id == network.id && port.device_owner == "compute:kuryr", "{port:?}");
    ensure!(port.device_id == two.id, "device {} of endpoint {}", port.device_id, two.id);
    until("the port to have its endpoint's tags", || {
        let tags = rig.cloud.port_by_mac(&two.mac)?.tags;
        let mut wanted = tags_of("kuryr.net.uuid", &two.id);
        wanted.push("compute:kuryr".to_owned());
        ensure!(has_all(&tags, &wanted), "{tags:?}");
        Ok(())
    })?;
    ensure!(port.binding_vif_type == "bridge", "{port:?}");
    until("the port to be ACTIVE", || {
        let status = rig.cloud.port_by_mac(&two.mac)?.status;
        ensure!(status == Status::Active, "{status}");
        Ok(())
    })?;
    let mtu = rig.engine.exec("two", &["ip", "link", "show", "eth0"])?;
    ensure!(mtu.contains(&format!("mtu {} ", network.mtu)), "network has {}, container has {mtu}", network.mtu);

    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.is_empty());
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    until("the kernel to be clean", || {
        let left = rig.kernel()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    ensure_engine_is_content(rig)
}

/// Docker only logs what a plugin refuses while something is taken down, so the log must be read.
fn ensure_engine_is_content(rig: &Rig) -> Result<()> {
    let log = PrivateEngine::log(&rig.host);
    let complaint = log.lines().find(|line| {
        (line.contains("level=warning") || line.contains("level=error"))
            && ["NetworkDriver", "IpamDriver", "remote:", "endpoint", "elease"].iter().any(|word| line.contains(word))
    });
    ensure!(complaint.is_none(), "dockerd complains: {}", complaint.unwrap_or_default());
    Ok(())
}

#[test]
fn docker_may_choose_the_gateway_itself() -> Result<()> {
    with_rig(no_gateway_chosen)
}

pub(crate) fn no_gateway_chosen(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24"])?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    let inspect = rig.engine.inspect("network", "blue")?;
    let gateway = inspect["IPAM"]["Config"][0]["Gateway"].as_str().map(|text| text.split('/').next().map(str::parse));
    let shown = Some(Some(Ok(subnet.gateway_ip.context("the subnet has no gateway")?)));
    ensure!(gateway == shown || gateway.is_none(), "Docker says {gateway:?}, Neutron says {shown:?}");
    rig.engine.container("one", "blue", &[])?;
    ensure!(rig.engine.endpoint("one", "blue")?.gateway == subnet.gateway_ip.context("no gateway")?.to_string());
    Ok(())
}

#[test]
fn a_stopped_container_gives_its_port_back_and_a_started_one_takes_a_new_one() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", CREATE)?;
        rig.engine.container("one", "blue", &[])?;
        rig.engine.container("two", "blue", &[])?;
        let ours = Query::new().eq("device_owner", "compute:kuryr");
        ensure!(rig.cloud.list::<Port>(&ours)?.len() == 2);
        rig.engine.docker(&["stop", "--time", "0", "one"])?;
        ensure!(rig.cloud.list::<Port>(&ours)?.len() == 1);
        rig.engine.docker(&["start", "one"])?;
        ensure!(rig.cloud.list::<Port>(&ours)?.len() == 2);
        rig.engine.ping("one", &rig.engine.endpoint("two", "blue")?.address)
    })
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() -> Result<()> {
    with_rig(join_and_leave)
}

pub(crate) fn join_and_leave(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.create_network("red", &["--subnet", "10.20.0.0/24", "--gateway", "10.20.0.1"])?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "red", &[])?;
    let two = rig.engine.endpoint("two", "red")?;
    rig.engine.docker(&["network", "connect", "red", "one"])?;
    rig.engine.ping("one", &two.address)?;
    rig.engine.docker(&["network", "disconnect", "red", "one"])?;
    ensure!(!rig.engine.try_docker(&["exec", "one", "ping", "-c", "1", "-W", "1", &two.address])?.status.success());
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    rig.engine.refused(&["network", "rm", "red"])?;
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "red", "blue"])?;
    ensure!(rig.cloud.all::<Network>()?.is_empty() && rig.cloud.all::<Subnet>()?.is_empty());
    Ok(())
}

#[test]
fn two_networks_with_the_same_addresses_do_not_meet() -> Result<()> {
    with_rig(|rig| {
        let pool = |name: &'static str| -> Result<SubnetPool> {
            rig.cloud.make(serde_json::json!({ "name": name, "prefixes": ["10.10.0.0/24"], "default_prefixlen": 24 }))
        };
        pool("pool-blue")?;
        pool("pool-red")?;
        for (name, option) in [("blue", "neutron.pool.name=pool-blue"), ("red", "neutron.pool.name=pool-red")] {
            rig.create_network(name, &[CREATE, &["-o", option, "--ipam-opt", option]].concat())?;
            let (first, second) = (format!("{name}1"), format!("{name}2"));
            rig.engine.container(&first, name, &["--ip", "10.10.0.11"])?;
            rig.engine.container(&second, name, &["--ip", "10.10.0.12"])?;
            rig.engine.serve(&second, 80)?;
        }
        ensure!(rig.engine.fetch("blue1", "10.10.0.12", 80)? == "blue2");
        ensure!(rig.engine.fetch("red1", "10.10.0.12", 80)? == "red2");
        Ok(())
    })
}
