//! Nothing is ever left over: a faulty proxy before the embedded cloud, and `kill -9` at every point where something outside
//! has just changed or is just about to; and a cloud that is away altogether.

mod away;

use anyhow::Result;
use kuryr_tests::faults::{Kind, sweep};

#[test]
fn no_fault_and_no_kill_leaves_anything() -> Result<()> {
    sweep(&Kind::Embedded)
}
