//! Networks and subnet pools that are being made, and whether something of them may have been left.

use crate::recent::Recent;
use kuryr_ports::DockerId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the comparison with Neutron has to know of requests for networks and pools.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    in_doubt: AtomicBool,
    pools: AtomicUsize,
    networks: Recent<DockerId, ()>,
}

/// A pool is being made for as long as this lives.
#[derive(Debug)]
pub(crate) struct PoolBeingMade<'a>(&'a Unsettled);

impl Unsettled {
    /// A removal was asked for, or a creation failed: Docker does not come back for what it left, whatever we answered.
    pub(crate) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::SeqCst);
    }

    /// Whether there was a doubt since the last time. The asker looks at everything, or doubts again.
    pub(crate) fn take_doubt(&self) -> bool {
        self.in_doubt.swap(false, Ordering::SeqCst)
    }

    /// A pool is being made; its reservation is there before the guard goes.
    pub(crate) fn make_pool(&self) -> PoolBeingMade<'_> {
        self.pools.fetch_add(1, Ordering::SeqCst);
        PoolBeingMade(self)
    }

    /// True while Neutron may have a pool that nobody here knows yet.
    pub(crate) fn is_making_pools(&self) -> bool {
        self.pools.load(Ordering::SeqCst) > 0
    }

    /// Docker creates this network, and will have it a moment after our answer.
    pub(crate) fn make_network(&self, id: &DockerId) {
        self.networks.put(id.clone(), ());
    }

    /// Docker will not have this network: its creation failed, or its removal was asked for.
    pub(crate) fn end_network(&self, id: &DockerId) {
        self.networks.forget(id);
        self.doubt();
    }

    /// The networks that Docker may be about to have.
    pub(crate) fn networks(&self) -> Vec<DockerId> {
        self.networks.keys()
    }
}

impl Drop for PoolBeingMade<'_> {
    fn drop(&mut self) {
        self.0.pools.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_told_once_and_what_is_made_is_known() {
        let unsettled = Unsettled::default();
        assert!(!unsettled.take_doubt() && !unsettled.is_making_pools());
        let pool = unsettled.make_pool();
        assert!(unsettled.is_making_pools());
        drop(pool);
        assert!(!unsettled.is_making_pools());
        let id: DockerId = "a".repeat(64).parse().unwrap();
        unsettled.make_network(&id);
        assert!(unsettled.networks() == [id.clone()] && !unsettled.take_doubt());
        unsettled.end_network(&id);
        assert!(unsettled.networks().is_empty() && unsettled.take_doubt() && !unsettled.take_doubt());
    }
}
