//! Collecting a port whose workload is gone, and whose release nobody will ask for.

use crate::{Error, Owner, Ports, existing_port_tag, owner_of, user_of};
use kuryr_neutron::Port;
use std::time::Duration;

/// Longer than a container takes from its port to its place in Docker's lists, with a slow cloud.
const YOUNG: Duration = Duration::from_secs(60);
/// Longer than Docker takes from the end of an endpoint to the release of its address: what has not come then never will.
/// Collected in between, another host could have the address when it is released.
const LEAVING: Duration = Duration::from_secs(5);

impl Ports {
    /// Whether this process dealt with a port so recently that its endpoint may be on its way, or that it is on its way
    /// back to those that are ready. An unknown one may be the one that is just being made.
    pub fn is_young(&self, port: &Port) -> bool {
        // In this order: what is made in between is known.
        let is_making = self.memory.is_making(port);
        self.ready.has(port.id)
            || self.memory.by_id(port.id).map_or(is_making, |known| match known.ended {
                Some(ended) => ended.elapsed() < LEAVING,
                None => known.since.elapsed() < YOUNG,
            })
    }

    /// Takes down a port that was seen without a workload: Kuryr's own is deleted, one that was lent is given back. False if
    /// it has changed hands since, and was left alone.
    pub async fn collect(&self, seen: &Port) -> Result<bool, Error> {
        let Some(port) = self.neutron.find::<Port>(seen.id).await? else {
            self.binder.unplug(seen).await?;
            self.memory.forget(seen.id);
            return Ok(true);
        };
        let same = self.current_user(&port).await? == user_of(seen) && owner_of(&port) == owner_of(seen);
        if !same || self.is_young(&port) || !self.is_here(&port).await? {
            return Ok(false);
        }
        self.conceal_port(&port).await?;
        if owner_of(&port) == Owner::Kuryr {
            self.remove(&port).await?;
            return Ok(true);
        }
        if !port.tags.contains(&existing_port_tag()) {
            return Ok(false);
        }
        self.binder.unplug(&port).await?;
        self.give_back(&port).await?;
        Ok(true)
    }
}
