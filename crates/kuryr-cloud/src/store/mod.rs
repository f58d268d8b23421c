//! Durable rows: what the engine commits before it answers.

mod memory;
mod sqlite;

use crate::engine::{Change, NetworkRecord};
use kuryr_neutron::{Port, Router, SecurityGroup, SecurityGroupRule, Subnet, SubnetPool};
use std::path::PathBuf;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// Everything a store holds of the Networking API.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Rows {
    pub networks: Vec<NetworkRecord>,
    pub subnets: Vec<Subnet>,
    pub subnetpools: Vec<SubnetPool>,
    pub ports: Vec<Port>,
    pub security_groups: Vec<SecurityGroup>,
    pub security_group_rules: Vec<SecurityGroupRule>,
    pub routers: Vec<Router>,
}

/// Where rows live between two runs.
pub trait Store: Send {
    /// All rows.
    fn load(&mut self) -> Result<Rows, Error>;
    /// Makes changes durable, all or none. When it returns `Ok` they survive `kill -9` and power loss.
    fn commit(&mut self, changes: &[Change]) -> Result<(), Error>;
    /// A value of the key/value side table (users, signing keys), if it was ever put.
    fn setting(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Puts a value of the key/value side table, durably.
    fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error>;
    /// All of the key/value side table, in order of keys.
    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error>;
}

/// The database does not do what it should. Says what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened at all.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
