//! Networks of a Swarm: `AllocateNetwork` and `FreeNetwork`, which its manager asks for, and hosts that make one network.
//!
//! The manager takes addresses for tasks and services before any host has the network. So the network is made when it is
//! allocated, and stays until it is freed, whichever hosts come and go: the Swarm as a whole is one more user of it.
//!
//! Hosts that are told of a network which nobody allocated make it all at once. Its subnet decides: Neutron allocates a
//! range of a pool once. A network without it, beside one that has it, was made too late and goes.

use crate::{
    Plugin, PluginSettings,
    answer::Error,
    removal::is_made_by_kuryr,
    request::network::{Allocation, CreateNetwork, read_free},
};
use axum::body::Bytes;
use kuryr_neutron::{Network, NetworkId};
use kuryr_openstack::Query;
use kuryr_ports::{ControlPlane, DockerId, OtherUsers};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How often a network is tried to be made while other hosts make it too, and the pause between.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Plugin {
    /// The answer's options are sent to the hosts along with the network: they are its own.
    pub(crate) async fn allocate_network(self, body: Bytes) -> Result<Value, Error> {
        let (options, allocation) = Allocation::read(&body, !self.is_local())?;
        if let Some(request) = allocation {
            self.into_swarm().create(request).await?;
        }
        Ok(json!({"Options": options}))
    }

    pub(crate) async fn free_network(self, body: Bytes) -> Result<Value, Error> {
        match read_free(&body, !self.is_local())? {
            Some(id) => self.into_swarm().remove(id).await,
            None => Ok(json!({})),
        }
    }

    /// Speaks for the whole Swarm: any of its managers may free what another one allocated.
    fn into_swarm(self) -> Self {
        let settings = PluginSettings { control_plane: ControlPlane::swarm(), ..(*self.settings).clone() };
        Self { settings: Arc::new(settings), ..self }
    }

    /// Creates a network that other hosts may be creating at this moment.
    pub(crate) async fn attempt_with_others(&self, request: &CreateNetwork) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match self.attempt(request).await {
                Err(error) if is_contested(&error) => {
                    tracing::info!(docker_network = %request.id, error = %error.text(), "another host makes it too");
                    self.drop_lost(&request.id).await?;
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
        self.attempt(request).await
    }

    /// Takes back the creation of a network, or what this host has of it where others use it already.
    pub(crate) async fn undo_shared(
        &self,
        id: NetworkId,
        docker_network: &DockerId,
    ) -> Result<(), kuryr_openstack::Error> {
        let neutron = self.ports.neutron();
        let Some(network) = neutron.find::<Network>(id).await? else { return Ok(()) };
        let plane = &self.settings.control_plane;
        if OtherUsers::of(&network.tags, plane, docker_network).planes == 0 {
            match neutron.delete_if::<Network>(id, network.revision_number).await {
                // Somebody came at this moment.
                Err(error) if error.is_precondition_failed() => {}
                result => return result.map(drop),
            }
        }
        match neutron.remove_tag::<Network>(id, &plane.network_tag(docker_network)).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// Deletes the networks of a Docker network that have no subnet, where another one has.
    async fn drop_lost(&self, id: &DockerId) -> Result<(), Error> {
        if !self.ports.tagging().await?.identity {
            return Ok(());
        }
        let neutron = self.ports.neutron();
        let all = neutron.list::<Network>(&Query::new().tags(&id.tags())).await?;
        if all.iter().all(|network| network.subnets.is_empty()) {
            return Ok(());
        }
        for lost in all.iter().filter(|network| network.subnets.is_empty() && is_made_by_kuryr(network)) {
            match neutron.delete_if::<Network>(lost.id, lost.revision_number).await {
                Err(error) if error.is_precondition_failed() || error.is_conflict() => {}
                result => drop(result?),
            }
        }
        Ok(())
    }
}

/// Whether another host's creation of the same network is what an error comes from.
fn is_contested(error: &Error) -> bool {
    match error {
        Error::Ports(kuryr_ports::Error::Ambiguous { what, .. }) => *what == "networks",
        Error::Ports(kuryr_ports::Error::Cloud(error)) => {
            error.is_conflict() || error.is_not_found() || error.error_type() == "SubnetAllocationError"
        }
        _ => false,
    }
}
