//! Events of links, as they happen.

use crate::{error::Error, link::Link, namespace::Namespace};

/// What happened to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// It appeared, or changed.
    Added(Link),
    /// It went, or moved to another namespace.
    Removed {
        /// Its index.
        index: u32,
        /// Its last name.
        name: String,
    },
    /// Events were lost: read the list of links again.
    Resync,
}

/// Listens to the links of a namespace.
#[derive(Debug)]
pub struct LinkMonitor {}

impl LinkMonitor {
    /// Starts to listen; must be called within a tokio runtime. Events from before are not seen: list the links after
    /// this call.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        let _ = namespace;
        Err(crate::Cause::Unsupported.during("monitor links", ""))
    }

    /// Waits for the next event. Safe to cancel.
    pub async fn next(&mut self) -> Result<LinkEvent, Error> {
        Err(crate::Cause::Unsupported.during("monitor links", ""))
    }
}
