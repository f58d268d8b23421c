//! Networks and subnet pools that are being made, and whether something of them may have been left.

use crate::recent::Recent;
use kuryr_ports::DockerId;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Longer than Docker takes from our answer to its own lists.
const SETTLED: Duration = Duration::from_secs(5);

/// What the comparison with Neutron has to know of requests for networks and pools.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    doubted: Mutex<Option<Instant>>,
    pools: AtomicUsize,
    networks: Recent<DockerId, ()>,
}

/// A pool is being made for as long as this lives.
#[derive(Debug)]
pub(crate) struct PoolBeingMade<'a>(&'a Unsettled);

/// What is removed is in doubt for as long as this lives, and a moment longer.
#[derive(Debug)]
pub(crate) struct Doubt<'a>(&'a Unsettled);

impl Unsettled {
    /// A removal was asked for, or a creation failed: Docker does not come back for what it left, whatever we answered.
    pub(crate) fn doubt(&self) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A removal is under way: a doubt now, and when it ends, whichever way.
    pub(crate) fn doubt_to_the_end(&self) -> Doubt<'_> {
        self.doubt();
        Doubt(self)
    }

    /// Whether who looked at everything then may have missed something of what was doubted.
    pub(crate) fn is_doubtful_since(&self, looked: Instant) -> bool {
        let doubted = *self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        doubted.is_some_and(|doubted| looked < doubted + SETTLED)
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

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.doubt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_lasts_and_what_is_made_is_known() {
        let (unsettled, began) = (Unsettled::default(), Instant::now());
        assert!(!unsettled.is_doubtful_since(began) && !unsettled.is_making_pools());
        let pool = unsettled.make_pool();
        assert!(unsettled.is_making_pools());
        drop(pool);
        assert!(!unsettled.is_making_pools());
        let id: DockerId = "a".repeat(64).parse().unwrap();
        unsettled.make_network(&id);
        assert!(unsettled.networks() == [id.clone()] && !unsettled.is_doubtful_since(began));
        unsettled.end_network(&id);
        assert!(unsettled.networks().is_empty() && unsettled.is_doubtful_since(began));
        assert!(unsettled.is_doubtful_since(Instant::now()), "Docker has not removed it yet");
        assert!(!unsettled.is_doubtful_since(Instant::now() + SETTLED));
        let removal = unsettled.doubt_to_the_end();
        let meanwhile = Instant::now() + SETTLED;
        assert!(!unsettled.is_doubtful_since(meanwhile));
        std::thread::sleep(Duration::from_millis(2));
        drop(removal);
        assert!(unsettled.is_doubtful_since(meanwhile), "it may have failed since");
    }
}
