//! Networks and subnets that were there before Docker came, and stay when it goes.

use anyhow::Result;
use kuryr_tests::stories::existing;
use kuryr_tests::with_rig;

#[test]
fn an_existing_network_and_subnet_by_uuid_survive() -> Result<()> {
    with_rig(existing::by_uuid)
}

#[test]
fn an_existing_network_and_subnet_by_name_survive() -> Result<()> {
    with_rig(existing::by_name)
}

#[test]
fn the_gateway_of_a_chosen_subnet_reaches_the_container() -> Result<()> {
    with_rig(existing::its_gateway)
}

#[test]
fn two_docker_networks_share_one_and_the_first_to_go_takes_nothing_along() -> Result<()> {
    with_rig(existing::shared)
}

#[test]
fn a_network_that_does_not_exist_is_refused_by_name_and_nothing_is_left() -> Result<()> {
    with_rig(existing::missing)
}
