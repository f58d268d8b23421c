//! Rows in one SQLite file.

use crate::{
    engine::Change,
    store::{Error, Rows, Store, copy, schema},
};
use kuryr_neutron::Port;
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A commit is on the disk before it returns. One process has the file for itself: the engine's memory is the truth.
const PRAGMAS: &str = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;
    PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;";

/// So many bytes of a disk are kept for changes and deletions, or a quarter of a small one: the log grows to 4 MiB, and then so
/// may the database.
const RESERVE: u64 = 16 << 20;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the database, or makes it (mode 0600), and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, Error> {
        own_file(path).map_err(|e| Error::Open { path: path.to_owned(), reason: e.to_string() })?;
        let explain = |e: rusqlite::Error| explain(path, e);
        let mut connection = Connection::open(path).map_err(explain)?;
        connection.execute_batch(PRAGMAS).map_err(explain)?;
        let mode = set_wal(&connection).map_err(explain)?;
        if mode != "wal" {
            return Err(Error::Open { path: path.to_owned(), reason: format!("it stays in journal mode {mode}") });
        }
        // The first write takes the lock, so that a second process fails here and not later.
        connection.execute_batch("BEGIN IMMEDIATE; COMMIT;").map_err(explain)?;
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
        if verdict != "ok" {
            return Err(Error::Damaged { path: path.to_owned(), reason: verdict });
        }
        schema::migrate(&mut connection, path)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Copies the log into the database when it has so many pages.
    #[cfg(test)]
    pub(super) fn checkpoint_every(&self, pages: u32) {
        self.connection.pragma_update(None, "wal_autocheckpoint", pages).unwrap();
    }

    fn try_commit(&mut self, changes: &[Change]) -> Result<(), Error> {
        let sql = sql(&self.path, "take a change");
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        for change in changes {
            write(&transaction, &self.path, change)?;
        }
        transaction.commit().map_err(sql)
    }

    fn rows<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<T>, Error> {
        let sql = sql(&self.path, "read rows");
        let mut statement = self.connection.prepare(&format!("SELECT id, body FROM {table}")).map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let id: String = row.get(0).map_err(sql)?;
            let body = row.get_ref(1).and_then(|v| v.as_str().map_err(Into::into)).map_err(sql)?;
            let value = serde_json::from_str(body).map_err(|e| Error::Damaged {
                path: self.path.clone(),
                reason: format!("row {id} of table {table} cannot be read: {e}"),
            })?;
            all.push(value);
        }
        Ok(all)
    }
}

/// Makes the file if it is not there, and keeps others from reading it: it holds password hashes and keys.
fn own_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.sync_all()?;
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The mode that it is in then: SQLite goes on in another one where it cannot have this, and in that one an answered write
/// does not survive a sync that failed. A disk that fails is told only after the answer, so it is read to its end.
fn set_wal(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("PRAGMA journal_mode=WAL")?;
    let mut rows = statement.query([])?;
    let mut mode = String::new();
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    Ok(mode)
}

pub(super) fn explain(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse { path },
        Some(ErrorCode::DiskFull) => Error::Full { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Damaged { path, reason: error.to_string() }
        }
        _ => Error::Open { path, reason: error.to_string() },
    }
}

fn sql(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> Error + Copy {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full { path: path.to_owned() },
        Some(ErrorCode::SystemIoFailure) => Error::Disk { action, path: path.to_owned(), reason: source.to_string() },
        _ => Error::Sql { action, source },
    }
}

impl Store for SqliteStore {
    fn copy(&mut self) -> Result<File, Error> {
        copy::detached(&self.connection, &self.path)
    }

    fn load(&mut self) -> Result<Rows, Error> {
        Ok(Rows {
            networks: self.rows("networks")?,
            subnets: self.rows("subnets")?,
            addresses_given: self.rows("addresses_given")?,
            subnetpools: self.rows("subnetpools")?,
            ports: self.rows("ports")?,
            security_groups: self.rows("security_groups")?,
            security_group_rules: self.rows("security_group_rules")?,
            routers: self.rows("routers")?,
            trunks: self.rows("trunks")?,
            default_rules: self.rows("default_rules")?,
            address_groups: self.rows("address_groups")?,
            floating_ips: self.rows("floating_ips")?,
            port_forwardings: self.rows("port_forwardings")?,
            quotas: self.rows("quotas")?,
            rbac_policies: self.rows("rbac_policies")?,
            qos_policies: self.rows("qos_policies")?,
            bandwidth_limits: self.rows("bandwidth_limits")?,
            dscp_markings: self.rows("dscp_markings")?,
        })
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), Error> {
        match self.try_commit(changes) {
            Err(Error::Full { .. }) => {
                // What the log has goes into the database if it fits, and the log's own room is used anew.
                let _ = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
                self.try_commit(changes)
            }
            done => done,
        }
    }

