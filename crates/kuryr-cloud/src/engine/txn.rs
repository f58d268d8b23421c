//! A write in progress.

use crate::engine::{Options, State};
use std::{ops::Deref, sync::Arc};

/// A state in which changes can be made and taken back. Reads go through [`Deref`] to [`State`] and see them.
#[derive(Debug)]
pub struct Txn {
    state: State,
    options: Arc<Options>,
}

impl Txn {
    /// Starts from a state.
    pub fn new(state: State, options: Arc<Options>) -> Self {
        Self { state, options }
    }

    /// Settings of the engine.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

impl Deref for Txn {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}
