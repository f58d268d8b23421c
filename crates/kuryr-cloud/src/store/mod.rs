//! Durable rows: what the engine commits before it answers.

pub(crate) mod copy;
mod memory;
mod restore;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;

use crate::engine::{
    AddressGiven, Change, ForwardingRecord, NetworkRecord, Record,
    qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
    quota::Quota,
};
use kuryr_neutron::{
    AddressGroup, DefaultRule, FloatingIp, Port, QosPolicy, RbacPolicy, Router, SecurityGroup, SecurityGroupRule,
    Subnet, SubnetPool, Trunk,
};
use std::{fs::File, path::PathBuf, sync::Arc};

pub use copy::copy_of;
pub use memory::MemoryStore;
pub use restore::{check, restore};
pub use sqlite::SqliteStore;

/// Everything a store holds of the Networking API.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Rows {
    pub networks: Vec<NetworkRecord>,
    pub subnets: Vec<Subnet>,
    pub addresses_given: Vec<AddressGiven>,
    pub subnetpools: Vec<SubnetPool>,
    pub ports: Vec<Port>,
    pub security_groups: Vec<SecurityGroup>,
    pub security_group_rules: Vec<SecurityGroupRule>,
    pub routers: Vec<Router>,
    pub trunks: Vec<Trunk>,
    pub default_rules: Vec<DefaultRule>,
    pub address_groups: Vec<AddressGroup>,
    pub floating_ips: Vec<FloatingIp>,
    pub port_forwardings: Vec<ForwardingRecord>,
    pub quotas: Vec<Quota>,
    pub rbac_policies: Vec<RbacPolicy>,
    pub qos_policies: Vec<QosPolicy>,
    pub bandwidth_limits: Vec<BandwidthLimitRecord>,
    pub dscp_markings: Vec<DscpMarkingRecord>,
}

impl Rows {
    /// The changes that make these rows out of nothing.
    pub fn into_changes(self) -> Vec<Change> {
        fn put<R: Record>(rows: Vec<R>) -> impl Iterator<Item = Change> {
            rows.into_iter().map(|row| R::change(row.key(), Some(Arc::new(row))))
        }
        put(self.networks)
            .chain(put(self.subnetpools))
            .chain(put(self.subnets))
            .chain(put(self.addresses_given))
            .chain(put(self.security_groups))
            .chain(put(self.default_rules))
            .chain(put(self.address_groups))
            .chain(put(self.security_group_rules))
            .chain(put(self.routers))
            .chain(put(self.quotas))
            .chain(put(self.rbac_policies))
            .chain(put(self.qos_policies))
            .chain(put(self.bandwidth_limits))
            .chain(put(self.dscp_markings))
            .chain(put(self.ports))
            .chain(put(self.trunks))
            .chain(put(self.floating_ips))
            .chain(put(self.port_forwardings))
            .collect()
    }
}

/// Where rows live between two runs.
///
/// Beside the rows there is a small key/value table, the settings, for what is not of the Networking API:
/// users and signing keys. Open the store, read and write settings, then give it to the engine; later
/// they are reached through [`crate::engine::Engine::setting`] and [`crate::engine::Engine::put_setting`].
pub trait Store: Send {
    /// All rows.
    fn load(&mut self) -> Result<Rows, Error>;
    /// Makes changes durable, all or none. When it returns `Ok` they survive `kill -9` and power loss.
    fn commit(&mut self, changes: &[Change]) -> Result<(), Error>;
    /// Whether there is room for more rows. What removes and changes rows needs some too, which is kept for it.
    fn room(&self) -> Result<(), Error> {
        Ok(())
    }
    /// A setting, if it was ever put.
    fn setting(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Puts a setting, durably.
    fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error>;
    /// All settings, in order of keys.
    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error>;
    /// A database of all there is now, settings included, to be read from its beginning. It has no name.
    fn copy(&mut self) -> Result<File, Error> {
        Err(Error::NoFile)
    }
}

/// The database does not do what it should. Says what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened at all.
    #[error("cannot open the database {}: {reason}; check the folder's owner, mode and free space", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another process has it open.
    #[error("the database {} is in use by another process; stop the other kuryr (`fuser -v {}` names it)", path.display(), path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is not a database, or a damaged one.
    #[error(
        "the database {} is damaged: {reason}; restore a backup of it, or move it away to start with an empty cloud",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer kuryr wrote it.
    #[error(
        "the database {} has version {found}, this kuryr knows versions up to {known}; install the newer kuryr again, or go back to \
         before the upgrade with 'kuryr cloud restore' and the copy that it made then, kuryr.db.before-v{found} in the state's folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// It is something else.
    #[error("{} is no whole database of the embedded cloud: {reason}; 'kuryr cloud backup' writes such a file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be copied.
    #[error("cannot copy the database to {}: {reason}; check the folder's owner, mode and free space", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is in memory only.
    #[error("there is no database in a file")]
    NoFile,
    /// There is no room for a change.
    #[error(
        "the disk with {} is full, so nothing was changed; make room on it (`df {}` names it) and try again",
        path.display(),
        path.display()
    )]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The disk does not do what it is told.
    #[error(
        "cannot {action}: the disk with {} fails: {reason}; the kernel's log (`dmesg`) says why, and a backup is on another disk",
        path.display()
    )]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's answer.
        reason: String,
    },
    /// A read or write failed.
    #[error("the database cannot {action}: {source}")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// A row cannot be written as JSON.
    #[error("cannot write a row as JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// It is closed: the engine is stopping.
    #[error("the database is closed because the cloud is stopping")]
    Closed,
}
