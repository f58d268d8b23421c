//! Collecting a port whose workload is gone, and whose release nobody will ask for.

use crate::{Error, Owner, Ports, existing_port_tag, owner_of, user_of};
use kuryr_neutron::{Port, PortId};
use std::time::Duration;

/// Longer than a container takes from its port to its place in Docker's lists, with a slow cloud.
const YOUNG: Duration = Duration::from_secs(60);
/// Longer than Docker takes from the end of an endpoint to the release of its address: what has not come then never will.
/// Collected in between, another host could have the address when it is released.
const LEAVING: Duration = Duration::from_secs(5);

impl Ports {
    /// Whether this process dealt with a port so recently that its endpoint may be on its way, or that it is on its way
    /// back to those that are ready.
    pub fn is_young(&self, id: PortId) -> bool {
        self.ready.has(id)
            || self.memory.by_id(id).is_some_and(|known| match known.ended {
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
        if !same || port.binding_host_id != self.host || self.is_young(port.id) {
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
