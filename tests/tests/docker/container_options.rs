//! Options of networks and of single containers, by every way that Docker has for them.

use anyhow::{Result, ensure};
use kuryr_tests::stories::container_options as options;
use kuryr_tests::with_rig;

#[test]
fn a_networks_options_hold_unless_a_container_has_its_own() -> Result<()> {
    with_rig(options::defaults_and_own)
}

#[test]
fn a_container_gets_the_port_it_names() -> Result<()> {
    with_rig(options::chosen_port)
}

#[test]
fn addresses_are_formed_where_a_subnet_has_it_so() -> Result<()> {
    with_rig(options::formed_addresses)
}

#[test]
fn networks_and_containers_have_qos_policies() -> Result<()> {
    with_rig(options::policies)
}

#[test]
fn what_the_embedded_cloud_lacks_is_told_by_name() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "bridge", &[])?;
        let before = rig.cloud.inventory()?;
        for (option, missing) in
            [("neutron.port.dns_name=one", "'dns-integration'"), ("neutron.port.qos_policy=gold", "no policy 'gold'")]
        {
            let told = rig.engine.refused(&["network", "connect", "--driver-opt", option, "blue", "one"])?;
            ensure!(told.contains(option.split('=').next().unwrap_or_default()) && told.contains(missing), "{told}");
            ensure!(rig.cloud.inventory()? == before, "{option} has changed something");
        }
        Ok(())
    })
}
