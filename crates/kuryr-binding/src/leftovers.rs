//! Ports that are unplugged and still in Open vSwitch, because its database did not answer.

use crate::switch;
use kuryr_neutron::PortId;
use kuryr_ovsdb::Vswitch;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The ports. Clones share them.
#[derive(Debug, Clone)]
pub struct Leftovers {
    vswitch: Vswitch,
    ports: Arc<Mutex<BTreeSet<PortId>>>,
}

impl Leftovers {
    /// None yet.
    pub fn new(vswitch: Vswitch) -> Self {
        Self { vswitch, ports: Arc::default() }
    }

    /// Takes a port out of the switch once its database answers.
    pub async fn keep(&self, port: PortId) {
        let mut ports = self.ports.lock().await;
        let is_first = ports.is_empty();
        ports.insert(port);
        if is_first {
            tokio::spawn(self.clone().clear());
        }
    }

    /// The port is plugged anew: it stays in the switch.
    pub async fn forget(&self, port: PortId) {
        self.ports.lock().await.remove(&port);
    }

    async fn clear(self) {
        let (mut pause, longest) = PAUSES;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
            // Held meanwhile: a port that is being plugged anew waits for its turn.
            let mut ports = self.ports.lock().await;
            while let Some(port) = ports.first().copied() {
                match switch::remove(&self.vswitch, port).await {
                    Err(error) if error.is_switch_silent() => break,
                    Err(error) => tracing::error!(%port, %error, "stays in Open vSwitch; remove it there by hand"),
                    Ok(()) => tracing::info!(%port, "taken out of Open vSwitch, whose database answers again"),
                }
                ports.pop_first();
            }
            if ports.is_empty() {
                return;
            }
        }
    }
}
