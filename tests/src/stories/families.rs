//! IPv6 beside IPv4, and alone.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;
use serde_json::{Value, json};

use super::replay::id;
use crate::{Paths, Rig, request};

/// One port with both addresses.
pub fn dual_stack(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    let four = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];
    let six = ["--ipv6", "--subnet", "fd00:10::/64", "--gateway", "fd00:10::1"];
    rig.create_network("blue", &[four.as_slice(), &six].concat())?;
    rig.engine.container("one", "blue", &[])?;
    rig.engine.container("two", "blue", &["--ip", "10.10.0.99", "--ip6", "fd00:10::99"])?;
    let two = rig.engine.endpoint("two", "blue")?;
    ensure!(two.address == "10.10.0.99" && two.address6 == "fd00:10::99", "{two:?}");
    for container in ["one", "two"] {
        let endpoint = rig.engine.endpoint(container, "blue")?;
        let port = rig.cloud.port_by_mac(&endpoint.mac)?;
        let mut addresses: Vec<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
        addresses.sort();
        ensure!(addresses == [endpoint.address, endpoint.address6], "{addresses:?}");
    }
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == 2);
    rig.engine.serve("two", 80)?;
    for address in [&two.address, &two.address6] {
        rig.ping("one", address)?;
        ensure!(rig.engine.fetch("one", address, 80)? == "two");
    }
    rig.engine.docker(&["rm", "--force", "one", "two"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}

/// Debian 12's engine always wants an IPv4 range, newer ones do not; so their requests are made by hand.
pub fn six_alone(rig: &mut Rig) -> Result<()> {
    let before = rig.cloud.inventory()?;
    let socket = rig.host.path(Paths::PLUGIN);
    let call = |path: &str, body: Value| -> Result<Value> {
        let answer = request(&socket, path, body.to_string().as_bytes())?;
        ensure!(answer.status == 200 && answer.err().is_empty(), "{path} {body}: {} {}", answer.status, answer.body);
        answer.json()
    };
    let network = id();
    let endpoints = [id(), id()];
    let pool = call(
        "/IpamDriver.RequestPool",
        json!({ "AddressSpace": "x", "Pool": "fd00:66::/64", "SubPool": "", "Options": null, "V6": true }),
    )?;
    ensure!(pool["Pool"] == "fd00:66::/64", "{pool}");
    let pool_id = pool["PoolID"].as_str().context("no PoolID")?.to_owned();
    let gateway = json!({ "PoolID": pool_id, "Address": "fd00:66::1",
        "Options": { "RequestAddressType": "com.docker.network.gateway" } });
    ensure!(call("/IpamDriver.RequestAddress", gateway)?["Address"] == "fd00:66::1/64");
    let range =
        json!([{ "AddressSpace": "x", "Pool": "fd00:66::/64", "Gateway": "fd00:66::1/64", "AuxAddresses": {} }]);
    let create = json!({ "NetworkID": network, "IPv4Data": [], "IPv6Data": range,
        "Options": { "com.docker.network.enable_ipv6": true, "com.docker.network.generic": {} } });
    call("/NetworkDriver.CreateNetwork", create)?;

    let mut addresses = Vec::new();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let name = format!("box{number}");
        let mac = format!("02:42:{}:{}:{}:0{number}", &network[..2], &network[2..4], &network[4..6]);
        let want = json!({ "PoolID": pool_id, "Address": "",
            "Options": { "com.docker.network.endpoint.macaddress": mac } });
        let address = call("/IpamDriver.RequestAddress", want)?["Address"].as_str().context("no address")?.to_owned();
        let create = json!({ "NetworkID": network, "EndpointID": endpoint, "Options": {},
            "Interface": { "Address": "", "AddressIPv6": address, "MacAddress": mac } });
        call("/NetworkDriver.CreateEndpoint", create)?;
        let join = json!({ "NetworkID": network, "EndpointID": endpoint, "Options": {},
            "SandboxKey": "/var/run/docker/netns/0123456789ab" });
        let joined = call("/NetworkDriver.Join", join)?;
        ensure!(joined["GatewayIPv6"] == "fd00:66::1" && joined.get("Gateway").is_none(), "{joined}");
        let interface = joined["InterfaceName"]["SrcName"].as_str().context("no interface")?.to_owned();
        // What Docker does with the answer.
        rig.host.run(&["ip", "netns", "add", &name])?;
        rig.host.run(&["ip", "link", "set", &interface, "netns", &name])?;
        rig.host.run(&["ip", "-n", &name, "address", "add", &address, "dev", &interface, "nodad"])?;
        rig.host.run(&["ip", "-n", &name, "link", "set", &interface, "up"])?;
        addresses.push(address.split('/').next().unwrap_or_default().to_owned());
    }
    rig.settles("an answer to a ping", || {
        rig.host.run(&["ip", "netns", "exec", "box0", "busybox", "ping", "-c", "2", "-W", "2", &addresses[1]]).map(drop)
    })?;

    for (endpoint, address) in endpoints.iter().zip(&addresses) {
        let both = json!({ "NetworkID": network, "EndpointID": endpoint });
        call("/NetworkDriver.Leave", both.clone())?;
        call("/NetworkDriver.DeleteEndpoint", both)?;
        call("/IpamDriver.ReleaseAddress", json!({ "PoolID": pool_id, "Address": address }))?;
    }
    call("/IpamDriver.ReleaseAddress", json!({ "PoolID": pool_id, "Address": "fd00:66::1" }))?;
    call("/IpamDriver.ReleasePool", json!({ "PoolID": pool_id }))?;
    call("/NetworkDriver.DeleteNetwork", json!({ "NetworkID": network }))?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    Ok(())
}
