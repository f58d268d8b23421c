//! The public `openstack` command against the embedded cloud, as an operator uses it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kuryr_tests::{Paths, Rig, skip, with_rig};
use serde_json::Value;

/// What `openstack` does, for a Python that has the client.
const PROGRAM: &str = "import sys; from openstackclient import shell; sys.exit(shell.main(sys.argv[1:]))";

/// A Python that has the client: from the environment, or where tests install it below the target folder.
fn client() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("KURYR_OPENSTACK_CLIENT") {
        return Some(PathBuf::from(path));
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openstackclient/bin/python");
    path.is_file().then_some(path)
}

fn openstack(rig: &Rig, client: &PathBuf, words: &[&str]) -> Result<Value> {
    let output = rig
        .host
        .command(client)
        .args(["-c", PROGRAM])
        .args(words)
        .env("OS_CLIENT_CONFIG_FILE", Paths::CLOUDS)
        .env("OS_CLOUD", "kuryr")
        .output()
        .context("cannot run the openstack command")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("openstack {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(if words.contains(&"json") { serde_json::from_str(&text)? } else { Value::String(text.into_owned()) })
}

/// What the public client can do is tested beside the API; here it meets containers.
#[test]
fn an_operator_sees_and_changes_containers_with_the_public_client() -> Result<()> {
    let Some(client) = client() else {
        return skip("no public openstack client; `cargo xtask test` installs it where PyPI can be reached");
    };
    with_rig(|rig| {
        let run = |words: &str| openstack(rig, &client, &words.split(' ').collect::<Vec<_>>());
        let json = |words: &str| run(&format!("{words} -f json"));
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("server", "blue", &[])?;
        rig.engine.container("client", "blue", &[])?;
        let server = rig.engine.endpoint("server", "blue")?;
        let ports = json("port list --device-owner compute:kuryr")?;
        ensure!(ports.as_array().is_some_and(|list| list.len() == 2), "{ports}");
        ensure!(ports.to_string().contains(&server.mac) && ports.to_string().contains(&server.address), "{ports}");

        let server_port = rig.cloud.port_by_mac(&server.mac)?.id;
        run("security group create web -f json")?;
        run(&format!("port set --no-security-group --security-group web {server_port}"))?;
        rig.engine.serve("server", 80)?;
        ensure!(!rig.engine.reaches("client", &server.address, 80)?);
        let rule = json("security group rule create --protocol tcp --dst-port 80 --remote-ip 10.10.0.0/24 web")?;
        ensure!(rig.engine.reaches("client", &server.address, 80)?, "closed in spite of {rule}");
        run(&format!("security group rule delete {}", rule["id"].as_str().context("the rule has no id")?))?;
        ensure!(!rig.engine.reaches("client", &server.address, 80)?);

        run("network create --external public -f json")?;
        run(
            "subnet create --network public --subnet-range 172.24.4.0/24 --gateway 172.24.4.1 --no-dhcp public -f json",
        )?;
        run("router create --external-gateway public edge -f json")?;
        run("router add subnet edge kuryr-subnet-10.10.0.0/24")?;
        rig.engine.ping("client", kuryr_tests::World::ADDRESS)?;
        let told = run("network delete public").err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(told.contains("public") || told.contains("in use"), "a network in use was deleted: {told}");
        Ok(())
    })
}