    fn room(&self) -> Result<(), Error> {
        // Where the system does not say, SQLite does when it comes to it.
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return Ok(()) };
        let reserve = RESERVE.min(disk.f_blocks * disk.f_frsize / 4);
        let left = disk.f_bfree * disk.f_frsize;
        if left < reserve { Err(Error::Full { path: self.path.clone() }) } else { Ok(()) }
    }

    fn setting(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.connection
            .query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(sql(&self.path, "read a setting"))
    }

    fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.connection
            .execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                params![key, value],
            )
            .map(|_| ())
            .map_err(sql(&self.path, "write a setting"))
    }

    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let sql = sql(&self.path, "read settings");
        let mut statement = self.connection.prepare("SELECT key, value FROM settings ORDER BY key").map_err(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(sql)?;
        rows.collect::<Result<_, _>>().map_err(sql)
    }
}

fn write(transaction: &Transaction<'_>, path: &Path, change: &Change) -> Result<(), Error> {
    let run = |statement: &str, values: &[&dyn ToSql]| {
        transaction
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(values))
            .map(|_| ())
            .map_err(sql(path, "take a change"))
    };
    // Updated in place: REPLACE would silently remove another row that has the same MAC address.
    match change {
        Change::Network(id, Some(row)) => run(
            "INSERT INTO networks (id, body, zone) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, zone = ?3",
            &[&id.to_string(), &json(&**row)?, &row.zone],
        ),
        Change::Subnet(id, Some(row)) => run(
            "INSERT INTO subnets (id, body, network_id, subnetpool_id) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET body = ?2, network_id = ?3, subnetpool_id = ?4",
            &[
                &id.to_string(),
                &json(&**row)?,
                &row.network_id.to_string(),
                &row.subnetpool_id.map(|pool| pool.to_string()),
            ],
        ),
        Change::AddressGiven(id, Some(row)) => run(
            "INSERT INTO addresses_given (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::SubnetPool(id, Some(row)) => run(
            "INSERT INTO subnetpools (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::Port(id, Some(row)) => {
            run(
                "INSERT INTO ports (id, body, network_id, mac) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (id) DO UPDATE SET body = ?2, network_id = ?3, mac = ?4",
                &[&id.to_string(), &json(&**row)?, &row.network_id.to_string(), &row.mac_address.to_string()],
            )?;
            write_addresses(transaction, row).map_err(sql(path, "take a port's addresses"))
        }
        Change::SecurityGroup(id, Some(row)) => run(
            "INSERT INTO security_groups (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::SecurityGroupRule(id, Some(row)) => run(
            "INSERT INTO security_group_rules (id, body, security_group_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, security_group_id = ?3",
            &[&id.to_string(), &json(&**row)?, &row.security_group_id.to_string()],
        ),
        Change::Router(id, Some(row)) => run(
            "INSERT INTO routers (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::Trunk(id, Some(row)) => run(
            "INSERT INTO trunks (id, body, port_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, port_id = ?3",
            &[&id.to_string(), &json(&**row)?, &row.port_id.to_string()],
        ),
        Change::AddressGroup(id, Some(row)) => run(
            "INSERT INTO address_groups (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::DefaultRule(id, Some(row)) => run(
            "INSERT INTO default_rules (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::FloatingIp(id, Some(row)) => run(
            "INSERT INTO floating_ips (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::PortForwarding(id, Some(row)) => run(
            "INSERT INTO port_forwardings (id, body, floating_ip_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, floating_ip_id = ?3",
            &[&id.to_string(), &json(&**row)?, &row.floatingip_id.to_string()],
        ),
        Change::Quota(id, Some(row)) => run(
            "INSERT INTO quotas (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::RbacPolicy(id, Some(row)) => run(
            "INSERT INTO rbac_policies (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::QosPolicy(id, Some(row)) => run(
            "INSERT INTO qos_policies (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
            &[&id.to_string(), &json(&**row)?],
        ),
        Change::BandwidthLimit(id, Some(row)) => run(
            "INSERT INTO bandwidth_limits (id, body, qos_policy_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, qos_policy_id = ?3",
            &[&id.to_string(), &json(&**row)?, &row.qos_policy_id.to_string()],
        ),
        Change::DscpMarking(id, Some(row)) => run(
            "INSERT INTO dscp_markings (id, body, qos_policy_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?2, qos_policy_id = ?3",
            &[&id.to_string(), &json(&**row)?, &row.qos_policy_id.to_string()],
        ),
        Change::Network(id, None) => run("DELETE FROM networks WHERE id = ?1", &[&id.to_string()]),
        Change::Subnet(id, None) => run("DELETE FROM subnets WHERE id = ?1", &[&id.to_string()]),
        Change::AddressGiven(id, None) => run("DELETE FROM addresses_given WHERE id = ?1", &[&id.to_string()]),
        Change::SubnetPool(id, None) => run("DELETE FROM subnetpools WHERE id = ?1", &[&id.to_string()]),
        Change::Port(id, None) => run("DELETE FROM ports WHERE id = ?1", &[&id.to_string()]),
        Change::SecurityGroup(id, None) => run("DELETE FROM security_groups WHERE id = ?1", &[&id.to_string()]),
        Change::SecurityGroupRule(id, None) => {
            run("DELETE FROM security_group_rules WHERE id = ?1", &[&id.to_string()])
        }
        Change::Router(id, None) => run("DELETE FROM routers WHERE id = ?1", &[&id.to_string()]),
        Change::Trunk(id, None) => run("DELETE FROM trunks WHERE id = ?1", &[&id.to_string()]),
        Change::AddressGroup(id, None) => run("DELETE FROM address_groups WHERE id = ?1", &[&id.to_string()]),
        Change::DefaultRule(id, None) => run("DELETE FROM default_rules WHERE id = ?1", &[&id.to_string()]),
        Change::FloatingIp(id, None) => run("DELETE FROM floating_ips WHERE id = ?1", &[&id.to_string()]),
        Change::PortForwarding(id, None) => run("DELETE FROM port_forwardings WHERE id = ?1", &[&id.to_string()]),
        Change::Quota(id, None) => run("DELETE FROM quotas WHERE id = ?1", &[&id.to_string()]),
        Change::QosPolicy(id, None) => run("DELETE FROM qos_policies WHERE id = ?1", &[&id.to_string()]),
        Change::BandwidthLimit(id, None) => run("DELETE FROM bandwidth_limits WHERE id = ?1", &[&id.to_string()]),
        Change::DscpMarking(id, None) => run("DELETE FROM dscp_markings WHERE id = ?1", &[&id.to_string()]),
        Change::RbacPolicy(id, None) => run("DELETE FROM rbac_policies WHERE id = ?1", &[&id.to_string()]),
    }
}

