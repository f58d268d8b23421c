//! A store that forgets: for tests, and for clouds that shall leave nothing behind.

use crate::{
    engine::{Change, State},
    store::{Error, Rows, Store},
};
use std::collections::BTreeMap;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: State,
    settings: BTreeMap<String, Vec<u8>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { state: State::fresh(), settings: BTreeMap::new() }
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Rows, Error> {
        Ok(self.state.to_rows())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), Error> {
        changes.iter().for_each(|change| self.state.apply(change));
        Ok(())
    }

    fn setting(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.settings.get(key).cloned())
    }

    fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.settings.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn settings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        Ok(self.settings.clone().into_iter().collect())
    }
}
