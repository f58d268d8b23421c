//! What is given away, installed and used: the Debian package under a real systemd, Docker's managed plugin, settings of
//! Kolla, and the way from the original to this Kuryr. On a real OpenStack: `tests/openstack`.

mod deb;
mod hardening;
mod kolla;
mod managed;
mod original;
mod swarm;

use anyhow::Result;
use kuryr_tests::packaging::{Booted, Making};

/// Run a test on a booted machine by itself.
fn with_booted(test: impl FnOnce(&Booted) -> Result<()>) -> Result<()> {
    kuryr_tests::packaging::with_booted(&Making::new(env!("CARGO_TARGET_TMPDIR")), None, test)
}
