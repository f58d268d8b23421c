//! Options on a real Neutron, and accounts that are no administrators.

use anyhow::{Result, ensure};
use kuryr_tests::stories::{Story, container_options as options, tell};
use kuryr_tests::{Release, with_openstack, with_openstack_as};

const OPTIONS: &[Story] = &[
    ("defaults and own", options::defaults_and_own),
    ("chosen port", options::chosen_port),
    ("policies", options::policies),
    ("name", options::name),
    ("formed addresses", options::formed_addresses),
];

const BLUE: [&str; 4] = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];

#[test]
fn options_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, OPTIONS))
}

#[test]
fn options_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), "", |rig| tell(rig, OPTIONS))
}

/// Neutron's own policy lets a member make networks, and bind nothing.
#[test]
fn a_member_is_told_what_the_policy_refuses() -> Result<()> {
    with_openstack_as(&["member"], |rig| {
        let shared = ["-o", "neutron.net.shared=true", "--ipam-opt", "neutron.net.shared=true"];
        let mut create = vec!["network", "create", "--driver", "kuryr", "--ipam-driver", "kuryr"];
        create.extend(BLUE.iter().chain(&shared).chain(&["red"]));
        let told = rig.engine.refused(&create)?;
        ensure!(told.contains("set shared (rule create_subnetpool:shared)") && told.contains("'admin'"), "{told}");

        let options = ["-o", "neutron.net.mtu=1400", "-o", "neutron.port.security_groups=default"];
        rig.create_network("blue", &[&BLUE[..], &options].concat())?;
        rig.engine.container("one", "bridge", &[])?;
        let before = rig.cloud.inventory()?;
        let told = rig.engine.refused(&["network", "connect", "blue", "one"])?;
        for part in [
            "is disallowed by policy",
            "request_ids: ['req-",
            "set binding:host_id (rule create_port:binding:host_id)",
            "'service'",
            "\"create_port:binding:host_id\": \"role:kuryr\"",
        ] {
            ensure!(told.contains(part), "{told} should contain {part}");
        }
        ensure!(rig.cloud.inventory()? == before, "the refusal left something");
        rig.engine.docker(&["network", "rm", "blue"])?;
        let left = rig.cloud.inventory()?;
        ensure!(!left.iter().any(|name| name.contains("kuryr")), "{left:?}");
        Ok(())
    })
}

/// The role `service` beside is enough for a container's whole life.
#[test]
fn a_member_with_the_role_service_needs_no_administrator() -> Result<()> {
    with_openstack_as(&["member", "service"], |rig| {
        let own: &[Story] = &[("defaults and own", options::defaults_and_own), ("chosen port", options::chosen_port)];
        tell(rig, own)?;
        rig.create_network("blue", &BLUE)?;
        rig.engine.container("one", "blue", &["--expose", "8080"])?;
        rig.engine.container("two", "blue", &[])?;
        rig.engine.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
        rig.engine.docker(&["rm", "--force", "one", "two"])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        let left = rig.cloud.inventory()?;
        ensure!(!left.iter().any(|name| name.contains("kuryr")), "{left:?}");
        rig.is_clean()
    })
}
