//! A disk of which the power may be cut: what was synced is on it, of the rest anything may be.

use super::trace::Event;
use std::collections::BTreeMap;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Something that the disk was not yet told to keep.
#[derive(Debug, Clone)]
enum Change {
    Write { file: usize, offset: usize, data: Vec<u8> },
    Resize { file: usize, length: usize },
    Name { name: String, file: Option<usize> },
}

/// What is left of what a failed sync should have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// Nothing, though the page cache calls it written.
    Lost,
    /// All of it.
    Kept,
}

/// A disk and its cache.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Contents that are on it, by number of file.
    contents: Vec<Vec<u8>>,
    /// Names that are on it.
    names: BTreeMap<String, usize>,
    /// Names as processes see them.
    seen: BTreeMap<String, usize>,
    pending: Vec<Change>,
    failed: Failed,
}

impl Disk {
    pub fn new(failed: Failed) -> Self {
        Self { contents: Vec::new(), names: BTreeMap::new(), seen: BTreeMap::new(), pending: Vec::new(), failed }
    }

    /// What a process does to it.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Created(name) if self.seen.contains_key(name) => {}
            Event::Created(name) => {
                let file = self.contents.len();
                self.contents.push(Vec::new());
                self.seen.insert(name.clone(), file);
                self.pending.push(Change::Name { name: name.clone(), file: Some(file) });
            }
            Event::Removed(name) => {
                self.seen.remove(name);
                self.pending.push(Change::Name { name: name.clone(), file: None });
            }
            Event::Wrote { name, offset, data } => {
                let (file, offset, data) = (self.seen[name], *offset, data.clone());
                self.pending.push(Change::Write { file, offset, data });
            }
            Event::Resized { name, length } => {
                self.pending.push(Change::Resize { file: self.seen[name], length: *length });
            }
            Event::Synced(name) => self.sync(name, true),
            Event::SyncFailed(name) => self.sync(name, self.failed == Failed::Kept),
            Event::Said(_) => {}
        }
    }

    /// Keeps what is pending of a file, or of the folder's names; or forgets it.
    fn sync(&mut self, name: &str, keep: bool) {
        let synced = self.seen.get(name).copied();
        assert!(name.is_empty() || synced.is_some(), "{name} was synced and is not there");
        let (mine, others) = std::mem::take(&mut self.pending).into_iter().partition(|change| match change {
            Change::Write { file, .. } | Change::Resize { file, .. } => Some(*file) == synced,
            Change::Name { .. } => name.is_empty(),
        });
        self.pending = others;
        let mine: Vec<Change> = mine;
        mine.iter().filter(|_| keep).for_each(|change| apply(&mut self.contents, &mut self.names, change));
    }

    /// What is found on it if the power is cut now and nothing of what is pending came to it.
    pub fn without_pending(&self) -> Files {
        self.found(&|_| (false, false))
    }

    /// What else may be found, another for each point: all that is pending, all but the first, the last alone, all with
    /// the last one torn, or some of it, as the dice say.
    pub fn with_some_pending(&self, point: usize) -> Files {
        let last = self.pending.len().saturating_sub(1);
        let mut dice = point as u64 + 1;
        let mut roll = || {
            // xorshift64
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        let some: Vec<(bool, bool)> = self.pending.iter().map(|_| (roll() % 2 == 0, roll() % 3 == 0)).collect();
        match point % 5 {
            0 => self.found(&|_| (true, false)),
            1 => self.found(&|i| (i > 0, false)),
            2 => self.found(&|i| (i == last, false)),
            3 => self.found(&|i| (true, i == last)),
            _ => self.found(&|i| some[i]),
        }
    }

    /// `choice` says of each pending change whether it came to the disk, and whether torn.
    fn found(&self, choice: &dyn Fn(usize) -> (bool, bool)) -> Files {
        let (mut contents, mut names) = (self.contents.clone(), self.names.clone());
        for (i, change) in self.pending.iter().enumerate() {
            match (choice(i), change) {
                ((false, _), _) => {}
                ((true, true), Change::Write { file, offset, data }) => {
                    // Up to a sector's end in the middle of it.
                    let end = (offset + data.len() / 2).next_multiple_of(SECTOR).min(offset + data.len());
                    let data = data[..end - offset].to_vec();
                    apply(&mut contents, &mut names, &Change::Write { file: *file, offset: *offset, data });
                }
                ((true, _), change) => apply(&mut contents, &mut names, change),
            }
        }
        names.into_iter().map(|(name, file)| (name, contents[file].clone())).collect()
    }
}

fn apply(contents: &mut [Vec<u8>], names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Write { file, offset, data } => {
            let content = &mut contents[*file];
            content.resize(content.len().max(offset + data.len()), 0);
            content[*offset..offset + data.len()].copy_from_slice(data);
        }
        Change::Resize { file, length } => contents[*file].resize(*length, 0),
        Change::Name { name, file: Some(file) } => {
            names.insert(name.clone(), *file);
        }
        Change::Name { name, file: None } => {
            names.remove(name);
        }
    }
}
