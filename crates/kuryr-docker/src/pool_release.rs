//! `ReleasePool`: a pool and the subnets that Docker knew by it.
//!
//! Docker calls it before or after `DeleteNetwork`, depending on its age. Both orders leave nothing behind.

use crate::{Plugin, answer::Error, removal::is_named_ours, request::ipam::read_release_pool};
use axum::body::Bytes;
use kuryr_neutron::{Network, Subnet, SubnetPool, SubnetPoolId};
use kuryr_openstack::if_there;
use kuryr_ports::{OtherUsers, existing_pool_tag, pool_tag, pool_tags};
use serde_json::{Value, json};

impl Plugin {
    pub(crate) async fn release_pool(self, body: Bytes) -> Result<Value, Error> {
        let id = read_release_pool(&body)?;
        let _doubt = self.unsettled.doubt_to_the_end();
        let result = if_there(self.release(id)).await;
        self.reservations.forget(id);
        self.known_subnets.forget(&id);
        self.pool_users.forget(&id);
        if result? {
            self.handed.forget(id);
        }
        Ok(json!({}))
    }

    /// False when the removal of the Docker network, which Docker asks for next, is to take the pool along: only it can
    /// count the network's users, and there is one moment then in which all goes.
    async fn release(&self, id: SubnetPoolId) -> Result<bool, Error> {
        if self.handed.is_gone(id) {
            return Ok(true);
        }
        if self.is_local() && self.handed.has_user(id) {
            self.handed.give_back(id, None);
            return Ok(false);
        }
        if !self.handed.is_made_here(id) {
            match self.ports.neutron().find::<SubnetPool>(id).await? {
                None => return Ok(true),
                // One of somebody else's may serve several Docker networks: only the removal of each tells which goes.
                Some(pool) if self.is_kept(&pool) && self.subnets_served(id).await?.len() > 1 => return Ok(true),
                Some(_) => {}
            }
        }
        let subnets = self.subnets_served(id).await?;
        match subnets.first().map(|subnet| subnet.network_id) {
            Some(network) if self.is_local() && !self.handed.was_left(network) => {
                self.handed.give_back(id, Some(network));
                Ok(false)
            }
            Some(network) if self.is_local() => {
                if let Some(network) = self.ports.neutron().find::<Network>(network).await? {
                    self.release_pool_from(id, &subnets, OtherUsers::remaining(&network.tags)).await?;
                }
                Ok(true)
            }
            _ => {
                for subnet in &subnets {
                    self.release_subnet(id, subnet).await?;
                }
                self.finish_pool(id).await?;
                Ok(true)
            }
        }
    }

    /// Deletes a pool whose subnets are gone, if it is Kuryr's; gives it back, if it is not.
    pub(crate) async fn finish_pool(&self, id: SubnetPoolId) -> Result<(), Error> {
        if !self.handed.is_made_here(id) {
            let Some(pool) = self.ports.neutron().find::<SubnetPool>(id).await? else { return Ok(()) };
            if self.is_kept(&pool) {
                if pool.tags.contains(&existing_pool_tag()) && self.subnets_served(id).await?.is_empty() {
                    self.ports.neutron().remove_tag::<SubnetPool>(id, &existing_pool_tag()).await?;
                }
                self.handed.went(id);
                return Ok(());
            }
        }
        self.delete_pool(id).await?;
        self.handed.went(id);
        Ok(())
    }

    /// Pools that Kuryr did not create: marked, a default, or under a name of its own.
    pub(crate) fn is_kept(&self, pool: &SubnetPool) -> bool {
        pool.tags.contains(&existing_pool_tag())
            || pool.name == self.settings.default_pool_v4
            || pool.name == self.settings.default_pool_v6
            || !pool.name.starts_with(&self.settings.pool_prefix)
    }

    /// Takes the pool's tag from a subnet; Kuryr's own subnet goes with its last tag.
    pub(crate) async fn release_subnet(&self, pool: SubnetPoolId, subnet: &Subnet) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        self.ports.behind().cancel(subnet.id).await;
        let is_last = |subnet: &Subnet| pool_tags(&subnet.tags).all(|other| other == pool);
        let mut went = is_last(subnet) && is_named_ours(subnet) && self.delete_own_subnet(subnet).await?;
        if !went {
            let tag = pool_tag(pool);
            if subnet.tags.contains(&tag) {
                neutron.remove_tag::<Subnet>(subnet.id, &tag).await?;
            }
            // Of two that leave at once, neither was the last one when it looked.
            if is_named_ours(subnet)
                && let Some(now) = neutron.find::<Subnet>(subnet.id).await?
                && is_last(&now)
            {
                went = self.delete_own_subnet(&now).await?;
            }
        }
        if went
            && let Some(source) = subnet.subnetpool_id
            && source != pool
        {
            // The network that came first is gone already, and could not take its pool along.
            self.finish_pool(source).await?;
        }
        Ok(())
    }

    async fn delete_pool(&self, id: SubnetPoolId) -> Result<(), Error> {
        match self.ports.neutron().delete_if_exists::<SubnetPool>(id).await {
            Err(error) if error.is_conflict() || error.error_type() == "SubnetPoolDeleteError" => {
                tracing::info!(pool = %id, %error, "kept, because subnets are still allocated from it");
                Ok(())
            }
            result => Ok(result.map(drop)?),
        }
    }
}
