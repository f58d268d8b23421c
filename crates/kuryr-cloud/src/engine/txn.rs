//! A write in progress.

use crate::engine::{AddressGiven, Change, Options, Record, State, row::Row};
use jiff::Timestamp;
use kuryr_neutron::SubnetId;
use std::{collections::BTreeMap, net::IpAddr, ops::Deref, sync::Arc};

/// A state in which changes can be made and taken back. Reads go through [`Deref`] to [`State`] and see them.
///
/// It is the writer's own copy of the state (rows are shared with the readers' copy), so an operation reads what
/// earlier operations of the same batch did through the same indexes, and an error costs only its own undo log.
#[derive(Debug)]
pub struct Txn {
    state: State,
    options: Arc<Options>,
    log: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    done: Change,
    undo: Change,
    /// There was no such row before.
    creates: bool,
}

/// A place in a transaction to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint(usize);

impl Txn {
    /// Starts from a state.
    pub fn new(state: State, options: Arc<Options>) -> Self {
        Self { state, options, log: Vec::new() }
    }

    /// Settings of the engine.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Now, in whole seconds, as Neutron's timestamps are.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        Timestamp::from_second(Timestamp::now().as_second()).ok()
    }

    /// Puts a new row, with its first revision.
    pub(crate) fn insert<R: Row>(&mut self, mut row: R) -> Arc<R> {
        let now = self.now();
        let stamp = row.stamp();
        *stamp.revision = R::FIRST_REVISION;
        *stamp.created_at = now;
        *stamp.updated_at = now;
        self.put(row)
    }

    /// Puts a changed row with the next revision; nothing happens if nothing changed.
    pub(crate) fn save<R: Row>(&mut self, old: &Arc<R>, mut new: R) -> Arc<R> {
        if **old == new {
            return Arc::clone(old);
        }
        let now = self.now();
        let stamp = new.stamp();
        *stamp.revision += 1;
        *stamp.updated_at = now;
        self.put(new)
    }

    /// Gives a row its next revision because something that belongs to it changed.
    pub(crate) fn touch<R: Row>(&mut self, id: R::Id) {
        if let Some(old) = R::table(&self.state).get(&id) {
            let mut new = R::clone(old);
            let now = self.now();
            let stamp = new.stamp();
            *stamp.revision += 1;
            *stamp.updated_at = now;
            self.put(new);
        }
    }

    /// Puts a row as it is.
    pub(crate) fn put<R: Record>(&mut self, row: R) -> Arc<R> {
        let row = Arc::new(row);
        self.step::<R>(row.key(), Some(Arc::clone(&row)));
        row
    }

    /// Removes a row.
    pub(crate) fn remove<R: Record>(&mut self, id: R::Id) {
        self.step::<R>(id, None);
    }

    fn step<R: Record>(&mut self, id: R::Id, row: Option<Arc<R>>) {
        let old = R::table(&self.state).get(&id).cloned();
        let creates = old.is_none() && row.is_some();
        let (undo, done) = (R::change(id, old), R::change(id, row));
        self.state.apply(&done);
        self.log.push(Step { done, undo, creates });
    }

    /// The search for the next free address of the subnet starts behind this one.
    pub(crate) fn give(&mut self, subnet_id: SubnetId, last: IpAddr) {
        self.put(AddressGiven { subnet_id, last });
    }

    /// This place.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.log.len())
    }

    /// True if something was created since, so that more room is needed than before.
    pub fn creates_since(&self, savepoint: Savepoint) -> bool {
        self.log.iter().skip(savepoint.0).any(|step| step.creates)
    }

    /// Takes back everything done since.
    pub fn rollback(&mut self, savepoint: Savepoint) {
        while self.log.len() > savepoint.0 {
            if let Some(step) = self.log.pop() {
                self.state.apply(&step.undo);
            }
        }
    }

    /// Takes back everything since the last [`Txn::committed`].
    pub fn rollback_all(&mut self) {
        self.rollback(Savepoint(0));
    }

    /// Changes since the last [`Txn::committed`], in their order. Of many addresses given on one subnet the last counts.
    pub fn changes(&self) -> Vec<Change> {
        let mut given = BTreeMap::new();
        for (place, step) in self.log.iter().enumerate() {
            if let Change::AddressGiven(subnet, _) = step.done {
                given.insert(subnet, place);
            }
        }
        let counts = |(place, step): &(usize, &Step)| match step.done {
            Change::AddressGiven(subnet, _) => given.get(&subnet) == Some(place),
            _ => true,
        };
        self.log.iter().enumerate().filter(counts).map(|(_, step)| step.done.clone()).collect()
    }

    /// What was done stays: it can no longer be taken back.
    pub fn committed(&mut self) {
        if !self.log.is_empty() {
            self.log.clear();
            self.state.revision += 1;
        }
    }
}

impl Deref for Txn {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}
