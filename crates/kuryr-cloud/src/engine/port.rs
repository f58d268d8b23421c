//! Ports.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewPort, Port, PortId, PortUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewPort) -> Result<Port, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: PortId,
    _update: PortUpdate,
    _expected_revision: Option<u64>,
) -> Result<Port, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: PortId) -> Result<(), Fault> {
    Err(not_built())
}

/// Creates all of them or none.
pub fn create_bulk(_txn: &mut Txn, _context: &Context, _new: Vec<NewPort>) -> Result<Vec<Port>, Fault> {
    Err(not_built())
}

/// Tells whether a port works: the data plane's word. The same status again changes nothing.
pub fn set_status(_txn: &mut Txn, _id: PortId, _status: kuryr_neutron::Status) -> Result<(), Fault> {
    Err(not_built())
}

/// Marks a port's binding as failed (`binding_failed`): the data plane could not wire it.
pub fn set_binding_failed(_txn: &mut Txn, _id: PortId) -> Result<Port, Fault> {
    Err(not_built())
}
