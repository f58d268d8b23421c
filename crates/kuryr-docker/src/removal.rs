//! Removing a network: the last one out takes along what Kuryr made, and only that.
//!
//! Others may join or leave at the same moment. So a network or subnet is deleted only if it still is what it was when
//! its users were counted, and one who leaves others behind looks again after it has left: of two that leave at once, at
//! least one sees that nobody is left.

use crate::{Plugin, answer::Error};
use kuryr_config::CapabilityScope;
use kuryr_neutron::{Network, NetworkId, Port, Resource, Subnet, SubnetPool, SubnetPoolId};
use kuryr_openstack::Query;
use kuryr_ports::{Author, DockerId, NETWORK_NAME_PREFIX, OtherUsers, SUBNET_NAME_PREFIX, author, pool_tag, pool_tags};
use std::collections::BTreeSet;

/// How often a network that others keep changing is looked at.
const LOOKS: usize = 10;

impl Plugin {
    pub(crate) async fn delete_or_leave(&self, found: Network, id: &DockerId) -> Result<(), Error> {
        self.ports.behind().flush(found.id).await;
        let existing = found.tags.contains(&id.existing_network_tag());
        let ours = !existing || is_made_by_kuryr(&found);
        let mut network = found;
        let mut has_left = false;
        for _ in 0..LOOKS {
            let others = OtherUsers::of(&network.tags, &self.settings.control_plane, id);
            let is_done = if others.is_none() && ours {
                self.delete_alone(&network, id, existing).await?
            } else if has_left && !others.is_none() {
                true
            } else {
                has_left = true;
                self.depart(&network, id, others).await?
            };
            if is_done {
                return Ok(());
            }
            match self.ports.neutron().find::<Network>(network.id).await? {
                Some(now) => network = now,
                None => return self.release_pools_of(id, Some(network.id)).await,
            }
        }
        Err(kuryr_ports::Error::Conflict(format!(
            "Network {} is kept: it was changed each of the {LOOKS} times that it was to be deleted",
            network.id
        ))
        .into())
    }

