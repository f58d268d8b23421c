//! Addresses that the user asks for.

use anyhow::Result;
use kuryr_tests::stories::requested;
use kuryr_tests::with_rig;

#[test]
fn a_container_gets_the_address_and_the_mac_it_asks_for() -> Result<()> {
    with_rig(requested::address_and_mac)
}

#[test]
fn a_taken_or_foreign_address_is_refused_and_nothing_is_left() -> Result<()> {
    with_rig(requested::taken_or_foreign)
}

#[test]
fn a_prepared_port_is_taken_by_its_address_and_given_back() -> Result<()> {
    with_rig(requested::prepared_port)
}

#[test]
fn a_port_of_another_device_is_not_taken() -> Result<()> {
    with_rig(requested::foreign_device)
}
