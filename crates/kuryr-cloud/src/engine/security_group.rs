//! Security groups.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewSecurityGroup, SecurityGroup, SecurityGroupId, SecurityGroupUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewSecurityGroup) -> Result<SecurityGroup, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: SecurityGroupId,
    _update: SecurityGroupUpdate,
    _expected_revision: Option<u64>,
) -> Result<SecurityGroup, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: SecurityGroupId) -> Result<(), Fault> {
    Err(not_built())
}

/// A project's group `default`; made, with Neutron's four rules, if the project has none yet.
pub fn ensure_default(_txn: &mut Txn, _project: &kuryr_neutron::ProjectId) -> Result<SecurityGroupId, Fault> {
    Err(not_built())
}
