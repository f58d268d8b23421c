//! Rules of security groups.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewSecurityGroupRule, SecurityGroupRule, SecurityGroupRuleId, SecurityGroupRuleUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewSecurityGroupRule) -> Result<SecurityGroupRule, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: SecurityGroupRuleId,
    _update: SecurityGroupRuleUpdate,
    _expected_revision: Option<u64>,
) -> Result<SecurityGroupRule, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: SecurityGroupRuleId) -> Result<(), Fault> {
    Err(not_built())
}
