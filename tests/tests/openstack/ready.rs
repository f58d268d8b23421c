//! Ports that are kept ready on a real Neutron.

use anyhow::Result;
use kuryr_tests::stories::{ready, tell};
use kuryr_tests::{Release, with_openstack};

#[test]
fn containers_get_ready_ports_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), &ready::config_apart(), |rig| tell(rig, ready::STORIES))
}

#[test]
fn containers_get_ready_ports_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), &ready::config_apart(), |rig| tell(rig, ready::STORIES))
}

/// Containers start while the project may have more ports; then none is kept ready, and one more is refused plainly.
#[test]
fn a_quota_that_is_used_up() -> Result<()> {
    with_openstack(Ok(Release::Installed), &ready::config_apart(), ready::quota)
}
