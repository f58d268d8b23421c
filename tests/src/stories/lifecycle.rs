//! A network and its containers come and go, and leave nothing.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet, SubnetPool};
use kuryr_openstack::Query;

use crate::{PrivateEngine, Rig, until};

const CREATE: &[&str] = &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

/// The two tags by which an id of Docker's is known.
fn tags_of(prefix: &str, id: &str) -> Vec<String> {
    vec![format!("{prefix}.lh:{}", &id[..32]), format!("{prefix}.uh:{}", &id[32..])]
}

fn has_all(tags: &[kuryr_neutron::Tag], wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| tags.iter().any(|tag| tag.as_str() == wanted))
}

/// Names, tags, packets, and nothing left.
pub fn come_and_go(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    rig.is_clean()?;

    rig.create_network("blue", CREATE)?;
    let docker_id = rig.engine.inspect("network", "blue")?["Id"].as_str().context("no id")?.to_owned();
    let called = Query::new().eq("name", format!("kuryr-net-{}", &docker_id[..8]));
    let network: Network = rig.cloud.one(&called)?;
    // Docker does not wait for tags; they follow.
    until("the network to have its tags", || {
        let tags = rig.cloud.one::<Network>(&called)?.tags;
        ensure!(has_all(&tags, &tags_of("kuryr.net.uuid", &docker_id)), "{tags:?}");
        Ok(())
    })?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    ensure!(subnet.name == "kuryr-subnet-10.10.0.0/24", "{}", subnet.name);
    ensure!(subnet.gateway_ip == Some("10.10.0.1".parse()?), "{:?}", subnet.gateway_ip);
    // Another host of the same cloud may have been first.
    let pool: SubnetPool = rig.cloud.one(&Query::new())?;
    let suffix = pool.name.strip_prefix("kuryrPool-10.10.0.0/24");
    ensure!(suffix.is_some_and(|suffix| suffix.is_empty() || rig.openstack.is_some()), "{}", pool.name);
    until("the subnet to have its pool's tag", || {
        let tags = rig.cloud.subnet("10.10.0.0/24")?.tags;
        ensure!(has_all(&tags, &[pool.id.to_string()]), "{tags:?}");
        Ok(())
    })?;

    for name in ["one", "two"] {
        rig.engine.container(name, "blue", &[])?;
    }
    let two = rig.engine.endpoint("two", "blue")?;
    rig.ping("one", &two.address)?;
    rig.engine.serve("two", 8080)?;
    ensure!(rig.engine.fetch("one", &two.address, 8080)? == "two");

    let port = rig.owned_port("two", "blue")?;
    ensure!(port.network_id == network.id && port.device_owner == "compute:kuryr", "{port:?}");
    until("the port to have its endpoint's tags", || {
        let tags = rig.cloud.port_by_mac(&two.mac)?.tags;
        let mut wanted = tags_of("kuryr.net.uuid", &two.id);
        wanted.push("compute:kuryr".to_owned());
        ensure!(has_all(&tags, &wanted), "{tags:?}");
        Ok(())
    })?;
    ensure!(port.binding_vif_type == rig.vif_type(), "{port:?}");
    rig.is_active("two", "blue")?;
    let mtu = rig.engine.exec("two", &["ip", "link", "show", "eth0"])?;
    ensure!(mtu.contains(&format!("mtu {} ", network.mtu)), "network has {}, container has {mtu}", network.mtu);

    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.is_empty());
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    rig.is_clean()?;
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

/// Nobody says what the gateway is.
pub fn no_gateway_chosen(rig: &mut Rig) -> Result<()> {
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

/// A container gives its port back, and takes another.
pub fn stop_and_start(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "blue", &[])?;
    let ours = Query::new().eq("device_owner", "compute:kuryr");
    ensure!(rig.cloud.list::<Port>(&ours)?.len() == 2);
    rig.engine.docker(&["stop", "--time", "0", "one"])?;
    ensure!(rig.cloud.list::<Port>(&ours)?.len() == 1);
    rig.engine.docker(&["start", "one"])?;
    ensure!(rig.cloud.list::<Port>(&ours)?.len() == 2);
    rig.ping("one", &rig.engine.endpoint("two", "blue")?.address)
}

/// A container that runs changes its networks.
pub fn join_and_leave(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", CREATE)?;
    rig.create_network("red", &["--subnet", "10.20.0.0/24", "--gateway", "10.20.0.1"])?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "red", &[])?;
    let two = rig.engine.endpoint("two", "red")?;
    rig.engine.docker(&["network", "connect", "red", "one"])?;
    rig.ping("one", &two.address)?;
    rig.engine.docker(&["network", "disconnect", "red", "one"])?;
    ensure!(!rig.engine.try_docker(&["exec", "one", "ping", "-c", "1", "-W", "1", &two.address])?.status.success());
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    rig.engine.refused(&["network", "rm", "red"])?;
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "red", "blue"])?;
    ensure!(rig.cloud.all::<Network>()?.is_empty() && rig.cloud.all::<Subnet>()?.is_empty());
    Ok(())
}

/// Two networks with one range of addresses do not meet.
pub fn same_addresses(rig: &mut Rig) -> Result<()> {
    let pool = |name: &str| -> Result<SubnetPool> {
        rig.cloud.make(serde_json::json!({ "name": name, "prefixes": ["10.10.0.0/24"], "default_prefixlen": 24 }))
    };
    for name in ["blue", "red"] {
        let own = rig.own(&format!("pool-{name}"));
        pool(&own)?;
        let option = format!("neutron.pool.name={own}");
        rig.create_network(name, &[CREATE, &["-o", &option, "--ipam-opt", &option]].concat())?;
        let (first, second) = (format!("{name}1"), format!("{name}2"));
        rig.engine.container(&first, name, &["--ip", "10.10.0.11"])?;
        rig.engine.container(&second, name, &["--ip", "10.10.0.12"])?;
        rig.engine.serve(&second, 80)?;
    }
    for name in ["blue", "red"] {
        let first = format!("{name}1");
        rig.ping(&first, "10.10.0.12")?;
        ensure!(rig.engine.fetch(&first, "10.10.0.12", 80)? == format!("{name}2"));
    }
    Ok(())
}
