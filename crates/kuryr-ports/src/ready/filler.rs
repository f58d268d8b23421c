//! Making ready ports, and removing those that nobody needs, without anybody waiting.

use super::{Limits, Ready};
use crate::{DEVICE_OWNER, Error, Ports, READY_PORT_NAME};
use kuryr_neutron::{FixedIpRequest, NetworkId, NewPort, Port, PortId, SubnetId};
use kuryr_openstack::{Query, in_background};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How often is looked for what is idle.
const LOOK: Duration = Duration::from_secs(20);
/// Ports beyond the least number that were not needed for this long go.
const IDLE: Duration = Duration::from_secs(600);
/// Docker tries a request that was cut off again for 30 seconds: so long it may come back for a port that it was
/// promised by an earlier process.
pub(crate) const REST: Duration = Duration::from_secs(35);
/// The first pause after a refusal; it doubles with each that follows.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Ports {
    /// Begins to keep ports ready, once.
    pub(crate) fn start_filler(&self) {
        if !self.ready.is_kept() {
            return;
        }
        self.ready.filler.get_or_init(|| {
            let (ports, start) = (self.clone(), Instant::now());
            tokio::spawn(async move { ports.keep_ready(start).await });
        });
    }

    async fn keep_ready(&self, start: Instant) {
        let mut pause = PAUSE;
        loop {
            let is_wanted = tokio::time::timeout(LOOK, self.ready.wanted.notified()).await.is_ok();
            if !is_wanted && let Err(error) = in_background(self.look_at_ready()).await {
                tracing::debug!(%error, "whether the ready ports are still there is not known");
            }
            if start.elapsed() >= REST {
                self.ready.shelves().values_mut().for_each(super::Shelf::wake);
            }
            match in_background(self.fill()).await {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    if pause == PAUSE {
                        tracing::warn!(%error, "no more ports are kept ready for now; starts make their own");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Forgets ready ports that somebody deleted.
    pub async fn look_at_ready(&self) -> Result<(), Error> {
        let ready: Vec<PortId> =
            self.ready.shelves().values().flat_map(|shelf| shelf.ready().collect::<Vec<_>>()).collect();
        if ready.is_empty() {
            return Ok(());
        }
        let query = Query::new().eq("name", READY_PORT_NAME).eq("binding:host_id", &self.host);
        let there: BTreeSet<PortId> = self.neutron.list::<Port>(&query).await?.iter().map(|port| port.id).collect();
        let mut shelves = self.ready.shelves();
        for id in ready.into_iter().filter(|id| !there.contains(id)) {
            // One that was taken meanwhile is its container's.
            shelves.values_mut().filter(|shelf| shelf.lent(id).is_none()).for_each(|shelf| shelf.forget(id));
        }
        Ok(())
    }

    async fn fill(&self) -> Result<(), Error> {
        let Some(limits) = self.ready.limits() else { return Ok(()) };
        let now = Instant::now();
        let surplus: Vec<Port> =
            self.ready.shelves().values_mut().flat_map(|shelf| shelf.surplus(limits, IDLE, now)).collect();
        for port in surplus {
            self.end(&port).await?;
        }
        let subnets: Vec<SubnetId> = self.ready.shelves().keys().copied().collect();
        for subnet in subnets {
            let _making = self.ready.making().await;
            let Some((network, missing)) = self.ready.missing(subnet, limits) else { continue };
            let new: Vec<NewPort> = (0..missing).map(|_| self.new_ready(network, subnet)).collect();
            let made = self.neutron.create_many::<Port>(&new).await?;
            if let Some(shelf) = self.ready.shelves().get_mut(&subnet) {
                shelf.add(made);
            }
        }
        Ok(())
    }

    fn new_ready(&self, network: NetworkId, subnet: SubnetId) -> NewPort {
        NewPort {
            network_id: Some(network),
            name: READY_PORT_NAME.to_owned(),
            admin_state_up: Some(true),
            fixed_ips: Some(vec![FixedIpRequest { subnet_id: Some(subnet), ip_address: None }]),
            device_owner: Some(DEVICE_OWNER.to_owned()),
            binding_host_id: Some(self.host.clone()),
            ..NewPort::default()
        }
    }
}

impl Ready {
    fn missing(&self, subnet: SubnetId, limits: Limits) -> Option<(NetworkId, usize)> {
        let shelves = self.shelves();
        let shelf = shelves.get(&subnet)?;
        let missing = shelf.missing(limits);
        (missing > 0).then_some((shelf.network, missing))
    }
}
