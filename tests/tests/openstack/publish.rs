//! `docker run -p` on a floating IP of OVN.

use anyhow::Result;
use kuryr_tests::stories::floating::{CONFIGURATION, published};
use kuryr_tests::{Release, with_openstack};

#[test]
fn on_a_floating_ip_with_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), CONFIGURATION, published)
}

#[test]
fn on_a_floating_ip_with_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), CONFIGURATION, published)
}