fn json<T: Serialize>(row: &T) -> Result<String, Error> {
    serde_json::to_string(row).map_err(Error::Json)
}

fn write_addresses(transaction: &Transaction<'_>, port: &Port) -> rusqlite::Result<()> {
    let id = port.id.to_string();
    transaction.prepare_cached("DELETE FROM ip_allocations WHERE port_id = ?1")?.execute([&id])?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO ip_allocations (subnet_id, ip, port_id) VALUES (?1, ?2, ?3)")?;
    for ip in &port.fixed_ips {
        let octets = match ip.ip_address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        insert.execute(params![ip.subnet_id.to_string(), octets, id])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::MIGRATIONS;
    use kuryr_neutron::{RbacAction, RbacTarget};

    #[test]
    fn what_all_could_use_before_there_were_policies_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kuryr.db");
        let connection = Connection::open(&path).unwrap();
        MIGRATIONS[..6].iter().for_each(|migration| connection.execute_batch(migration).unwrap());
        connection.pragma_update(None, "user_version", 6).unwrap();
        for (zone, shared, external) in [(1, true, false), (2, false, true), (3, true, true), (4, false, false)] {
            let id = format!("00000000-0000-4000-8000-00000000000{zone}");
            let body = serde_json::json!({
                "id": id, "project_id": "p", "zone": zone, "shared": shared, "router:external": external,
            });
            let insert = "INSERT INTO networks (id, body, zone) VALUES (?1, ?2, ?3)";
            connection.execute(insert, params![id, body.to_string(), zone]).unwrap();
        }
        drop(connection);
        let rows = SqliteStore::open(&path).unwrap().load().unwrap();
        assert!(rows.networks.iter().all(|record| !record.network.shared));
        let mut policies: Vec<_> = rows
            .rbac_policies
            .iter()
            .map(|policy| {
                assert_eq!((policy.project_id.0.as_str(), &policy.target_tenant), ("p", &RbacTarget::All));
                (policy.object.id().as_u128() & 0xf, policy.action)
            })
            .collect();
        policies.sort_unstable();
        let (shared, external) = (RbacAction::AccessAsShared, RbacAction::AccessAsExternal);
        assert_eq!(policies, [(1, shared), (2, external), (3, shared), (3, external)]);
    }

    #[test]
    fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("kuryr.db")).unwrap();
        let (full, name) = (2, "synchronous");
        assert_eq!(store.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap(), full);
    }
}
