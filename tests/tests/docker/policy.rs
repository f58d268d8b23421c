//! Security groups around running containers.

use anyhow::{Result, ensure};
use kuryr_neutron::{SecurityGroup, SecurityGroupRule};
use kuryr_tests::{Rig, with_rig};

/// Two containers that share no group: whatever the client may do, a rule of the server's group allows it.
fn strangers(rig: &Rig) -> Result<(SecurityGroup, String)> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("client", "blue", &["--cap-add", "NET_ADMIN"])?;
    rig.engine.container("server", "blue", &[])?;
    let guests = rig.cloud.group("guests")?;
    let servers = rig.cloud.group("servers")?;
    let client = rig.cloud.port_by_mac(&rig.engine.endpoint("client", "blue")?.mac)?;
    let server = rig.engine.endpoint("server", "blue")?;
    rig.cloud.put_into(client.id, &[guests.id])?;
    rig.cloud.put_into(rig.cloud.port_by_mac(&server.mac)?.id, &[servers.id])?;
    rig.engine.serve("server", 8080)?;
    Ok((servers, server.address))
}

#[test]
fn a_rule_opens_and_closes_a_port_while_containers_run() -> Result<()> {
    with_rig(|rig| {
        let (servers, address) = strangers(rig)?;
        for _ in 0..3 {
            ensure!(!rig.engine.reaches("client", &address, 8080)?, "open without a rule");
            let rule = rig.cloud.open(servers.id, "IPv4", 8080)?;
            // The answer came when the kernel had the rule, so there is nothing to wait for.
            ensure!(rig.engine.reaches("client", &address, 8080)?, "closed although there is a rule");
            ensure!(!rig.engine.reaches("client", &address, 8081)?);
            rig.cloud.delete::<SecurityGroupRule>(rule.id)?;
        }
        ensure!(!rig.engine.reaches("client", &address, 8080)?, "open although the rule is gone");
        Ok(())
    })
}

#[test]
fn answers_come_back_and_unasked_packets_do_not() -> Result<()> {
    with_rig(|rig| {
        let (_, address) = strangers(rig)?;
        let client = rig.engine.endpoint("client", "blue")?;
        let client_port = rig.cloud.port_by_mac(&client.mac)?;
        rig.engine.serve("client", 9090)?;
        ensure!(!rig.engine.reaches("server", &client.address, 9090)?, "guests are not open to servers");
        // With a rule on the client's side the server reaches it, and the answers need no rule on the server's side.
        rig.cloud.open(client_port.security_groups[0], "IPv4", 9090)?;
        ensure!(rig.engine.reaches("server", &client.address, 9090)?);
        ensure!(!rig.engine.reaches("client", &address, 8080)?);
        Ok(())
    })
}

#[test]
fn a_container_cannot_use_an_address_that_is_not_its_own() -> Result<()> {
    with_rig(|rig| {
        let (servers, address) = strangers(rig)?;
        rig.cloud.open(servers.id, "IPv4", 8080)?;
        ensure!(rig.engine.reaches("client", &address, 8080)?);
        let own = rig.engine.endpoint("client", "blue")?.address;
        let address_of_client = |verb: &str, address: &str| {
            rig.engine.exec("client", &["ip", "address", verb, &format!("{address}/24"), "dev", "eth0"]).map(drop)
        };
        address_of_client("del", &own)?;
        address_of_client("add", "10.10.0.200")?;
        ensure!(!rig.engine.reaches("client", &address, 8080)?, "a foreign address gets through");
        address_of_client("del", "10.10.0.200")?;
        address_of_client("add", &own)?;
        ensure!(rig.engine.reaches("client", &address, 8080)?);
        rig.engine.exec("client", &["ip", "link", "set", "eth0", "address", "02:42:00:00:66:66"])?;
        ensure!(!rig.engine.reaches("client", &address, 8080)?, "a foreign MAC address gets through");
        Ok(())
    })
}

#[test]
fn members_of_a_group_may_be_let_in_by_the_group() -> Result<()> {
    with_rig(|rig| {
        let (servers, address) = strangers(rig)?;
        let friends = rig.cloud.group("friends")?;
        let _: SecurityGroupRule = rig.cloud.make(serde_json::json!({
            "security_group_id": servers.id, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "remote_group_id": friends.id,
        }))?;
        let client = rig.cloud.port_by_mac(&rig.engine.endpoint("client", "blue")?.mac)?;
        ensure!(!rig.engine.reaches("client", &address, 8080)?);
        rig.cloud.put_into(client.id, &[friends.id])?;
        ensure!(rig.engine.reaches("client", &address, 8080)?, "a member is not let in");
        rig.cloud.put_into(client.id, &client.security_groups)?;
        ensure!(!rig.engine.reaches("client", &address, 8080)?, "who left is still let in");
        Ok(())
    })
}
