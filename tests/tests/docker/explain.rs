//! `kuryr explain` says what packets experience, and the kernel's counters agree.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Port, PortUpdate, SecurityGroup, SecurityGroupRule};
use kuryr_tests::{Rig, World, until, with_openstack, with_rig};
use serde_json::{Value, json};

/// Its exit status and its JSON.
fn explain(rig: &Rig, words: &[&str]) -> Result<(Option<i32>, Value)> {
    let output = rig.kuryr.command(&rig.host, &[&["explain", "--json"], words].concat())?;
    let told = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("kuryr explain {words:?}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), told))
}

/// What it says of the way there: its exit status, the verdict, and what the last rule counted.
fn verdict(rig: &Rig, container: &str, address: &str, service: &str) -> Result<(Option<i32>, String, u64)> {
    let (status, told) = explain(rig, &[container, address, service])?;
    let path = &told["paths"][0];
    let verdict = path["verdict"].as_str().with_context(|| told.to_string())?.to_owned();
    let mut counted = path["steps"].as_array().into_iter().flatten().filter_map(|step| step["packets"].as_u64());
    Ok((status, verdict, counted.next_back().unwrap_or_default()))
}

/// It and a container agree whether a service is reached; what is tried is counted.
fn agrees(rig: &Rig, address: &str, port: u16, expected: bool) -> Result<()> {
    let service = port.to_string();
    let (status, told, before) = verdict(rig, "client", address, &service)?;
    let wanted = if expected { (Some(0), "allowed") } else { (Some(3), "dropped") };
    ensure!((status, told.as_str()) == wanted, "port {port}: exit {status:?}, {told}");
    rig.reaches("client", address, port, expected)?;
    until("the rule that decided to count", || {
        let (_, _, after) = verdict(rig, "client", address, &service)?;
        ensure!(after > before, "it counted {before}, then {after}");
        Ok(())
    })
}

fn pair(rig: &Rig) -> Result<(SecurityGroup, String)> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("client", "blue", &["--cap-add", "NET_ADMIN"])?;
    rig.engine.container("server", "blue", &[])?;
    rig.set_apart("client", "blue", "guests")?;
    let servers = rig.set_apart("server", "blue", "servers")?;
    rig.engine.serve("server", 8080)?;
    Ok((servers, rig.engine.endpoint("server", "blue")?.address))
}

#[test]
fn what_is_said_is_what_packets_experience() -> Result<()> {
    with_rig(|rig| {
        let (servers, address) = pair(rig)?;
        agrees(rig, &address, 8080, false)?;
        let (_, told) = explain(rig, &["client", &address, "8080"])?;
        let remedy = told["paths"][0]["remedies"][0].as_str().unwrap_or_default();
        ensure!(remedy.contains("--dst-port 8080 --remote-ip") && remedy.ends_with(&servers.id.to_string()), "{told}");
        // What the drop is told to be is in the receiver's own counters too.
        let (_, server) = explain(rig, &["server"])?;
        let dropped = server["ports"][0]["kernel"]["dropped"].as_array().context("no counters")?;
        let is_counted = |d: &Value| d["reason"] == "no rule lets them in" && d["packets"].as_u64() > Some(0);
        ensure!(dropped.iter().any(is_counted), "{server}");

        let rule = rig.cloud.open(servers.id, "IPv4", 8080)?;
        agrees(rig, &address, 8080, true)?;
        agrees(rig, &address, 8081, false)?;
        let (_, server) = explain(rig, &["server"])?;
        let rules = server["ports"][0]["security_groups"][0]["rules"].as_array().context("no rules")?;
        let counted = rules.iter().find(|r| r["id"] == rule.id.to_string()).context("the rule is missing")?;
        ensure!(counted["packets"].as_u64() > Some(0), "{counted}");
        ensure!(server["ports"][0]["problems"] == json!([]), "{server}");
        // The other way nothing lets the client in, though answers come.
        let (_, told) = explain(rig, &["client", &address, "8080"])?;
        ensure!(told["paths"][1]["verdict"] == "dropped", "{told}");

        rig.cloud.delete::<SecurityGroupRule>(rule.id)?;
        agrees(rig, &address, 8080, false)
    })
}

