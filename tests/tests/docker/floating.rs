//! `docker run -p` on a floating IP of the embedded cloud.

use anyhow::Result;
use kuryr_tests::stories::floating::{CONFIGURATION, published};
use kuryr_tests::{with_configured_current_rig, with_configured_rig};

#[test]
fn ports_are_published_on_a_floating_ip_with_the_installed_engine() -> Result<()> {
    with_configured_rig(&format!("[neutron]\n{CONFIGURATION}"), published)
}

#[test]
fn ports_are_published_on_a_floating_ip_with_a_current_engine() -> Result<()> {
    with_configured_current_rig(&format!("[neutron]\n{CONFIGURATION}"), published)
}
