//! Addresses of links.

use super::Links;
use crate::error::{Cause, Error};
use ipnet::IpNet;

impl Links {
    /// The addresses of a link, link-local ones included.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<IpNet>, Error> {
        Err(Cause::Unsupported.during("list addresses of link", index.to_string()))
    }

    /// Gives a link an address. IPv6 addresses are usable at once, without duplicate address detection. One that is
    /// there already counts as given.
    pub fn add_address(&mut self, index: u32, address: IpNet) -> Result<(), Error> {
        let _ = index;
        Err(Cause::Unsupported.during("add address", address.to_string()))
    }

    /// Takes an address from a link. One that is not there counts as taken.
    pub fn delete_address(&mut self, index: u32, address: IpNet) -> Result<(), Error> {
        let _ = index;
        Err(Cause::Unsupported.during("delete address", address.to_string()))
    }
}
