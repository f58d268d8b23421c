//! Making ready ports, and removing those that nobody needs, without anybody waiting.

use super::{Limits, Ready};
use crate::{DEVICE_OWNER, Error, Ports, READY_PORT_NAME};
use kuryr_neutron::{FixedIpRequest, NetworkId, NewPort, Port, SubnetId};
use kuryr_openstack::in_background;
use std::time::{Duration, Instant};

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

    async fn fill(&self) -> Result<(), Error> {
        let Some(limits) = self.ready.limits() else { return Ok(()) };
        let now = Instant::now();
        self.ready.shelves().values_mut().for_each(|shelf| shelf.shrink(limits, IDLE, now));
        self.clear_away().await?;
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

    /// Goes on with what is on its way back or out, and is no longer tried behind.
    async fn clear_away(&self) -> Result<(), Error> {
        let (mut returning, mut leaving) = (Vec::new(), Vec::new());
        for (subnet, shelf) in self.ready.shelves().iter() {
            returning.extend(shelf.returning().map(|port| (port.clone(), *subnet)));
            leaving.extend(shelf.leaving().cloned());
        }
        for (port, subnet) in returning.iter().filter(|(port, _)| !self.behind().is_pending(port.id)) {
            self.renew_behind(port, *subnet);
        }
        for port in leaving.iter().filter(|port| !self.behind().is_pending(port.id)) {
            self.end(port).await?;
        }
        self.ready.shelves().retain(|_, shelf| !shelf.is_done());
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
