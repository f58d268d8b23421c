//! Tags of resources.

use crate::engine::{Context, Txn, faults::not_built};
use kuryr_neutron::{Fault, Tag};
use uuid::Uuid;

/// Kinds of resources that can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Networks.
    Network,
    /// Subnets.
    Subnet,
    /// Subnet pools.
    SubnetPool,
    /// Ports.
    Port,
    /// Security groups.
    SecurityGroup,
    /// Routers.
    Router,
}

/// Sets all tags of one; answers them, sorted and each once.
pub fn replace(_txn: &mut Txn, _context: &Context, _kind: Kind, _id: Uuid, _tags: Vec<Tag>) -> Result<Vec<Tag>, Fault> {
    Err(not_built())
}

/// Adds a tag; done already is done.
pub fn add(_txn: &mut Txn, _context: &Context, _kind: Kind, _id: Uuid, _tag: Tag) -> Result<(), Fault> {
    Err(not_built())
}

/// Removes a tag; 404 `TagNotFound` when it is not there.
pub fn remove(_txn: &mut Txn, _context: &Context, _kind: Kind, _id: Uuid, _tag: &Tag) -> Result<(), Fault> {
    Err(not_built())
}
