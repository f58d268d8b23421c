//! Ports that are kept ready on a real Neutron.

use anyhow::Result;
use kuryr_tests::stories::{ready, tell};
use kuryr_tests::{OpenStack, Release, Rig, with_openstack};

fn with_ready_ports(release: Result<Release>, test: impl FnOnce(&mut Rig) -> Result<()>) -> Result<()> {
    // Without a cloud the test is skipped, whatever stands there.
    let metrics = OpenStack::find().and_then(|openstack| openstack.free_address()).unwrap_or_default();
    with_openstack(release, &ready::config_apart(&metrics), test)
}

#[test]
fn containers_get_ready_ports_on_the_installed_engine() -> Result<()> {
    with_ready_ports(Ok(Release::Installed), |rig| tell(rig, ready::STORIES))
}

#[test]
fn containers_get_ready_ports_on_a_current_engine() -> Result<()> {
    with_ready_ports(Release::current(), |rig| tell(rig, ready::STORIES))
}

/// Containers start while the project may have more ports; then none is kept ready, and one more is refused plainly.
#[test]
fn a_quota_that_is_used_up() -> Result<()> {
    with_ready_ports(Ok(Release::Installed), ready::quota)
}