    /// Deletes a network that nobody else uses, with its subnets and their pools; false when it changed meanwhile.
    async fn delete_alone(&self, network: &Network, id: &DockerId, existing: bool) -> Result<bool, Error> {
        let subnets = self.subnets_on(network).await?;
        if let Some(foreign) = subnets.iter().find(|subnet| !is_named_ours(subnet)) {
            if existing {
                return self.depart(network, id, NOBODY).await;
            }
            for subnet in subnets.iter().filter(|subnet| is_named_ours(subnet)) {
                self.delete_own_subnet(subnet).await?;
            }
            self.release_pools_of(id, Some(network.id)).await?;
            return Err(kuryr_ports::Error::Conflict(format!(
                "Network {} is kept: its subnet {} ({}) is not Kuryr's. Delete the subnet, then the network, by hand",
                network.id, foreign.id, foreign.cidr
            ))
            .into());
        }
        // Neutron deletes a network with its subnets at once, or not at all.
        for last in [false, true] {
            match self.delete_unchanged::<Network>(network.id, network.revision_number).await {
                Ok(()) => break,
                Err(error) if error.is_precondition_failed() => return Ok(false),
                Err(error) if error.is_conflict() && !last && !subnets.is_empty() => {
                    for subnet in &subnets {
                        self.delete_leftovers(subnet).await?;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.finish_pools(id, network.id, &subnets).await?;
        Ok(true)
    }

    /// The pools of a Docker network, and of all on this network, which has gone with these subnets.
    pub(crate) async fn finish_pools(
        &self,
        id: &DockerId,
        network: NetworkId,
        subnets: &[Subnet],
    ) -> Result<(), Error> {
        for subnet in subnets {
            self.finish_pools_of(subnet).await?;
        }
        self.release_pools_of(id, Some(network)).await?;
        tracing::info!(docker_network = %id, %network, "deleted");
        Ok(())
    }

    /// Leaves a network to others, or as it was found; false when it has to be looked at again.
    async fn depart(&self, network: &Network, id: &DockerId, others: OtherUsers) -> Result<bool, Error> {
        let subnets = self.subnets_on(network).await?;
        let going = self.pools_going(id, Some(network.id));
        if going.is_empty() {
            self.handed.leave(network.id);
        }
        for pool in going {
            self.release_pool_from(pool, &subnets, others).await?;
        }
        let had_tags = self.leave_network(network, id, others.planes > 0).await?;
        tracing::info!(docker_network = %id, network = %network.id, ?others, "left, it is not only this Docker network's");
        if !others.is_none() {
            return Ok(!had_tags);
        }
        self.remove_stale_halves(network, id).await?;
        // Whatever of Kuryr's is left was there for Docker networks that are gone.
        if subnets.iter().any(|subnet| is_named_ours(subnet) || pool_tags(&subnet.tags).next().is_some()) {
            for subnet in self.subnets_on(network).await? {
                if !is_named_ours(&subnet) {
                    self.untag(&subnet).await?;
                } else if self.delete_own_subnet(&subnet).await? {
                    self.finish_pools_of(&subnet).await?;
                }
            }
        }
        Ok(true)
    }

    /// The pools by which Docker networks knew a subnet that is gone.
    pub(crate) async fn finish_pools_of(&self, subnet: &Subnet) -> Result<(), Error> {
        self.ports.behind().cancel(subnet.id).await;
        self.ports.drain_network(subnet.network_id).await?;
        let pools: BTreeSet<SubnetPoolId> = pool_tags(&subnet.tags).chain(subnet.subnetpool_id).collect();
        for pool in pools.into_iter().filter(|_| self.is_local()) {
            self.finish_pool(pool).await?;
        }
        Ok(())
    }

    /// Takes the pools that Kuryr made from somebody's subnet. Other tags that look like pools may be the owner's.
    async fn untag(&self, subnet: &Subnet) -> Result<(), Error> {
        for pool in pool_tags(&subnet.tags) {
            if let Some(found) = self.ports.neutron().find::<SubnetPool>(pool).await?
                && !self.is_kept(&found)
            {
                self.ports.neutron().remove_tag::<Subnet>(subnet.id, &pool_tag(pool)).await?;
                self.finish_pool(pool).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn subnets_on(&self, network: &Network) -> Result<Vec<Subnet>, Error> {
        if network.subnets.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.ports.neutron().list(&Query::new().eq("network_id", network.id)).await?)
    }

    /// The pools of a Docker network whose subnets are gone.
    pub(crate) async fn release_pools_of(&self, id: &DockerId, on: Option<NetworkId>) -> Result<(), Error> {
        for pool in self.pools_going(id, on) {
            self.finish_pool(pool).await?;
        }
        Ok(())
    }

    /// The pools that go with a Docker network. In a Swarm, its manager alone has pools, and gives them back itself.
    fn pools_going(&self, id: &DockerId, on: Option<NetworkId>) -> Vec<SubnetPoolId> {
        if self.is_local() { self.handed.going_with(id, on) } else { Vec::new() }
    }

    /// True when each Docker network is one host's own.
    pub(crate) fn is_local(&self) -> bool {
        self.settings.capability_scope == CapabilityScope::Local
    }

    /// Takes a pool from the subnets of a network that others use too, and deletes it if it is Kuryr's.
    pub(crate) async fn release_pool_from(
        &self,
        pool: SubnetPoolId,
        subnets: &[Subnet],
        others: OtherUsers,
    ) -> Result<(), Error> {
        let made_here = self.handed.is_made_here(pool);
        let served = |subnet: &&Subnet| goes_by(subnet, pool, made_here);
        let Some(is_ipv4) = subnets.iter().find(served).map(|subnet| subnet.cidr.addr().is_ipv4()) else {
            return self.finish_pool(pool).await;
        };
        let same_version = subnets.iter().filter(|subnet| subnet.cidr.addr().is_ipv4() == is_ipv4);
        let other_pools: BTreeSet<SubnetPoolId> =
            same_version.flat_map(|subnet| pool_tags(&subnet.tags)).filter(|other| *other != pool).collect();
        // kuryr-libnetwork looks pools up by their names, and may have found this one; one that somebody else made may
        // have been chosen by several.
        let sharing = if made_here { others.strangers } else { others.networks };
        if sharing > 0 && others.networks > other_pools.len() {
            tracing::info!(%pool, "kept with its subnet: another Docker network on the network has no pool of its own");
            self.handed.went(pool);
            for subnet in subnets.iter().filter(served).filter(|subnet| !subnet.tags.contains(&pool_tag(pool))) {
                self.ports.neutron().add_tag::<Subnet>(subnet.id, &pool_tag(pool)).await?;
            }
            return Ok(());
        }
        for subnet in subnets.iter().filter(served) {
            self.release_subnet(pool, subnet).await?;
        }
        self.finish_pool(pool).await
    }

    /// Deletes one of Kuryr's subnets, and addresses nobody waits for any more; false when it is still in use.
    pub(crate) async fn delete_own_subnet(&self, subnet: &Subnet) -> Result<bool, Error> {
        for last in [false, true] {
            match self.delete_unchanged::<Subnet>(subnet.id, subnet.revision_number).await {
                Ok(()) => return Ok(true),
                Err(error) if error.is_conflict() && !last => self.delete_leftovers(subnet).await?,
                Err(error) if error.is_conflict() || error.is_precondition_failed() => {
                    tracing::warn!(subnet = %subnet.id, %error, "kept, because it is still in use");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Deletes what still is as it was read. A cloud without revisions is asked without a condition.
    async fn delete_unchanged<R: Resource>(&self, id: R::Id, revision: u64) -> Result<(), kuryr_openstack::Error> {
        let neutron = self.ports.neutron();
        let gone = match revision {
            0 => neutron.delete_if_exists::<R>(id).await?,
            revision => neutron.delete_if::<R>(id, revision).await?,
        };
        if !gone {
            tracing::debug!(kind = R::MEMBER, %id, "was gone already");
        }
        Ok(())
    }

    /// Deletes Kuryr's ports on a subnet that no endpoint uses: reservations, and what a crash left.
    pub(crate) async fn delete_leftovers(&self, subnet: &Subnet) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        for port in neutron.list::<Port>(&Query::new().fixed_ip(subnet.id, None)).await? {
            self.ports.remove_left_behind(&port).await?;
        }
        Ok(())
    }
}

const NOBODY: OtherUsers = OtherUsers { planes: 0, networks: 0, strangers: 0 };

/// True for a network that some Kuryr created for a Docker network, under its name and with its signature.
pub(crate) fn is_made_by_kuryr(network: &Network) -> bool {
    network.name.starts_with(NETWORK_NAME_PREFIX) && matches!(author(&network.description), Author::Kuryr(_))
}

/// True for a subnet under a name that Kuryr gives.
pub(crate) fn is_named_ours(subnet: &Subnet) -> bool {
    subnet.name.starts_with(SUBNET_NAME_PREFIX)
}

/// True when Docker knows a subnet by this pool. A new subnet has its tag a moment later, and others may be quicker.
fn goes_by(subnet: &Subnet, pool: SubnetPoolId, made_here: bool) -> bool {
    let mut pools = pool_tags(&subnet.tags).peekable();
    let is_young = made_here || pools.peek().is_none();
    pools.any(|tag| tag == pool) || (is_young && subnet.subnetpool_id == Some(pool))
}
