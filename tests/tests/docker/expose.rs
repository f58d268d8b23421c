//! `--expose` opens ports, and nothing else.

use anyhow::Result;
use kuryr_tests::stories::expose;
use kuryr_tests::with_rig;

#[test]
fn exposed_ports_are_open_to_strangers_until_the_container_goes() -> Result<()> {
    with_rig(expose::exposed_to_strangers)
}

#[test]
fn ipv6_and_sctp_are_exposed_too() -> Result<()> {
    with_rig(expose::every_protocol)
}
