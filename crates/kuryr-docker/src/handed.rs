//! Pools and gateways that this process has handed out to Docker, for as long as Docker has them.
//!
//! It only spares questions: what is not known here, after a restart, is asked of Neutron.

use kuryr_neutron::SubnetPoolId;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The pools, by their ids.
#[derive(Debug, Default)]
pub(crate) struct HandedOut {
    pools: Mutex<HashMap<SubnetPoolId, Handed>>,
}

#[derive(Debug, Default)]
struct Handed {
    /// This process made the pool, for one Docker network alone.
    made_here: bool,
    /// Its subnet went with its network.
    subnet_gone: bool,
    gateways: HashSet<IpAddr>,
}

impl HandedOut {
    /// This process made the pool.
    pub(crate) fn made(&self, pool: SubnetPoolId) {
        self.pools().entry(pool).or_default().made_here = true;
    }

    /// True when this process made the pool: then it is Kuryr's, and for one Docker network alone.
    pub(crate) fn is_made_here(&self, pool: SubnetPoolId) -> bool {
        self.pools().get(&pool).is_some_and(|handed| handed.made_here)
    }

    /// Docker was told this gateway, for which there is no port.
    pub(crate) fn gateway(&self, pool: SubnetPoolId, address: IpAddr) {
        self.pools().entry(pool).or_default().gateways.insert(address);
    }

    /// True for a gateway that Docker was told.
    pub(crate) fn is_gateway(&self, pool: SubnetPoolId, address: IpAddr) -> bool {
        self.pools().get(&pool).is_some_and(|handed| handed.gateways.contains(&address))
    }

    /// The subnet that went by this pool was deleted with its network.
    pub(crate) fn subnet_gone(&self, pool: SubnetPoolId) {
        if let Some(handed) = self.pools().get_mut(&pool) {
            handed.subnet_gone = true;
        }
    }

    /// True when nothing but the pool itself is left.
    pub(crate) fn is_subnet_gone(&self, pool: SubnetPoolId) -> bool {
        self.pools().get(&pool).is_some_and(|handed| handed.made_here && handed.subnet_gone)
    }

    /// Docker has given the pool back.
    pub(crate) fn forget(&self, pool: SubnetPoolId) {
        self.pools().remove(&pool);
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<SubnetPoolId, Handed>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_handed_out_is_known() {
        let (handed, pool, other) = (HandedOut::default(), SubnetPoolId::random(), SubnetPoolId::random());
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        handed.gateway(pool, address);
        assert!(handed.is_gateway(pool, address) && !handed.is_gateway(other, address) && !handed.is_made_here(pool));
        handed.subnet_gone(pool);
        assert!(!handed.is_subnet_gone(pool), "the pool of somebody else may serve more");
        handed.made(pool);
        assert!(handed.is_made_here(pool) && handed.is_subnet_gone(pool));
        handed.subnet_gone(other);
        assert!(!handed.is_subnet_gone(other));
        handed.forget(pool);
        assert!(!handed.is_gateway(pool, address) && !handed.is_made_here(pool));
    }
}
