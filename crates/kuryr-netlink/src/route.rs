//! Routes of the main table.

use crate::{error::Error, link::Links};
use ipnet::IpNet;
use std::net::IpAddr;

/// A unicast route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where to; `0.0.0.0/0` or `::/0` is the default route.
    pub destination: IpNet,
    /// By which router; absent: directly on the link.
    pub gateway: Option<IpAddr>,
    /// Out of which link. At least one of gateway and link is given.
    pub index: Option<u32>,
}

impl Links {
    /// The unicast routes of the main table, both families.
    pub fn routes(&mut self) -> Result<Vec<Route>, Error> {
        Err(crate::Cause::Unsupported.during("list routes", ""))
    }

    /// Adds a route, or replaces the one with the same destination.
    pub fn replace_route(&mut self, route: &Route) -> Result<(), Error> {
        Err(crate::Cause::Unsupported.during("replace route", route.destination.to_string()))
    }

    /// Deletes a route. One that is not there counts as deleted.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), Error> {
        Err(crate::Cause::Unsupported.during("delete route", route.destination.to_string()))
    }
}
