//! `ReleasePool`: a pool and the subnets that Docker knew by it.
//!
//! Docker calls it before or after `DeleteNetwork`, depending on its age. Both orders leave nothing behind.

use crate::{Plugin, answer::Error, request::ipam::read_release_pool};
use axum::body::Bytes;
use kuryr_neutron::{Subnet, SubnetPool, SubnetPoolId};
use kuryr_ports::{SUBNET_NAME_PREFIX, existing_pool_tag, pool_tag, pool_tags};
use serde_json::{Value, json};

impl Plugin {
    pub(crate) async fn release_pool(self, body: Bytes) -> Result<Value, Error> {
        let id = read_release_pool(&body)?;
        let result = self.release(id).await;
        self.reservations.forget(id);
        self.known_subnets.forget(&id);
        result?;
        self.handed.forget(id);
        Ok(json!({}))
    }

    async fn release(&self, id: SubnetPoolId) -> Result<(), Error> {
        if self.handed.is_subnet_gone(id) {
            return self.delete_pool(id).await;
        }
        if self.handed.is_made_here(id) {
            for subnet in self.subnets_served(id).await? {
                self.release_subnet(id, &subnet).await?;
            }
            return self.delete_pool(id).await;
        }
        match self.ports.neutron().find::<SubnetPool>(id).await? {
            Some(pool) => self.release_found(&pool).await,
            None => Ok(()),
        }
    }

    async fn release_found(&self, pool: &SubnetPool) -> Result<(), Error> {
        let kept = self.is_kept(pool);
        let subnets = self.subnets_served(pool.id).await?;
        // A pool of somebody else's may serve several Docker networks: which of them goes, only its own removal tells.
        if kept && subnets.len() > 1 {
            return Ok(());
        }
        for subnet in &subnets {
            self.release_subnet(pool.id, subnet).await?;
        }
        if !kept {
            self.delete_pool(pool.id).await
        } else if pool.tags.contains(&existing_pool_tag()) {
            Ok(self.ports.neutron().remove_tag::<SubnetPool>(pool.id, &existing_pool_tag()).await?)
        } else {
            Ok(())
        }
    }

    /// Pools that Kuryr did not create: marked, a default, or under a name of its own.
    pub(crate) fn is_kept(&self, pool: &SubnetPool) -> bool {
        pool.tags.contains(&existing_pool_tag())
            || pool.name == self.settings.default_pool_v4
            || pool.name == self.settings.default_pool_v6
            || !pool.name.starts_with(&self.settings.pool_prefix)
    }

    /// Takes the pool's tag from a subnet; Kuryr's own subnet goes with its last tag.
    async fn release_subnet(&self, pool: SubnetPoolId, subnet: &Subnet) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        self.ports.behind().cancel(subnet.id).await;
        let others = pool_tags(&subnet.tags).any(|other| other != pool);
        let ours = subnet.name.starts_with(SUBNET_NAME_PREFIX);
        if others || !ours || !self.delete_own_subnet(subnet).await? {
            let tag = pool_tag(pool);
            if subnet.tags.contains(&tag) {
                neutron.remove_tag::<Subnet>(subnet.id, &tag).await?;
            }
            return Ok(());
        }
        if let Some(source) = subnet.subnetpool_id
            && source != pool
            && let Some(source) = neutron.find::<SubnetPool>(source).await?
            && !self.is_kept(&source)
        {
            // The network that came first is gone already, and could not take its pool along.
            self.delete_pool(source.id).await?;
        }
        Ok(())
    }

    /// Deletes one of Kuryr's subnets, and addresses nobody waits for any more; false when it is still in use.
    pub(crate) async fn delete_own_subnet(&self, subnet: &Subnet) -> Result<bool, Error> {
        let neutron = self.ports.neutron();
        for last in [false, true] {
            match neutron.delete_if_exists::<Subnet>(subnet.id).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_conflict() && !last => self.delete_leftovers(subnet).await?,
                Err(error) if error.is_conflict() => {
                    tracing::warn!(subnet = %subnet.id, %error, "kept, because it is still in use");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
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
