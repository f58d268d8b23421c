//! Routers.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, NewRouter, Router, RouterId, RouterUpdate};

/// Creates one.
pub fn create(_txn: &mut Txn, _context: &Context, _new: NewRouter) -> Result<Router, Fault> {
    Err(not_built())
}

/// Changes one. With `expected_revision`, only if it still has that revision.
pub fn update(
    _txn: &mut Txn,
    _context: &Context,
    _id: RouterId,
    _update: RouterUpdate,
    _expected_revision: Option<u64>,
) -> Result<Router, Fault> {
    Err(not_built())
}

/// Deletes one.
pub fn delete(_txn: &mut Txn, _context: &Context, _id: RouterId) -> Result<(), Fault> {
    Err(not_built())
}

/// What adding or removing an interface answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RouterInterfaceInfo {
    /// The router.
    pub id: RouterId,
    /// Its owner, under the older name.
    pub tenant_id: kuryr_neutron::ProjectId,
    /// Its owner.
    pub project_id: kuryr_neutron::ProjectId,
    /// The interface.
    pub port_id: kuryr_neutron::PortId,
    /// The interface's network.
    pub network_id: kuryr_neutron::NetworkId,
    /// The interface's first subnet.
    pub subnet_id: kuryr_neutron::SubnetId,
    /// All of them.
    pub subnet_ids: Vec<kuryr_neutron::SubnetId>,
}

/// Connects a router to a subnet.
pub fn add_interface(
    _txn: &mut Txn,
    _context: &Context,
    _id: RouterId,
    _interface: kuryr_neutron::RouterInterface,
) -> Result<RouterInterfaceInfo, Fault> {
    Err(not_built())
}

/// Takes a router's connection to a subnet away.
pub fn remove_interface(
    _txn: &mut Txn,
    _context: &Context,
    _id: RouterId,
    _interface: kuryr_neutron::RouterInterface,
) -> Result<RouterInterfaceInfo, Fault> {
    Err(not_built())
}

/// Tells whether a router forwards: the data plane's word. The same status again changes nothing.
pub fn set_status(_txn: &mut Txn, _id: RouterId, _status: kuryr_neutron::Status) -> Result<(), Fault> {
    Err(not_built())
}
