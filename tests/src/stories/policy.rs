//! Security groups around running containers.

use anyhow::Result;
use kuryr_neutron::{SecurityGroup, SecurityGroupRule};

use crate::Rig;

/// Two containers that share no group: whatever the client may do, a rule of the server's group allows it.
fn strangers(rig: &Rig) -> Result<(SecurityGroup, String)> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("client", "blue", &["--cap-add", "NET_ADMIN"])?;
    rig.engine.container("server", "blue", &[])?;
    let address = rig.engine.endpoint("server", "blue")?.address;
    rig.ping("client", &address)?;
    rig.set_apart("client", "blue", "guests")?;
    let servers = rig.set_apart("server", "blue", "servers")?;
    rig.engine.serve("server", 8080)?;
    Ok((servers, address))
}

/// A rule opens and closes a port.
pub fn rules(rig: &mut Rig) -> Result<()> {
    let (servers, address) = strangers(rig)?;
    for _ in 0..3 {
        rig.reaches("client", &address, 8080, false)?;
        let rule = rig.cloud.open(servers.id, "IPv4", 8080)?;
        rig.reaches("client", &address, 8080, true)?;
        rig.reaches("client", &address, 8081, false)?;
        rig.cloud.delete::<SecurityGroupRule>(rule.id)?;
    }
    rig.reaches("client", &address, 8080, false)?;
    Ok(())
}

/// Answers come back, and unasked packets do not.
pub fn answers(rig: &mut Rig) -> Result<()> {
    let (_, address) = strangers(rig)?;
    let client = rig.engine.endpoint("client", "blue")?;
    let client_port = rig.port("client", "blue")?;
    rig.engine.serve("client", 9090)?;
    rig.reaches("server", &client.address, 9090, false)?;
    // With a rule on the client's side the server reaches it, and the answers need no rule on the server's side.
    rig.cloud.open(client_port.security_groups[0], "IPv4", 9090)?;
    rig.reaches("server", &client.address, 9090, true)?;
    rig.reaches("client", &address, 8080, false)?;
    Ok(())
}

/// A container cannot use an address that is not its own.
pub fn foreign_addresses(rig: &mut Rig) -> Result<()> {
    let (servers, address) = strangers(rig)?;
    rig.cloud.open(servers.id, "IPv4", 8080)?;
    rig.reaches("client", &address, 8080, true)?;
    let own = rig.engine.endpoint("client", "blue")?.address;
    let address_of_client = |verb: &str, address: &str| {
        rig.engine.exec("client", &["ip", "address", verb, &format!("{address}/24"), "dev", "eth0"]).map(drop)
    };
    address_of_client("del", &own)?;
    address_of_client("add", "10.10.0.200")?;
    rig.reaches("client", &address, 8080, false)?;
    address_of_client("del", "10.10.0.200")?;
    address_of_client("add", &own)?;
    rig.reaches("client", &address, 8080, true)?;
    rig.engine.exec("client", &["ip", "link", "set", "eth0", "address", "02:42:00:00:66:66"])?;
    rig.reaches("client", &address, 8080, false)?;
    Ok(())
}

/// Members of a group are let in by the group.
pub fn members(rig: &mut Rig) -> Result<()> {
    let (servers, address) = strangers(rig)?;
    let friends = rig.cloud.group("friends")?;
    let _: SecurityGroupRule = rig.cloud.make(serde_json::json!({
        "security_group_id": servers.id, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
        "remote_group_id": friends.id,
    }))?;
    let client = rig.port("client", "blue")?;
    rig.reaches("client", &address, 8080, false)?;
    rig.cloud.put_into(client.id, &[friends.id])?;
    rig.reaches("client", &address, 8080, true)?;
    rig.cloud.put_into(client.id, &client.security_groups)?;
    rig.reaches("client", &address, 8080, false)?;
    Ok(())
}
