//! Two engines of different releases on hosts of one OpenStack, each with a Kuryr of its own, on one network.

use anyhow::{Context, Result};
use kuryr_tests::stories::planes;
use kuryr_tests::{Release, Rig, with_planes_on_openstack};

/// The installed engine and a current one.
fn with_both(story: fn(&mut [Rig; 2]) -> Result<()>) -> Result<()> {
    with_planes_on_openstack([Ok(Release::Installed), Release::current()], |rigs| {
        story(rigs)?;
        rigs.iter().try_for_each(Rig::is_clean).context("after the story")?;
        rigs[0].cloud.clear()
    })
}

#[test]
fn the_last_one_out_takes_the_network() -> Result<()> {
    with_both(planes::one_network)
}

#[test]
fn networks_of_one_name_and_one_range_are_two() -> Result<()> {
    with_both(planes::networks_of_their_own)
}

#[test]
fn who_is_killed_and_comes_back_takes_nothing_of_the_others() -> Result<()> {
    with_both(planes::one_is_killed)
}
