//! The public `openstack` command against the embedded cloud, as an operator uses it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use kuryr_tests::{Paths, Rig, skip, with_rig};
use serde_json::Value;

/// The command's path: from the environment, or where the automation installs it below the target folder.
fn client() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("KURYR_OPENSTACK_CLIENT") {
        return Some(PathBuf::from(path));
    }
    let own = std::env::current_exe().ok()?;
    own.ancestors().map(|folder| folder.join("openstackclient/bin/openstack")).find(|path| path.is_file())
}

fn openstack(rig: &Rig, client: &PathBuf, words: &[&str]) -> Result<Value> {
    let output = rig
        .host
        .command(client)
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

#[test]
fn the_public_command_line_works() -> Result<()> {
    let Some(client) = client() else {
        return skip("no openstack command; `cargo xtask test` installs it where PyPI can be reached");
    };
    with_rig(|rig| {
        let run = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            openstack(rig, &client, &words)
        };
        let json = |words: &str| run(&format!("{words} -f json"));
        let token = json("token issue")?;
        ensure!(token["id"].as_str().is_some_and(|id| id.len() > 20), "{token}");
        let catalog = json("catalog list")?.to_string();
        ensure!(catalog.contains("network") && catalog.contains("identity"), "{catalog}");
        ensure!(json("extension list --network")?.to_string().contains("standard-attr-tag"));

        let network = json("network create --mtu 1400 green")?;
        ensure!(network["name"] == "green" && network["mtu"] == 1400, "{network}");
        let subnet = json("subnet create --network green --subnet-range 10.40.0.0/24 --gateway 10.40.0.1 green4")?;
        ensure!(subnet["cidr"] == "10.40.0.0/24", "{subnet}");
        json("subnet create --network green --ip-version 6 --subnet-range fd00:40::/64 green6")?;
        let port = json("port create --network green --fixed-ip subnet=green4,ip-address=10.40.0.9 --tag demo nine")?;
        ensure!(port.to_string().contains("10.40.0.9"), "{port}");
        ensure!(json("port list --network green")?.as_array().is_some_and(|list| list.len() == 1));
        ensure!(json("port list --tags demo")?.as_array().is_some_and(|list| list.len() == 1));
        run("port set --name ninth --description text nine")?;
        ensure!(json("port show ninth")?["description"] == "text");
        ensure!(run("network delete green").is_err(), "a network with a port was deleted");

        json("security group create web")?;
        let rule = json("security group rule create --protocol tcp --dst-port 80:81 --remote-ip 0.0.0.0/0 web")?;
        ensure!(rule["port_range_max"] == 81, "{rule}");
        ensure!(run("security group rule create --protocol tcp --dst-port 80:81 --remote-ip 0.0.0.0/0 web").is_err());
        ensure!(json("security group rule list web")?.as_array().is_some_and(|list| list.len() == 3));
        run("port set --security-group web ninth")?;

        run("network create --external public -f json")?;
        run("subnet create --network public --subnet-range 172.24.4.0/24 --no-dhcp public -f json")?;
        run("router create edge -f json")?;
        run("router set --external-gateway public edge")?;
        run("router add subnet edge green4")?;
        ensure!(json("router show edge")?["interfaces_info"].to_string().contains("10.40.0.1"));
        run("subnet pool create --pool-prefix 10.50.0.0/16 --default-prefix-length 24 pool -f json")?;
        ensure!(json("subnet pool list")?.as_array().is_some_and(|list| list.len() == 1));

        run("router remove subnet edge green4")?;
        run("router delete edge")?;
        run("port delete ninth")?;
        run("security group delete web")?;
        run("subnet pool delete pool")?;
        run("network delete green public")?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        Ok(())
    })
}
