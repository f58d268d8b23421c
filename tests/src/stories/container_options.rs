//! Options of networks and of single containers.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{QosPolicy, SecurityGroup, SecurityGroupId};
use kuryr_openstack::Query;
use serde_json::json;

use crate::{Rig, until};

const BLUE: [&str; 4] = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

fn groups_of(rig: &Rig, container: &str) -> Result<Vec<SecurityGroupId>> {
    Ok(rig.cloud.port_by_mac(&rig.engine.endpoint(container, "blue")?.mac)?.security_groups)
}

/// An older engine says that a container is gone before its endpoints are. One without a bridge of its own
/// (`--bridge=none`, as beside an OpenStack) marks a container that was to be on it as `NetworkDisabled`, and never takes it
/// off the networks that it joined since: whoever removes it disconnects it first.
fn remove(rig: &Rig) -> Result<()> {
    until("the network to be free", || rig.engine.docker(&["network", "rm", "blue"]).map(drop))
}

/// A network's MTU is on both ends of a container's interface, and its groups on the port; a container may have others.
pub fn defaults_and_own(rig: &mut Rig) -> Result<()> {
    let web: SecurityGroup = rig.cloud.make(json!({ "name": "web" }))?;
    let default: SecurityGroup = rig.cloud.one(&Query::new().eq("name", "default"))?;
    let options = ["-o", "neutron.net.mtu=1380", "-o", "neutron.port.security_groups=web"];
    rig.create_network("blue", &[&BLUE[..], &options].concat())?;
    rig.engine.container("plain", "blue", &[])?;
    ensure!(groups_of(rig, "plain")? == [web.id], "the network's group is not the port's");
    let port = rig.cloud.port_by_mac(&rig.engine.endpoint("plain", "blue")?.mac)?;
    let inside = rig.engine.exec("plain", &["ip", "link", "show", "eth0"])?;
    let namespace = if rig.openstack.is_some() { &[][..] } else { &["-n", "kuryr"] };
    let outside = rig.host.run(&[&["ip"], namespace, &["link", "show", &port.id.tap_name()]].concat())?;
    ensure!(inside.contains(" mtu 1380 ") && outside.contains(" mtu 1380 "), "{inside} {outside}");

    rig.engine.container("joined", "bridge", &[])?;
    let own = "neutron.port.security_groups=default";
    rig.engine.docker(&["network", "connect", "--driver-opt", own, "blue", "joined"])?;
    ensure!(groups_of(rig, "joined")? == [default.id], "docker network connect --driver-opt");
    rig.engine.container("started", &format!("name=blue,driver-opt={own}"), &[])?;
    ensure!(groups_of(rig, "started")? == [default.id], "docker run --network name=…,driver-opt=…");
    rig.engine.container("open", "name=blue,driver-opt=neutron.port.port_security_enabled=false", &[])?;
    let open = rig.cloud.port_by_mac(&rig.engine.endpoint("open", "blue")?.mac)?;
    ensure!(!open.port_security_enabled && open.security_groups.is_empty(), "{open:?}");

    let before = rig.cloud.inventory()?;
    let connect = ["network", "connect", "--driver-opt"];
    rig.engine.container("refused", "bridge", &[])?;
    for (option, told) in [
        ("neutron.port.security_group=web", "did you mean neutron.port.security_groups?"),
        ("neutron.port.security_groups=nowhere", "no security group 'nowhere'"),
        ("neutron.port.port_security_enabled=perhaps", "true or false"),
        ("neutron.net.mtu=1400", "docker network create -o"),
    ] {
        let text = rig.engine.refused(&[&connect[..], &[option, "blue", "refused"]].concat())?;
        ensure!(text.contains(told), "{option}: {text}");
    }
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    rig.engine.docker(&["network", "disconnect", "blue", "joined"])?;
    rig.engine.docker(&["rm", "--force", "plain", "joined", "started", "open", "refused"])?;
    remove(rig)
}

