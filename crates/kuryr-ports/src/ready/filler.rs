//! Making ready ports, and removing those that nobody needs, without anybody waiting.

use super::{Kind, Limits, Ready};
use crate::{DEVICE_OWNER, Error, Ports, READY_PORT_NAME};
use kuryr_neutron::{NetworkId, NewPort, Port};
use kuryr_openstack::in_background;
use std::time::{Duration, Instant};

/// How often is looked for what is idle.
const LOOK: Duration = Duration::from_secs(20);
/// Ports beyond the least number that were not needed for this long go.
const IDLE: Duration = Duration::from_secs(600);
/// Docker tries a request that was cut off again for 30 seconds: so long it may come back for a port that it was
/// promised by an earlier process.
pub(crate) const REST: Duration = Duration::from_secs(35);

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
        loop {
            let is_wanted = tokio::time::timeout(LOOK, self.ready.wanted.notified()).await.is_ok();
            if !is_wanted && let Err(error) = in_background(self.look_at_ready()).await {
                tracing::debug!(%error, "whether the ready ports are still there is not known");
            }
            if start.elapsed() >= REST {
                self.ready.shelves().values_mut().for_each(super::Shelf::wake);
            }
            in_background(self.fill()).await;
        }
    }

    async fn fill(&self) {
        let Some(limits) = self.ready.limits() else { return };
        let now = Instant::now();
        self.ready.shelves().values_mut().for_each(|shelf| shelf.shrink(limits, IDLE, now));
        if let Err(error) = self.clear_away().await {
            tracing::debug!(%error, "a port that is to go is still there");
        }
        let kinds: Vec<Kind> = self.ready.shelves().keys().cloned().collect();
        for kind in kinds {
            let _making = self.ready.making().await;
            let Some((network, missing)) = self.ready.order(&kind, limits) else { continue };
            let new: Vec<NewPort> = (0..missing).map(|_| self.new_ready(network, &kind)).collect();
            let made = self.neutron.create_many::<Port>(&new).await;
            let mut shelves = self.ready.shelves();
            let Some(shelf) = shelves.get_mut(&kind) else { continue };
            match made {
                Ok(made) => shelf.add(made),
                Err(error) if shelf.refused(Instant::now()) => {
                    let subnet = kind.subnet;
                    tracing::warn!(%network, %subnet, %error, "no more ports are kept ready for now; starts make their own");
                }
                Err(error) => tracing::debug!(%network, %error, "still no more ports are kept ready"),
            }
        }
    }

    /// Goes on with what is on its way back or out, and is no longer tried behind.
    async fn clear_away(&self) -> Result<(), Error> {
        let (mut returning, mut leaving) = (Vec::new(), Vec::new());
        for (kind, shelf) in self.ready.shelves().iter() {
            returning.extend(shelf.returning().map(|port| (port.clone(), kind.clone())));
            leaving.extend(shelf.leaving().cloned());
        }
        for (port, kind) in returning.into_iter().filter(|(port, _)| !self.behind().is_pending(port.id)) {
            self.renew_behind(&port, kind);
        }
        for port in leaving.iter().filter(|port| !self.behind().is_pending(port.id)) {
            self.end(port).await?;
        }
        self.ready.shelves().retain(|_, shelf| !shelf.is_done());
        Ok(())
    }

    fn new_ready(&self, network: NetworkId, kind: &Kind) -> NewPort {
        NewPort {
            network_id: Some(network),
            name: READY_PORT_NAME.to_owned(),
            admin_state_up: Some(true),
            fixed_ips: Some(kind.fixed_ips()),
            security_groups: Some(kind.groups.clone()).filter(|groups| !groups.is_empty()),
            device_owner: Some(DEVICE_OWNER.to_owned()),
            binding_host_id: Some(self.host.clone()),
            ..NewPort::default()
        }
    }
}

impl Ready {
    fn order(&self, kind: &Kind, limits: Limits) -> Option<(NetworkId, usize)> {
        let mut shelves = self.shelves();
        let shelf = shelves.get_mut(kind)?;
        let missing = shelf.order(limits, Instant::now());
        (missing > 0).then_some((shelf.network, missing))
    }
}
