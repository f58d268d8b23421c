//! Removing ready ports because somebody says so.

use crate::{Error, Ports};
use kuryr_neutron::{NetworkId, Port, PortId};

/// What came of it.
#[derive(Debug, Default)]
pub struct Drained {
    /// Ports that are gone.
    pub deleted: usize,
    /// Ports that are still there, and why. The process that keeps ports ready goes on trying.
    pub left: Vec<(PortId, Error)>,
}

impl Ports {
    /// Removes the ready ports of a network that Docker leaves. The next container there makes new ones.
    pub async fn drain_network(&self, network: NetworkId) -> Result<(), Error> {
        if !self.ready.is_kept() {
            return Ok(());
        }
        let drained = self.drain_shelves(Some(network)).await;
        match drained.left.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Removes all ready ports of this host, or those of one network: what this process has, and what nobody knows of.
    /// No more are made until a container asks for one.
    pub async fn drain_ready(&self, network: Option<NetworkId>) -> Result<Drained, Error> {
        let mut drained = self.drain_shelves(network).await;
        let _nothing_is_made = self.ready.making().await;
        for port in self.strays(network).await? {
            drained.note(port.id, self.end_stray(&port).await);
        }
        Ok(drained)
    }

    async fn drain_shelves(&self, network: Option<NetworkId>) -> Drained {
        let _nothing_is_made = self.ready.making().await;
        let is_meant = |of: NetworkId| network.is_none_or(|network| network == of);
        let leaving: Vec<Port> = {
            let mut shelves = self.ready.shelves();
            let meant = shelves.values_mut().filter(|shelf| is_meant(shelf.network));
            meant
                .flat_map(|shelf| {
                    shelf.drain();
                    shelf.leaving().cloned().collect::<Vec<_>>()
                })
                .collect()
        };
        let mut drained = Drained::default();
        for port in leaving {
            self.behind().cancel(port.id).await;
            drained.note(port.id, self.end(&port).await);
        }
        self.ready.shelves().retain(|_, shelf| !shelf.is_done());
        drained
    }
}

impl Drained {
    fn note(&mut self, port: PortId, result: Result<(), Error>) {
        match result {
            Ok(()) => self.deleted += 1,
            Err(error) => self.left.push((port, error)),
        }
    }
}
