//! Subnet pools.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewSubnetPool, SubnetPool, SubnetPoolId, SubnetPoolUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewSubnetPool) -> Result<SubnetPool, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: SubnetPoolId,
    _update: SubnetPoolUpdate,
    _expected_revision: Option<u64>,
) -> Result<SubnetPool, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: SubnetPoolId) -> Result<(), Fault> {
    Err(not_built())
}
