//! Networks.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, Network, NetworkId, NetworkUpdate, NewNetwork};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewNetwork) -> Result<Network, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: NetworkId,
    _update: NetworkUpdate,
    _expected_revision: Option<u64>,
) -> Result<Network, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: NetworkId) -> Result<(), Fault> {
    Err(not_built())
}