#[test]
fn a_foreign_address_and_a_missing_way_are_told() -> Result<()> {
    with_rig(|rig| {
        let (_, address) = pair(rig)?;
        let (_, told) = explain(rig, &["client"])?;
        ensure!(told["ports"][0]["problems"] == json!([]), "{told}");
        rig.engine.exec("client", &["ip", "address", "add", "10.10.0.200/24", "dev", "eth0"])?;
        rig.engine.try_docker(&["exec", "client", "ping", "-c", "1", "-W", "1", "-I", "10.10.0.200", &address])?;
        until("a spoofed packet to be counted", || {
            let (_, told) = explain(rig, &["client"])?;
            let port = &told["ports"][0];
            let problem = port["problems"][0]["problem"].as_str().unwrap_or_default();
            ensure!(problem.contains("10.10.0.200, which is not its port's"), "{port}");
            let dropped = port["kernel"]["dropped"].as_array().context("no counters")?;
            let reason = "sent from addresses that are not the port's";
            ensure!(dropped.iter().any(|d| d["reason"] == reason && d["packets"].as_u64() > Some(0)), "{port}");
            Ok(())
        })?;
        // Once it may use it, that is told, and it is no problem any more.
        let port = rig.port("client", "blue")?;
        let pairs = json!([{"ip_address": "10.10.0.200"}]);
        let pairs = PortUpdate { allowed_address_pairs: Some(serde_json::from_value(pairs)?), ..PortUpdate::default() };
        rig.cloud.update::<Port>(port.id, &pairs)?;
        let (_, told) = explain(rig, &["client"])?;
        ensure!(told["ports"][0]["problems"] == json!([]), "{told}");
        ensure!(told["ports"][0]["allowed_address_pairs"][0]["ip_address"] == "10.10.0.200", "{told}");

        let mirror = rig.host.world()?.mirror(World::ADDRESS)?;
        let port = mirror.address.port();
        let (status, told, _) = verdict(rig, "server", World::ADDRESS, &port.to_string())?;
        ensure!((status, told.as_str()) == (Some(3), "no_way"), "{status:?} {told}");
        rig.reaches("server", World::ADDRESS, port, false)?;
        rig.cloud.router(&[rig.cloud.subnet("10.10.0.0/24")?.id])?;
        let (status, told, _) = verdict(rig, "server", World::ADDRESS, &port.to_string())?;
        ensure!((status, told.as_str()) == (Some(0), "allowed"), "{status:?} {told}");
        rig.reaches("server", World::ADDRESS, port, true)?;
        let (_, told) = explain(rig, &["server", World::ADDRESS, "8080"])?;
        ensure!(told["paths"][1]["verdict"] == "no_way", "{told}");
        let (status, told, _) = verdict(rig, "server", &address, "8080")?;
        ensure!((status, told.as_str()) == (Some(0), "allowed"), "its own address: {status:?} {told}");
        rig.reaches("server", &address, 8080, true)?;

        let (status, told, _) = verdict(rig, "server", "10.10.0.77", "icmp")?;
        ensure!((status, told.as_str()) == (Some(3), "no_way"), "{status:?} {told}");
        Ok(())
    })
}

#[test]
fn people_are_told_what_to_do() -> Result<()> {
    with_rig(|rig| {
        let (servers, address) = pair(rig)?;
        let run = |words: &[&str]| rig.kuryr.command(&rig.host, &[&["explain"], words].concat());
        let output = run(&["client", &address, "8080"])?;
        let text = String::from_utf8(output.stdout)?;
        for part in [
            "Container client (".to_owned(),
            format!("client → {address}, tcp 8080: ✗ dropped"),
            "✗ server may not get it: no rule of group servers allows it".to_owned(),
            "packets so far".to_owned(),
            "    openstack security group rule create --ingress --ethertype IPv4 --protocol tcp --dst-port 8080"
                .to_owned(),
            servers.id.to_string(),
        ] {
            ensure!(text.contains(&part), "{part:?} is not in\n{text}");
        }
        // A port is asked about by its id.
        let port = rig.owned_port("client", "blue")?;
        let (status, told) = explain(rig, &[&port.id.to_string(), &address, "8080"])?;
        ensure!(status == Some(3) && told["ports"][0]["id"] == port.id.to_string(), "{told}");

        rig.engine.docker(&["create", "--name", "idle", "--network", "blue", kuryr_tests::IMAGE, "true"])?;
        rig.engine.docker(&[
            "run",
            "-d",
            "--name",
            "apart",
            "--network",
            "none",
            kuryr_tests::IMAGE,
            "sleep",
            "1000",
        ])?;
        for (words, code, part) in [
            (&["nobody"][..], 1, "Docker knows no container 'nobody'"),
            (&["idle"], 1, "docker start idle"),
            (&["apart"], 1, "container 'apart' has no port in this cloud"),
            (&["client", "10.10.0.9"], 2, "PORT"),
            (&["client", "10.10.0.9", "tcp"], 2, "80/tcp"),
        ] {
            let output = run(words)?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(code) && error.contains(part), "{words:?}: {output:?}");
        }
        Ok(())
    })
}

#[test]
fn of_another_cloud_it_tells_what_neutron_says() -> Result<()> {
    with_openstack(Ok(kuryr_tests::Release::Installed), "", |rig| {
        let (servers, address) = pair(rig)?;
        let (status, told) = explain(rig, &["client", &address, "8080"])?;
        ensure!(status == Some(3) && told["paths"][0]["verdict"] == "dropped", "{told}");
        ensure!(told["notes"].to_string().contains("only it counts"), "{told}");
        rig.reaches("client", &address, 8080, false)?;
        rig.cloud.open(servers.id, "IPv4", 8080)?;
        rig.reaches("client", &address, 8080, true)?;
        let (status, told) = explain(rig, &["client", &address, "8080"])?;
        ensure!(status == Some(0), "{told}");
        Ok(())
    })
}
