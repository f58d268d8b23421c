//! Options of `docker network create`, and networks without a way out.

use anyhow::Result;
use kuryr_tests::stories::{options, replay};
use kuryr_tests::with_rig;

#[test]
fn auxiliary_addresses_are_kept_from_containers() -> Result<()> {
    with_rig(options::auxiliary)
}

#[test]
fn an_internal_network_has_no_way_out() -> Result<()> {
    with_rig(options::internal)
}

#[test]
fn an_existing_subnet_may_have_no_gateway() -> Result<()> {
    with_rig(options::without_gateway)
}

#[test]
fn an_older_engines_order_and_repeated_calls_leave_nothing() -> Result<()> {
    with_rig(|rig| {
        replay::network_first(rig)?;
        replay::twice(rig)
    })
}
