//! Security groups around running containers.

use anyhow::Result;
use kuryr_tests::stories::policy;
use kuryr_tests::with_rig;

#[test]
fn a_rule_opens_and_closes_a_port_while_containers_run() -> Result<()> {
    with_rig(policy::rules)
}

#[test]
fn answers_come_back_and_unasked_packets_do_not() -> Result<()> {
    with_rig(policy::answers)
}

#[test]
fn a_container_cannot_use_an_address_that_is_not_its_own() -> Result<()> {
    with_rig(policy::foreign_addresses)
}

#[test]
fn members_of_a_group_may_be_let_in_by_the_group() -> Result<()> {
    with_rig(policy::members)
}