/// A prepared port is used when its address is given along, and only then.
pub fn chosen_port(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &BLUE)?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    let port: kuryr_neutron::Port = rig.cloud.make(json!({
        "name": "db", "network_id": subnet.network_id, "fixed_ips": [{ "subnet_id": subnet.id, "ip_address": "10.10.0.77" }],
    }))?;
    rig.engine.container("one", "bridge", &[])?;
    let connect = ["network", "connect", "--driver-opt", "neutron.port.name=db"];
    let told = rig.engine.refused(&[&connect[..], &["blue", "one"]].concat())?;
    ensure!(told.contains("--ip 10.10.0.77"), "{told}");
    rig.engine.docker(&[&connect[..], &["--ip", "10.10.0.77", "blue", "one"]].concat())?;
    let used: kuryr_neutron::Port = rig.cloud.one(&Query::new().eq("id", port.id))?;
    ensure!(used.device_owner == "compute:kuryr" && used.name == "db", "{used:?}");
    rig.engine.docker(&["network", "disconnect", "blue", "one"])?;
    rig.cloud.delete::<kuryr_neutron::Port>(port.id)?;
    remove(rig)
}

/// A QoS policy for a network and another for a container.
pub fn policies(rig: &mut Rig) -> Result<()> {
    let [gold, iron] = ["gold", "iron"].map(|name| rig.cloud.make::<QosPolicy>(json!({ "name": name })));
    let (gold, iron) = (gold?, iron?);
    rig.create_network("blue", &[&BLUE[..], &["-o", "neutron.port.qos_policy=gold"]].concat())?;
    let network: kuryr_neutron::Network =
        rig.cloud.one(&Query::new().eq("id", rig.cloud.subnet("10.10.0.0/24")?.network_id))?;
    ensure!(network.qos_policy_id == Some(gold.id), "{network:?}");
    rig.engine.container("one", "name=blue,driver-opt=neutron.port.qos_policy=iron", &[])?;
    rig.engine.container("two", "blue", &[])?;
    let port = |name: &str| rig.cloud.port_by_mac(&rig.engine.endpoint(name, "blue")?.mac);
    ensure!(port("one")?.qos_policy_id == Some(iron.id), "{:?}", port("one")?);
    let plain = port("two")?;
    ensure!(plain.qos_policy_id.is_none(), "the network's policy needs no mention: {plain:?}");
    rig.engine.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    rig.cloud.delete::<QosPolicy>(gold.id)?;
    rig.cloud.delete::<QosPolicy>(iron.id)
}

/// A name in DNS, where the cloud has the extension.
pub fn name(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &BLUE)?;
    rig.engine.container("one", "name=blue,driver-opt=neutron.port.dns_name=one", &[])?;
    let named = rig.cloud.port_by_mac(&rig.engine.endpoint("one", "blue")?.mac)?;
    ensure!(named.dns_name.context("Neutron tells no dns_name")?.as_str() == "one");
    rig.engine.docker(&["rm", "--force", "one"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    Ok(())
}

/// Addresses that hosts form from their MAC.
pub fn formed_addresses(rig: &mut Rig) -> Result<()> {
    let v6 = ["--ipv6", "--subnet", "fd00:10::/64", "--gateway", "fd00:10::1"];
    let modes = ["-o", "neutron.subnet.v6.ra_mode=slaac", "-o", "neutron.subnet.v6.address_mode=slaac"];
    let servers = ["-o", "neutron.subnet.dns_nameservers=10.10.0.53,192.0.2.53", "-o", "neutron.subnet.enable_dhcp=no"];
    rig.create_network("blue", &[&BLUE[..], &v6, &modes, &servers].concat())?;
    let subnet = rig.cloud.subnet("10.10.0.0/24")?;
    ensure!(!subnet.enable_dhcp && subnet.dns_nameservers.len() == 2, "{subnet:?}");
    rig.engine.container("one", "blue", &["--mac-address", "02:42:0a:00:00:0a"])?;
    rig.engine.container("two", "blue", &["--mac-address", "02:42:0a:00:00:0b"])?;
    let two = rig.engine.endpoint("two", "blue")?;
    ensure!(two.address6 == "fd00:10::42:aff:fe00:b", "{}", two.address6);
    rig.engine.ping("one", &two.address)?;
    rig.engine.exec("one", &["ping", "-6", "-q", "-c", "2", "-W", "5", &two.address6])?;
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    let left = rig.cloud.list::<kuryr_neutron::Port>(&Query::new().eq("device_owner", "compute:kuryr"))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}
