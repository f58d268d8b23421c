//! What a start needs to know, asked for before it is needed: where ports are kept ready, a start asks Neutron nothing.

use crate::{Plugin, recent::LIFETIME};
use kuryr_neutron::{Network, Subnet, SubnetPoolId};
use kuryr_openstack::in_background;
use kuryr_ports::DockerId;
use std::time::Duration;

/// How often is looked for what grows old.
const LOOK: Duration = Duration::from_secs(30);
/// What is known this long is asked for again, so that nothing that an operator changes is unknown for longer than
/// [`LIFETIME`].
const OLD: Duration = LIFETIME.saturating_sub(LOOK.saturating_mul(2));
/// Longest wait for one answer: what is known stays, and is asked for at the next look.
const PATIENCE: Duration = Duration::from_secs(10);

impl Plugin {
    /// Begins to ask, once.
    pub(crate) fn keep_known(&self) {
        if self.ports.keeps_ready() {
            self.renewal.get_or_init(|| {
                let plugin = self.clone();
                tokio::spawn(async move { plugin.renew_known().await });
            });
        }
    }

    async fn renew_known(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            for id in self.known_networks.older_than(OLD) {
                if let Some(now) = in_time(self.network_now(&id)).await {
                    self.known_networks.renew(&id, now);
                }
            }
            for pool in self.known_subnets.older_than(OLD) {
                if let Some(now) = in_time(self.subnet_now(pool)).await {
                    self.known_subnets.renew(&pool, now);
                }
            }
        }
    }

    async fn network_now(&self, id: &DockerId) -> Result<Option<Network>, crate::Error> {
        Ok(self.ports.network_of(id).await?)
    }

    async fn subnet_now(&self, pool: SubnetPoolId) -> Result<Option<Subnet>, crate::Error> {
        let mut subnets = self.subnets_of(pool).await?;
        Ok(subnets.pop().filter(|_| subnets.is_empty()))
    }
}

/// The answer, if there is one.
async fn in_time<T>(ask: impl Future<Output = Result<T, crate::Error>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, in_background(ask)).await {
        Ok(Ok(now)) => Some(now),
        Ok(Err(error)) => {
            tracing::debug!(error = %error.text(), "what is known of a network is not renewed");
            None
        }
        Err(_) => None,
    }
}
