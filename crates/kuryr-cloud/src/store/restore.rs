//! The way back: a copy in the database's place.

use super::{Error, copy, schema};
use rusqlite::{Connection, config::DbConfig};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Tables that every version has.
const TABLES: [&str; 3] = ["settings", "networks", "ports"];

/// The schema's version of a file that is a whole database of the embedded cloud, and none of a newer program's.
pub fn check(file: &Path) -> Result<u32, Error> {
    let foreign = |reason: String| Error::Foreign { path: file.to_owned(), reason };
    let sql = |error: rusqlite::Error| foreign(error.to_string());
    let connection = Connection::open(file).map_err(sql)?;
    for table in TABLES {
        if !connection.table_exists(Some("main"), table).map_err(sql)? {
            return Err(foreign(format!("it has no table {table}")));
        }
    }
    let version = schema::version(&connection, file)?;
    if version == 0 {
        return Err(foreign("it has no version".to_owned()));
    }
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if verdict == "ok" { Ok(version) } else { Err(foreign(verdict)) }
}

/// Puts a copy of `file` in the database's place, and tells where the database that was there is now. Nobody may have it
/// open. It is brought up to date when it is opened next.
pub fn restore(file: &Path, database: &Path) -> Result<Option<PathBuf>, Error> {
    let unreadable = |e: io::Error| Error::Foreign { path: file.to_owned(), reason: e.to_string() };
    let failed = |e: io::Error| Error::Copy { path: database.to_owned(), reason: e.to_string() };
    let mut source = File::open(file).map_err(unreadable)?;
    let part = copy::beside(database, ".part");
    let placed = (|| {
        let mut target = copy::private_file(&part).map_err(failed)?;
        io::copy(&mut source, &mut target).map_err(failed)?;
        check(&part).map_err(|error| named(error, file))?;
        let kept = set_aside(database).map_err(failed)?;
        copy::publish(&part, database).map_err(failed)?;
        Ok(kept)
    })();
    placed.inspect_err(|_| drop(fs::remove_file(&part)))
}

/// The error with the name of the file that was given.
fn named(error: Error, file: &Path) -> Error {
    let path = file.to_owned();
    match error {
        Error::Foreign { reason, .. } => Error::Foreign { path, reason },
        Error::Newer { found, known, .. } => Error::Newer { path, found, known },
        other => other,
    }
}

/// Gives the database that is there another name too, under which it stays.
fn set_aside(database: &Path) -> io::Result<Option<PathBuf>> {
    if !database.exists() {
        return Ok(None);
    }
    // One that is damaged stays as it is, its log too: nothing can be done about a failure here that is not done below.
    let _ = empty_log(database);
    let names = (1..).map(|number| copy::beside(database, &format!(".before-restore-{number}")));
    let Some(kept) = names.into_iter().find(|name| !name.exists()) else { return Ok(None) };
    fs::hard_link(database, &kept)?;
    let log = copy::beside(database, "-wal");
    if log.exists() {
        fs::hard_link(&log, copy::beside(&kept, "-wal"))?;
        copy::sync_folder(database)?;
        fs::remove_file(&log)?;
    }
    // The log's index is made anew where it is wanted.
    let _ = fs::remove_file(copy::beside(database, "-shm"));
    copy::sync_folder(database)?;
    Ok(Some(kept))
}

/// Brings what is in the log into the database, so that it is whole at any moment of what follows; if it is not damaged.
fn empty_log(database: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(database)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        // Then the log goes when this is closed.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    }
    Ok(())
}
