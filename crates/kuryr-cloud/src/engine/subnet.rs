//! Subnets.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewSubnet, Subnet, SubnetId, SubnetUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewSubnet) -> Result<Subnet, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: SubnetId,
    _update: SubnetUpdate,
    _expected_revision: Option<u64>,
) -> Result<Subnet, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: SubnetId) -> Result<(), Fault> {
    Err(not_built())
}
