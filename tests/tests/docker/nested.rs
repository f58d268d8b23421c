//! Containers on top of a virtual machine's own interface: what Docker forgot goes, though their ports are on no host.

use std::time::Duration;

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::{Rig, until, until_within, with_configured_rig};
use serde_json::json;

const CONFIG: &str = "[DEFAULT]\ndefault_port_driver = nested\nenabled_port_drivers = nested\n[binding]\n\
                      default_driver = macvlan\nenabled_drivers = macvlan\nlink_iface = ens3\n";

/// The host becomes a machine of its cloud; its own port.
fn become_machine(rig: &Rig) -> Result<Port> {
    let network: Network = rig.cloud.make(json!({ "name": "machines" }))?;
    rig.cloud.make::<Subnet>(json!({ "network_id": network.id, "ip_version": 4, "cidr": "10.44.0.0/24" }))?;
    let own: Port = rig.cloud.make(json!({
        "name": "machine", "network_id": network.id,
        "allowed_address_pairs": [{ "ip_address": "10.44.0.250" }],
    }))?;
    let mac = own.mac_address.to_string();
    rig.host.run(&["ip", "link", "add", "ens3", "address", &mac, "type", "veth", "peer", "name", "wire"])?;
    rig.host.run(&["ip", "link", "set", "ens3", "up"])?;
    Ok(own)
}

#[test]
fn what_a_killed_kuryr_and_docker_left_goes_with_what_let_it_through() -> Result<()> {
    with_configured_rig(CONFIG, |rig| {
        let own = become_machine(rig)?;
        let ports = |rig: &Rig| rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"));
        let pairs = |rig: &Rig| -> Result<Vec<String>> {
            let own: Port = rig.cloud.one(&Query::new().eq("id", own.id))?;
            let mut all: Vec<String> =
                own.allowed_address_pairs.iter().map(|pair| pair.ip_address.net().addr().to_string()).collect();
            all.sort();
            Ok(all)
        };
        rig.create_network("blue", &["--subnet", "10.44.0.0/24", "--gateway", "10.44.0.1"])?;
        rig.engine.container("stays", "blue", &[])?;
        rig.engine.container("goes", "blue", &[])?;
        let (stays, goes) = (rig.engine.endpoint("stays", "blue")?, rig.engine.endpoint("goes", "blue")?);
        let mut expected = vec![stays.address.clone(), goes.address, "10.44.0.250".to_owned()];
        expected.sort();
        ensure!(pairs(rig)? == expected, "{:?}", pairs(rig)?);
        rig.without_kuryr(|rig| rig.engine.docker(&["rm", "--force", "goes"]).map(drop))?;
        rig.kuryr.start(&rig.host)?;
        let mut expected = vec![stays.address.clone(), "10.44.0.250".to_owned()];
        expected.sort();
        // By the first comparison: the second one is a minute later.
        until_within(Duration::from_secs(40), "what Docker forgot to go", || {
            let (left, let_through) = (ports(rig)?, pairs(rig)?);
            ensure!(left.len() == 1 && left[0].mac_address.to_string() == stays.mac, "{left:?}");
            ensure!(let_through == expected, "{let_through:?}");
            Ok(())
        })?;
        let found = rig.differences()?;
        ensure!(found == (Some(0), vec![]), "{found:?}");
        rig.engine.docker(&["rm", "--force", "stays"])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        until("the machine's own port to be alone", || {
            let left = rig.cloud.inventory()?;
            ensure!(left.len() == 3 && ports(rig)?.is_empty() && pairs(rig)? == ["10.44.0.250"], "{left:?}");
            Ok(())
        })
    })
}
