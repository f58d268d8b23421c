//! Many containers at once.

use anyhow::Result;
use kuryr_tests::stories::crowd::crowd;
use kuryr_tests::stories::parallel::many_at_once;
use kuryr_tests::with_rig;

/// As many as a host that comes up again starts at once.
const MANY: usize = 50;

#[test]
fn many_containers_at_once_get_addresses_of_their_own() -> Result<()> {
    with_rig(|rig| many_at_once(rig, MANY))
}

/// As many as a machine of this field has.
const CROWD: usize = 200;

#[test]
fn two_hundred_containers_are_guarded_from_their_first_packet_on() -> Result<()> {
    with_rig(|rig| crowd(rig, CROWD, 16))
}
