//! Ports that are kept ready, on the embedded cloud.

use anyhow::Result;
use kuryr_tests::stories::{ready, tell};
use kuryr_tests::{with_configured_current_rig, with_configured_rig};

#[test]
fn containers_get_ready_ports_on_the_installed_engine() -> Result<()> {
    with_configured_rig(ready::CONFIG, |rig| tell(rig, ready::STORIES))
}

#[test]
fn containers_get_ready_ports_on_a_current_engine() -> Result<()> {
    with_configured_current_rig(ready::CONFIG, |rig| tell(rig, ready::STORIES))
}
