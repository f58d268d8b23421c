//! Docker, Neutron and `kuryr status` tell the same story.

use anyhow::{Context, Result, ensure};
use kuryr_tests::with_rig;

#[test]
fn docker_neutron_and_status_agree() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        for name in ["one", "two"] {
            rig.engine.container(name, "blue", &[])?;
            rig.owned_port(name, "blue")?;
        }
        let status = rig.kuryr.status(&rig.host)?;
        for name in ["one", "two"] {
            let docker = rig.engine.endpoint(name, "blue")?;
            let neutron = rig.owned_port(name, "blue")?;
            ensure!(neutron.fixed_ips[0].ip_address.to_string() == docker.address, "{neutron:?} {docker:?}");
            let shown =
                status["ports"].as_array().into_iter().flatten().find(|port| port["id"] == neutron.id.to_string());
            let shown = shown.with_context(|| format!("status does not show port {}: {status:#}", neutron.id))?;
            ensure!(shown["container"]["name"] == name, "{shown:#}");
            ensure!(shown["addresses"] == serde_json::json!([docker.address]), "{shown:#}");
            ensure!(shown["mac_address"] == docker.mac, "{shown:#}");
            ensure!(shown["status"] == "ACTIVE", "{shown:#}");
            ensure!(shown["network"]["id"] == neutron.network_id.to_string(), "{shown:#}");
            ensure!(shown["interface"] == neutron.id.tap_name(), "{shown:#}");
        }
        let table = rig.kuryr.command(&rig.host, &["status"])?;
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        for fact in ["one", "two", &rig.engine.endpoint("two", "blue")?.address, "ACTIVE"] {
            ensure!(table.contains(fact), "the table lacks {fact}:\n{table}");
        }
        Ok(())
    })
}
