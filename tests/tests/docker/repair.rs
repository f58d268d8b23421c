//! Somebody breaks the data plane; it heals.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Rig, World, until_within, with_rig};

/// How long healing may take; it is told by events, and the next look at everything is later than that.
const LIMIT: Duration = Duration::from_secs(25);

fn strangers(rig: &Rig) -> Result<String> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("client", "blue", &[])?;
    rig.engine.container("server", "blue", &[])?;
    let guests = rig.cloud.group("guests")?;
    let client = rig.cloud.port_by_mac(&rig.engine.endpoint("client", "blue")?.mac)?;
    rig.cloud.put_into(client.id, &[guests.id])?;
    rig.engine.serve("server", 8080)?;
    let address = rig.engine.endpoint("server", "blue")?.address;
    ensure!(!rig.engine.reaches("client", &address, 8080)?);
    Ok(address)
}

#[test]
fn flushed_rules_come_back() -> Result<()> {
    with_rig(|rig| {
        let address = strangers(rig)?;
        let server = rig.cloud.port_by_mac(&rig.engine.endpoint("server", "blue")?.mac)?;
        rig.cloud.open(server.security_groups[0], "IPv4", 9090)?;
        rig.engine.serve("server", 9090)?;
        ensure!(rig.engine.reaches("client", &address, 9090)?);
        rig.host.run(&["ip", "netns", "exec", "kuryr", "nft", "flush", "ruleset"])?;
        until_within(LIMIT, "the rules to come back", || {
            ensure!(!rig.engine.reaches("client", &address, 8080)?, "a closed port is open");
            ensure!(rig.engine.reaches("client", &address, 9090)?, "an open port is closed");
            Ok(())
        })
    })
}

#[test]
fn a_deleted_bridge_comes_back() -> Result<()> {
    with_rig(|rig| {
        let address = strangers(rig)?;
        let links = rig.links(Some("kuryr"))?;
        let bridge = links.iter().find(|name| name.starts_with("brq")).context("there is no bridge")?;
        rig.host.run(&["ip", "-n", "kuryr", "link", "delete", bridge])?;
        rig.engine.container("third", "blue", &[])?;
        until_within(LIMIT, "the bridge to come back", || rig.engine.ping("third", &address))?;
        ensure!(!rig.engine.reaches("client", &address, 8080)?, "a closed port is open after the repair");
        Ok(())
    })
}

#[test]
fn the_machines_own_rules_come_back_after_a_flush() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        rig.cloud.router(&[rig.cloud.subnet("10.10.0.0/24")?.id])?;
        rig.engine.ping("one", World::ADDRESS)?;
        // As a firewall that is loaded anew does: all rules of the machine go, Docker's and ours.
        rig.host.run(&["nft", "flush", "ruleset"])?;
        until_within(LIMIT, "the way out to come back", || rig.engine.ping("one", World::ADDRESS))?;
        let mirror = rig.host.world()?.mirror(World::ADDRESS)?;
        let seen = rig.engine.fetch("one", World::ADDRESS, mirror.address.port())?;
        ensure!(seen == kuryr_tests::Host::ADDRESS, "the outside saw {seen}");
        Ok(())
    })
}

#[test]
fn a_firewall_that_is_loaded_anew_opens_nothing_and_stays_as_it_was_loaded() -> Result<()> {
    // As firewalld and a script for `nft -f` do it; theirs forwards, but counts.
    const RULES: &str = "flush ruleset\n\
        table inet foreign {\n chain forward {\n type filter hook forward priority 10; policy accept;\n counter\n }\n}\n";
    const FILE: &str = "/run/firewall.nft";
    with_rig(|rig| {
        let address = strangers(rig)?;
        rig.cloud.router(&[rig.cloud.subnet("10.10.0.0/24")?.id])?;
        rig.engine.ping("server", World::ADDRESS)?;
        std::fs::write(rig.host.path(FILE), RULES)?;
        for _ in 0..5 {
            rig.host.run(&["nft", "-f", FILE])?;
            ensure!(!rig.engine.reaches("client", &address, 8080)?, "a closed port is open");
        }
        until_within(LIMIT, "the way out to come back", || rig.engine.ping("server", World::ADDRESS))?;
        let theirs = rig.host.run(&["nft", "list", "table", "inet", "foreign"])?;
        ensure!(theirs.contains("counter packets"), "{theirs}");
        Ok(())
    })
}
