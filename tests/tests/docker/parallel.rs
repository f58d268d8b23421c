//! Many containers at once.

use anyhow::Result;
use kuryr_tests::stories::parallel::many_at_once;
use kuryr_tests::with_rig;

/// As many as a host that comes up again starts at once.
const MANY: usize = 50;

#[test]
fn many_containers_at_once_get_addresses_of_their_own() -> Result<()> {
    with_rig(|rig| many_at_once(rig, MANY))
}
