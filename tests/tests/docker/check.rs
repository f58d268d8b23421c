//! `kuryr check` on machines of all kinds.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Host, Paths, Rig, binary, with_host, with_openstack, with_rig};
use serde_json::Value;

fn check(host: &Host, before: &[&str], more: &[&str]) -> Result<Output> {
    let binary = binary()?.to_string_lossy().into_owned();
    host.output(&[before, &[&binary, "check"], more].concat())
}

/// Its exit status, and what it found that is not fine.
fn found(host: &Host, before: &[&str]) -> Result<(Option<i32>, Vec<Value>)> {
    let output = check(host, before, &["--json"])?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("kuryr check: {}", String::from_utf8_lossy(&output.stderr)))?;
    let all = told["checks"].as_array().cloned().context("no checks")?;
    ensure!(all.iter().all(|c| (c["result"] == "fine") == c["remedy"].is_null()), "{told}");
    Ok((output.status.code(), all.into_iter().filter(|check| check["result"] != "fine").collect()))
}

/// What there is in the machine's network.
fn network(host: &Host) -> Result<[String; 3]> {
    let words: [&[&str]; 3] =
        [&["ip", "-brief", "link"], &["ip", "netns", "list"], &["nft", "--stateless", "list", "ruleset"]];
    let [links, namespaces, rules] = words.map(|words| host.run(words));
    Ok([links?, namespaces?, rules?])
}

#[test]
fn a_machine_that_is_ready_is_fine_before_the_installation() -> Result<()> {
    with_host(|host, _| {
        let before = network(host)?;
        let output = check(host, &[], &[])?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() == Some(0), "{text}");
        for part in ["✓ configuration: no file", "✓ kernel: nftables: works", "✓ Docker: ", "✓ Kuryr: does not run yet"]
        {
            ensure!(text.contains(part), "{part:?} is not in\n{text}");
        }
        ensure!(network(host)? == before, "it changed something");

        // Without rights it says what it could not see, and goes on.
        let (status, found) = found(host, &["setpriv", "--bounding-set=-all", "--inh-caps=-all"])?;
        ensure!(status == Some(3), "{status:?} {found:?}");
        for check in ["rights", "kernel", "firewall"] {
            let of = found
                .iter()
                .find(|finding| finding["check"] == check)
                .with_context(|| format!("{check}: {found:?}"))?;
            ensure!(of["text"].as_str().unwrap_or_default().starts_with("not seen"), "{of}");
        }

        let config = host.path(Paths::CONFIG);
        std::fs::create_dir_all(config.parent().context("a folder")?)?;
        std::fs::write(&config, "[DEFAULT]\ncapability_scope = wide\n")?;
        let (status, found) = self::found(host, &[])?;
        ensure!(status == Some(4) && found.len() == 1 && found[0]["remedy"] == "kuryr config check", "{found:?}");
        Ok(())
    })
}

#[test]
fn what_breaks_is_found_with_its_remedy() -> Result<()> {
    with_rig(|rig: &mut Rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        rig.cloud.router(&[rig.cloud.subnet("10.10.0.0/24")?.id])?;
        let fine = found(&rig.host, &[])?;
        ensure!(fine == (Some(0), Vec::new()), "{fine:?}");

        // First, for Kuryr switches it on again when it puts the host's rules right.
        rig.host.run(&["sysctl", "-w", "net.ipv4.ip_forward=0"])?;
        let (status, all) = found(&rig.host, &[])?;
        ensure!(status == Some(4) && all[0]["check"] == "forwarding", "{all:?}");
        rig.host.run(&["sysctl", "-w", "net.ipv4.ip_forward=1"])?;

        // Somebody's firewall that lets nothing through.
        rig.host.run(&[
            "nft",
            "add table inet wall; add chain inet wall way { type filter hook forward priority 10; policy drop; }",
        ])?;
        let (status, all) = found(&rig.host, &[])?;
        let remedy = all.first().and_then(|finding| finding["remedy"].as_str()).unwrap_or_default().to_owned();
        ensure!(status == Some(3) && all.len() == 1 && all[0]["check"] == "firewall", "{all:?}");
        ensure!(remedy.starts_with("nft insert rule inet wall way iifname"), "{remedy}");
        ensure!(rig.engine.ping("one", kuryr_tests::World::ADDRESS).is_err(), "the wall is not one");
        rig.host.run(&["sh", "-c", &remedy])?;
        rig.ping("one", kuryr_tests::World::ADDRESS)?;
        rig.host.run(&["nft", "delete table inet wall"])?;

        // A way out that is narrower than the networks.
        rig.host.run(&["ip", "link", "set", "uplink", "mtu", "1400"])?;
        let (status, all) = found(&rig.host, &[])?;
        let of = |check: &str| all.iter().find(|finding| finding["check"] == check).map(|f| f["remedy"].clone());
        ensure!(status == Some(3) && all.len() == 2, "{all:?}");
        ensure!(of("MTU of new networks") == Some("mtu = 1400 in [cloud] of kuryr.conf".into()), "{all:?}");
        let network = rig.port("one", "blue")?.network_id;
        ensure!(of("MTU of networks") == Some(format!("openstack network set --mtu 1400 {network}").into()), "{all:?}");
        rig.host.run(&["ip", "link", "set", "uplink", "mtu", "1500"])?;

        rig.kuryr.kill(&rig.host)?;
        let (status, all) = found(&rig.host, &[])?;
        let of = |check: &str| all.iter().find(|finding| finding["check"] == check).map(|f| f["result"].clone());
        ensure!(status == Some(4) && of("Kuryr") == Some("failure".into()), "{all:?}");
        ensure!(of("leftovers") == Some("warning".into()), "{all:?}");
        rig.kuryr.start(&rig.host)?;
        let fine = found(&rig.host, &[])?;
        ensure!(fine == (Some(0), Vec::new()), "{fine:?}");
        Ok(())
    })
}

#[test]
fn a_cloud_that_is_configured_is_asked() -> Result<()> {
    with_openstack(Ok(kuryr_tests::Release::Installed), "", |rig| {
        let (status, found) = found(&rig.host, &[])?;
        let failures: Vec<_> = found.iter().filter(|finding| finding["result"] == "failure").collect();
        ensure!(failures.is_empty() && status != Some(4), "{found:?}");
        let config = rig.host.path(Paths::CONFIG);
        let right = std::fs::read_to_string(&config)?;
        let wrong: Vec<String> = right
            .lines()
            .map(|line| if line.starts_with("password") { "password = wrong".to_owned() } else { line.to_owned() })
            .collect();
        ensure!(wrong.join("\n") != right.trim_end(), "no password in {right}");
        std::fs::write(&config, wrong.join("\n"))?;
        let (status, found) = self::found(&rig.host, &[])?;
        let refused = found.iter().any(|finding| finding["check"] == "credentials" && finding["result"] == "failure");
        ensure!(status == Some(4) && refused, "{found:?}");
        Ok(())
    })
}
