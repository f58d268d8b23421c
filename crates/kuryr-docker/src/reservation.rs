//! Pools that Docker has been given, and whose network it has not created yet.
//!
//! `CreateNetwork` names a range, not the pool that `RequestPool` answered. What was handed out last tells which
//! of several pools of one range is meant. It is a hint, not a truth: after a restart Neutron is asked instead.

use ipnet::IpNet;
use kuryr_neutron::{SubnetId, SubnetPool, SubnetPoolId};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Docker creates a network right after asking for its pool; what is older was given up.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// The pools that are on their way to a network.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    held: Mutex<Vec<Reservation>>,
    generation: AtomicU64,
}

#[derive(Debug)]
struct Reservation {
    pool: SubnetPool,
    cidr: IpNet,
    subnet: Option<SubnetId>,
    unserved: bool,
    since: Instant,
}

/// Two networks with one range are being created at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Several;

impl Reservations {
    /// Remembers that Docker has this pool for a range, and for a subnet if the user chose one. `unserved`: the pool
    /// is this network's alone, so that no subnet goes by it before the network is created.
    pub(crate) fn hold(&self, pool: &SubnetPool, cidr: IpNet, subnet: Option<SubnetId>, unserved: bool) {
        let mut held = self.held();
        held.retain(|r| r.pool.id != pool.id);
        held.push(Reservation { pool: pool.clone(), cidr, subnet, unserved, since: Instant::now() });
    }

    /// True when Docker has this pool and no network for it yet.
    pub(crate) fn holds(&self, pool: SubnetPoolId) -> bool {
        self.held().iter().any(|r| r.pool.id == pool)
    }

    /// The range for which Docker has this pool.
    pub(crate) fn range_of(&self, pool: SubnetPoolId) -> Option<IpNet> {
        self.held().iter().find(|r| r.pool.id == pool).map(|r| r.cidr)
    }

    /// True when no subnet can go by this pool yet.
    pub(crate) fn is_unserved(&self, pool: SubnetPoolId) -> bool {
        self.held().iter().any(|r| r.pool.id == pool && r.unserved)
    }

    /// True when Docker has a pool of its own for this range, and must be about to create the network.
    pub(crate) fn is_being_made(&self, cidr: IpNet) -> bool {
        self.held().iter().any(|r| r.cidr == cidr && r.unserved)
    }

    /// The subnet that the user chose when Docker asked for this pool.
    pub(crate) fn subnet_of(&self, pool: SubnetPoolId) -> Option<SubnetId> {
        self.held().iter().find(|r| r.pool.id == pool).and_then(|r| r.subnet)
    }

    /// The pool that Docker must mean by a range.
    pub(crate) fn find(&self, cidr: IpNet, subnet: Option<SubnetId>) -> Result<Option<SubnetPool>, Several> {
        let held = self.held();
        let mut fitting: Vec<&Reservation> = held.iter().filter(|r| r.cidr == cidr).collect();
        if fitting.iter().any(|r| r.subnet == subnet) {
            fitting.retain(|r| r.subnet == subnet);
        }
        match fitting.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.pool.clone())),
            _ => Err(Several),
        }
    }

    /// The pool has its network, or was given back.
    pub(crate) fn forget(&self, pool: SubnetPoolId) {
        self.held().retain(|r| r.pool.id != pool);
    }

    /// No network is being created; what is asked for at this moment is for none.
    pub(crate) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.held().clear();
    }

    /// Another number after each [`Self::forget_all`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn held(&self) -> MutexGuard<'_, Vec<Reservation>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|r| r.since.elapsed() < FORGOTTEN_AFTER);
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> SubnetPool {
        serde_json::from_value(serde_json::json!({
            "id": SubnetPoolId::random(), "prefixes": ["10.0.0.0/24"],
            "default_prefixlen": 24, "min_prefixlen": 8, "max_prefixlen": "32",
        }))
        .unwrap()
    }

    #[test]
    fn one_range_asked_for_twice_at_once_is_told() {
        let (reservations, first, second) = (Reservations::default(), pool(), pool());
        let cidr: IpNet = "10.0.0.0/24".parse().unwrap();
        assert_eq!(reservations.find(cidr, None), Ok(None));
        reservations.hold(&first, cidr, None, true);
        reservations.hold(&first, cidr, None, true);
        assert_eq!(reservations.find(cidr, None).unwrap().unwrap().id, first.id);
        reservations.hold(&second, cidr, None, true);
        assert_eq!(reservations.find(cidr, None), Err(Several));
        reservations.forget(second.id);
        assert_eq!(reservations.find(cidr, None).unwrap().unwrap().id, first.id);
        assert_eq!(reservations.range_of(first.id), Some(cidr));
        assert!(!reservations.holds(second.id));
    }

    #[test]
    fn a_chosen_subnet_tells_pools_of_one_range_apart() {
        let (reservations, plain, chosen) = (Reservations::default(), pool(), pool());
        let (cidr, subnet) = ("10.0.0.0/24".parse().unwrap(), Some(SubnetId::random()));
        reservations.hold(&plain, cidr, None, true);
        reservations.hold(&chosen, cidr, subnet, true);
        assert_eq!(reservations.find(cidr, subnet).unwrap().unwrap().id, chosen.id);
        assert_eq!(reservations.find(cidr, None).unwrap().unwrap().id, plain.id);
    }
}
