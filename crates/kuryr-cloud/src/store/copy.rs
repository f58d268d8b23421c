//! Copies of a database: whole, consistent, private, and under their name only when they are on the disk.

use super::{Error, sqlite::explain};
use rusqlite::Connection;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A copy of the database of a cloud that does not run, as [`super::Store::copy`] gives it of one that does.
pub fn copy_of(database: &Path) -> Result<File, Error> {
    // Not made if it is not there.
    File::open(database).map_err(|e| Error::Open { path: database.to_owned(), reason: e.to_string() })?;
    let connection = Connection::open(database).map_err(|e| explain(database, e))?;
    detached(&connection, database)
}

/// A copy that has no name; it goes when it is closed. It is made beside the database, where its disk has to have room for it.
pub(super) fn detached(connection: &Connection, database: &Path) -> Result<File, Error> {
    let path = beside(database, ".copy");
    let made = into(connection, &path).and_then(|()| File::open(&path).map_err(|e| failed(&path, &e)));
    // What has failed halfway goes too.
    let removed = fs::remove_file(&path);
    let file = made?;
    removed.map_err(|e| failed(&path, &e))?;
    Ok(file)
}

/// A copy under this name, in place of what has it.
pub(super) fn write(connection: &Connection, to: &Path) -> Result<(), Error> {
    let part = beside(to, ".part");
    into(connection, &part).inspect_err(|_| drop(fs::remove_file(&part)))?;
    publish(&part, to).map_err(|e| failed(to, &e))
}

/// Gives a file that is complete its name.
pub(crate) fn publish(part: &Path, to: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, to)?;
    sync_folder(to)
}

/// Makes names in a file's folder durable.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A new file, mode 0600, in place of what was left under its name.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A path with a longer name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn into(connection: &Connection, path: &Path) -> Result<(), Error> {
    private_file(path).map_err(|e| failed(path, &e))?;
    let name = path.to_str().ok_or_else(|| failed(path, &"its name is not UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [name]).map(drop).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, reason: &dyn ToString) -> Error {
    Error::Copy { path: path.to_owned(), reason: reason.to_string() }
}
