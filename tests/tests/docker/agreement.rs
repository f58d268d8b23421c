//! Docker, Neutron and `kuryr status` tell the same story.

use anyhow::{Context, Result, ensure};
use kuryr_tests::with_rig;
use serde_json::Value;

/// The innermost object that has this text as one of its values.
fn find<'a>(value: &'a Value, text: &str) -> Option<&'a Value> {
    let children: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => return None,
    };
    children
        .iter()
        .find_map(|child| find(child, text))
        .or_else(|| (value.is_object() && children.iter().any(|child| child.as_str() == Some(text))).then_some(value))
}

#[test]
fn docker_neutron_and_status_agree() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        for name in ["one", "two"] {
            rig.engine.container(name, "blue", &[])?;
        }
        let status = rig.kuryr.status(&rig.host)?;
        for name in ["one", "two"] {
            let docker = rig.engine.endpoint(name, "blue")?;
            let neutron = rig.cloud.port_by_mac(&docker.mac)?;
            ensure!(neutron.fixed_ips[0].ip_address.to_string() == docker.address, "{neutron:?} {docker:?}");
            ensure!(neutron.device_id == docker.id);
            let shown = find(&status, &neutron.id.to_string())
                .with_context(|| format!("status does not show port {}: {status:#}", neutron.id))?;
            let text = shown.to_string();
            for fact in [&docker.address, &docker.mac, &"ACTIVE".to_owned(), &name.to_owned()] {
                ensure!(text.contains(fact.as_str()), "status shows {shown:#}, without {fact}");
            }
        }
        let network = rig.cloud.port_by_mac(&rig.engine.endpoint("one", "blue")?.mac)?.network_id;
        ensure!(status.to_string().contains(&network.to_string()), "status does not show network {network}");
        let table = rig.kuryr.command(&rig.host, &["status"])?;
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        for fact in ["one", "two", &rig.engine.endpoint("two", "blue")?.address, "ACTIVE"] {
            ensure!(table.contains(fact), "the table lacks {fact}:\n{table}");
        }
        Ok(())
    })
}
