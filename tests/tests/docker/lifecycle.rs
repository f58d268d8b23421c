//! A network and its containers come and go, and leave nothing.

use anyhow::Result;
use kuryr_tests::stories::lifecycle;
use kuryr_tests::with_rig;

#[test]
fn a_network_and_its_containers_come_and_go() -> Result<()> {
    with_rig(lifecycle::come_and_go)
}

#[test]
fn docker_may_choose_the_gateway_itself() -> Result<()> {
    with_rig(lifecycle::no_gateway_chosen)
}

#[test]
fn a_stopped_container_gives_its_port_back_and_a_started_one_takes_a_new_one() -> Result<()> {
    with_rig(lifecycle::stop_and_start)
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() -> Result<()> {
    with_rig(lifecycle::join_and_leave)
}

#[test]
fn two_networks_with_the_same_addresses_do_not_meet() -> Result<()> {
    with_rig(lifecycle::same_addresses)
}
