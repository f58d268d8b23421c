//! IPv6 beside IPv4, and alone.

use anyhow::Result;
use kuryr_tests::stories::families;
use kuryr_tests::with_rig;

#[test]
fn a_dual_stack_container_has_one_port_with_both_addresses() -> Result<()> {
    with_rig(families::dual_stack)
}

#[test]
fn a_network_may_have_ipv6_alone() -> Result<()> {
    with_rig(families::six_alone)
}
