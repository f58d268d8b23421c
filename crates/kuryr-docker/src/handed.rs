//! Pools and gateways that this process has handed out to Docker, for as long as Docker has them.
//!
//! It spares questions, and tells which pool goes with which Docker network, which Docker never says. What is not known
//! here, after a restart, is asked of Neutron.

use kuryr_neutron::{NetworkId, SubnetPoolId};
use kuryr_ports::DockerId;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The pools, by their ids.
#[derive(Debug, Default)]
pub(crate) struct HandedOut {
    pools: Mutex<HashMap<SubnetPoolId, Handed>>,
    /// Networks that a Docker network of an earlier process has left; its pool may be yet to come back.
    left: Mutex<HashSet<NetworkId>>,
}

#[derive(Debug, Default)]
struct Handed {
    /// This process made the pool, for one Docker network alone.
    made_here: bool,
    /// The Docker network that was created with it.
    user: Option<DockerId>,
    /// The removal of its Docker network was tried: what it could not do is done when the pool comes back.
    tried: bool,
    /// Docker has given it back.
    given_back: bool,
    /// The network on which its subnet is, if no Docker network is known to be its user.
    network: Option<NetworkId>,
    /// It went with its network.
    gone: bool,
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

    /// A Docker network was created with this pool.
    pub(crate) fn used(&self, pool: SubnetPoolId, network: &DockerId) {
        self.pools().entry(pool).or_default().user = Some(network.clone());
    }

    /// The Docker network that was created with this pool.
    pub(crate) fn user_of(&self, pool: SubnetPoolId) -> Option<DockerId> {
        self.pools().get(&pool)?.user.clone()
    }

    /// True when the Docker network that has this pool is known, and its removal is yet to come: it takes the pool along.
    pub(crate) fn has_user(&self, pool: SubnetPoolId) -> bool {
        self.pools().get(&pool).is_some_and(|handed| handed.user.is_some() && !handed.tried)
    }

    /// The removal of a Docker network failed.
    pub(crate) fn tried(&self, user: &DockerId) {
        self.pools()
            .values_mut()
            .filter(|handed| handed.user.as_ref() == Some(user))
            .for_each(|handed| handed.tried = true);
    }

    /// Docker has given the pool back before it removes the network; `on` tells which, if the user is not known.
    pub(crate) fn give_back(&self, pool: SubnetPoolId, on: Option<NetworkId>) {
        let mut pools = self.pools();
        let handed = pools.entry(pool).or_default();
        (handed.given_back, handed.network) = (true, on);
    }

    /// The pools that go with a Docker network: its own, and those that came back and had a subnet on its network.
    pub(crate) fn going_with(&self, user: &DockerId, network: Option<NetworkId>) -> Vec<SubnetPoolId> {
        let goes = |handed: &Handed| {
            !handed.gone
                && match &handed.user {
                    Some(own) => own == user,
                    None => handed.network.is_some() && handed.network == network,
                }
        };
        self.pools().iter().filter(|(_, handed)| goes(handed)).map(|(pool, _)| *pool).collect()
    }

    /// The pool went with its network, and is known until Docker has given it back.
    pub(crate) fn went(&self, pool: SubnetPoolId) {
        let mut pools = self.pools();
        if pools.get(&pool).is_some_and(|handed| handed.given_back) {
            pools.remove(&pool);
        } else {
            pools.entry(pool).or_default().gone = true;
        }
    }

    /// True when there is nothing left to do for this pool.
    pub(crate) fn is_gone(&self, pool: SubnetPoolId) -> bool {
        self.pools().get(&pool).is_some_and(|handed| handed.gone)
    }

    /// Docker has given the pool back.
    pub(crate) fn forget(&self, pool: SubnetPoolId) {
        self.pools().remove(&pool);
    }

    /// A Docker network has left this network, and which pool it had is not known.
    pub(crate) fn leave(&self, network: NetworkId) {
        self.left().insert(network);
    }

    /// True when the pool of a subnet on this network may come back after its Docker network went.
    pub(crate) fn was_left(&self, network: NetworkId) -> bool {
        self.left().contains(&network)
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<SubnetPoolId, Handed>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, HashSet<NetworkId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
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
        handed.made(pool);
        assert!(handed.is_made_here(pool) && !handed.has_user(pool));
        handed.forget(pool);
        assert!(!handed.is_gateway(pool, address) && !handed.is_made_here(pool));
    }

    #[test]
    fn a_pool_goes_with_its_docker_network() {
        let (handed, network) = (HandedOut::default(), NetworkId::random());
        let (known, unknown, foreign) = (SubnetPoolId::random(), SubnetPoolId::random(), SubnetPoolId::random());
        let (mine, other): (DockerId, DockerId) = ("a".repeat(64).parse().unwrap(), "b".repeat(64).parse().unwrap());
        handed.used(known, &mine);
        handed.used(foreign, &other);
        handed.give_back(foreign, None);
        handed.give_back(unknown, Some(network));
        let mut going = handed.going_with(&mine, Some(network));
        going.sort();
        let mut wanted = vec![known, unknown];
        wanted.sort();
        assert_eq!(going, wanted);
        handed.went(known);
        assert!(handed.is_gone(known) && handed.going_with(&mine, Some(network)) == [unknown]);
        handed.went(unknown);
        assert!(!handed.is_gone(unknown), "Docker has nothing more to say about it");
    }
}
