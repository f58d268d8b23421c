//! Versions of the tables, and the way from each to the newest.

use super::{Error, copy, sqlite::explain};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};

/// Each brings the tables from its place in the list to the next version. Never change one that was released, and add what it
/// makes to the databases in `tests/released`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_addresses_given.sql"),
    include_str!("migrations/0003_floating_ips.sql"),
    include_str!("migrations/0004_address_groups.sql"),
    include_str!("migrations/0005_quotas.sql"),
    include_str!("migrations/0006_default_rules.sql"),
    include_str!("migrations/0007_rbac_policies.sql"),
    include_str!("migrations/0008_qos_policies.sql"),
    include_str!("migrations/0009_trunks.sql"),
];

/// The version that this program writes.
pub(super) const fn newest() -> u32 {
    MIGRATIONS.len() as u32
}

/// The version of a database; 0: it is empty, or none of ours. A newer one than the newest known is refused.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<u32, Error> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| explain(path, e))?;
    if found > newest() { Err(Error::Newer { path: path.to_owned(), found, known: newest() }) } else { Ok(found) }
}

/// Where the database is kept as it was before it was brought to a version.
pub(super) fn before(path: &Path, version: u32) -> PathBuf {
    copy::beside(path, &format!(".before-v{version}"))
}

/// Brings the tables up to date, in one step, after a copy was made: an older program reads that, and nothing newer.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let found = version(connection, path)?;
    if found == newest() {
        return Ok(());
    }
    if found > 0 {
        let kept = before(path, newest());
        copy::write(connection, &kept)?;
        tracing::info!(from = found, to = newest(), kept = %kept.display(), "the database is brought up to date");
    }
    let explain = |e: rusqlite::Error| explain(path, e);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration).map_err(explain)?;
    }
    transaction.pragma_update(None, "user_version", newest()).map_err(explain)?;
    transaction.commit().map_err(explain)
}
