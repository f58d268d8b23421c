//! Nothing is ever left over on a real OpenStack: a faulty proxy before it, and `kill -9`. Nothing else uses it meanwhile, for
//! all machines wait for one Neutron. Without one (`KURYR_OPENSTACK_RIG` names it) it says that it is skipped.

use anyhow::Result;
use kuryr_tests::faults::{Kind, sweep};
use kuryr_tests::{OpenStack, skip};

#[test]
fn no_fault_and_no_kill_leaves_anything_in_neutron() -> Result<()> {
    match OpenStack::find() {
        Ok(openstack) => sweep(&Kind::OpenStack(openstack)),
        Err(reason) => skip(&format!("{reason:#}")),
    }
}
