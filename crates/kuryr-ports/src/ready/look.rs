//! Ready ports as Neutron has them: some are gone, some were changed, some nobody knows of.

use super::is_the_same;
use crate::{Error, Ports, READY_PORT_NAME, User};
use kuryr_neutron::{NetworkId, Port, PortId};
use kuryr_openstack::Query;
use std::collections::{BTreeMap, BTreeSet};

impl Ports {
    /// Lets go of ready ports that somebody deleted or changed, and of those that are on no shelf.
    pub async fn look_at_ready(&self) -> Result<(), Error> {
        let known: Vec<Port> = {
            let shelves = self.ready.shelves();
            if shelves.is_empty() {
                return Ok(());
            }
            shelves.values().flat_map(|shelf| shelf.waiting().cloned().collect::<Vec<_>>()).collect()
        };
        let _nothing_is_made = self.ready.making().await;
        let there: BTreeMap<PortId, Port> =
            self.named_ready(None).await?.into_iter().map(|port| (port.id, port)).collect();
        for mine in known {
            let now = there.get(&mine.id);
            if now.is_some_and(|now| is_the_same(&mine, now)) {
                continue;
            }
            // One that was taken meanwhile is its container's.
            let mut shelves = self.ready.shelves();
            shelves.values_mut().filter(|shelf| shelf.lent(mine.id).is_none()).for_each(|shelf| match now {
                None => shelf.forget(mine.id),
                Some(_) => shelf.leave(mine.id),
            });
        }
        self.look_at_strays(there.into_values()).await
    }

    /// What is found twice is no passing state: an answer that never came, or an endpoint that did not follow its address.
    async fn look_at_strays(&self, there: impl Iterator<Item = Port>) -> Result<(), Error> {
        let strays = self.strays_among(there).await?;
        let now: BTreeSet<PortId> = strays.iter().map(|port| port.id).collect();
        let before = std::mem::replace(&mut *self.ready.seen_strays(), now);
        for port in strays.iter().filter(|port| before.contains(&port.id)) {
            tracing::info!(port = %port.id, "was to be ready, and is nobody's; it goes");
            self.end_stray(port).await?;
        }
        Ok(())
    }

    /// The ready ports that this control plane made on this host, in Neutron, and which are not known here.
    pub(super) async fn strays(&self, network: Option<NetworkId>) -> Result<Vec<Port>, Error> {
        self.strays_among(self.named_ready(network).await?.into_iter()).await
    }

    async fn strays_among(&self, there: impl Iterator<Item = Port>) -> Result<Vec<Port>, Error> {
        let mut strays = Vec::new();
        for port in there {
            if !self.ready.made(&port) || self.ready.has(port.id) {
                continue;
            }
            let is_promised = self.memory.by_id(port.id).is_some() && self.is_young(&port);
            if !is_promised && matches!(self.current_user(&port).await?, User::Ready | User::Nobody) {
                strays.push(port);
            }
        }
        Ok(strays)
    }

    /// The ready ports that this control plane has on this host, and those that containers got from them, in Neutron.
    pub async fn all_ready(&self) -> Result<Vec<Port>, Error> {
        let mut ports = self.named_ready(None).await?;
        ports.retain(|port| self.ready.made(port));
        Ok(ports)
    }

    /// The ports of this host under the name of ready ones, whoever made them.
    async fn named_ready(&self, network: Option<NetworkId>) -> Result<Vec<Port>, Error> {
        let query = Query::new().eq("name", READY_PORT_NAME).eq("binding:host_id", &self.host);
        let query = match network {
            Some(network) => query.eq("network_id", network),
            None => query,
        };
        Ok(self.neutron.list::<Port>(&query).await?)
    }

    /// Deletes a port that was seen to be nobody's, if it still is as it was seen.
    pub(super) async fn end_stray(&self, seen: &Port) -> Result<(), Error> {
        match seen.revision_number {
            0 => self.neutron.delete_if_exists::<Port>(seen.id).await?,
            revision => self.neutron.delete_if::<Port>(seen.id, revision).await?,
        };
        self.memory.forget(seen.id);
        self.ready.forget(seen.id);
        self.binder.unplug(seen).await?;
        Ok(())
    }
}

impl super::Ready {
    fn seen_strays(&self) -> std::sync::MutexGuard<'_, BTreeSet<PortId>> {
        self.strays.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
