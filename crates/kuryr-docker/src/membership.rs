//! Membership: the tags by which Docker networks and control planes use one Neutron network.
//!
//! Each adds and removes its own tags, one by one, for others may be doing the same at this moment.

use crate::{
    Plugin,
    answer::Error,
    network_tags::{membership_tags, own_tags},
    removal::is_made_by_kuryr,
    request::{network::CreateNetwork, option::Choice},
    wish::NetworkWish,
};
use kuryr_neutron::{Network, NetworkId, Tag};
use kuryr_openstack::Query;
use kuryr_ports::{DockerId, OtherUsers, Rollback, is_identity_tag};
use std::time::Duration;

/// How often a young network is looked at, and the pause between. Its tags are written about a second after it was made.
const MARKED_AFTER: usize = 40;
const PAUSE: Duration = Duration::from_millis(250);

impl Plugin {
    /// Joins a network that somebody else made.
    pub(crate) async fn join_existing(
        &self,
        request: &CreateNetwork,
        wish: &NetworkWish,
        choice: &Choice<NetworkId>,
        rollback: &mut Rollback,
    ) -> Result<Network, Error> {
        let neutron = self.ports.neutron();
        let found = match choice {
            Choice::Id(id) => neutron.find::<Network>(*id).await?,
            Choice::Name(name) => {
                self.ports.one("networks", format!("name={name}"), Query::new().eq("name", name)).await?
            }
        };
        let network =
            found.ok_or_else(|| Error::refused(format!("Specified network id/name({choice}) does not exist.")))?;
        self.ports.require_tags(&format!("network {}", network.id)).await?;
        let network = self.when_marked(network).await?;
        if network.shared != request.shared {
            let text = |shared| if shared { "True" } else { "False" };
            return Err(Error::refused(format!(
                "Network {} had option shared={}, conflict with the given option shared={} (-o neutron.net.shared)",
                network.id,
                text(network.shared),
                text(request.shared)
            )));
        }
        wish.require_on(&network)?;
        let tags = membership_tags(request, wish, &self.settings.control_plane, true);
        let (client, id, undo) = (neutron.clone(), network.id, tags.clone());
        rollback.push(format!("remove the tags of network {id}"), async move {
            client.remove_tags::<Network>(id, &undo).await
        });
        neutron.add_tags::<Network>(network.id, &tags).await?;
        Ok(Network { tags, ..network })
    }

    /// Waits until the Kuryr that made a network has marked it, a moment after it said that it is there: who leaves it
    /// before could not know that it is used.
    async fn when_marked(&self, mut network: Network) -> Result<Network, Error> {
        for _ in 0..MARKED_AFTER {
            if !is_made_by_kuryr(&network) || OtherUsers::remaining(&network.tags).networks > 0 {
                return Ok(network);
            }
            tokio::time::sleep(PAUSE).await;
            network = self.ports.neutron().get::<Network>(network.id).await?;
        }
        Err(kuryr_ports::Error::Conflict(format!(
            "Network {} was made by a Kuryr that has not said for which Docker network: try again in a moment, or delete \
             it if its maker is gone",
            network.id
        ))
        .into())
    }

    /// Joins the network that a Docker network has already: made by another host of a Swarm, by kuryr-libnetwork, or by
    /// an earlier request. `None`: it went at this moment.
    pub(crate) async fn join_known(&self, network: Network, request: &CreateNetwork) -> Result<Option<Network>, Error> {
        let mut own = vec![self.settings.control_plane.network_tag(&request.id)];
        // A Swarm's manager is not told that there is no way out; its hosts are.
        own.extend(request.internal.then(|| request.id.internal_network_tag()));
        own.retain(|tag| !network.tags.contains(tag));
        if own.is_empty() || !self.ports.tagging().await?.identity {
            return Ok(Some(network));
        }
        // What is on its way replaces all tags.
        self.ports.behind().flush(network.id).await;
        match self.ports.neutron().add_tags::<Network>(network.id, &own).await {
            Err(error) if error.is_not_found() => return Ok(None),
            result => result?,
        }
        let tags = network.tags.iter().cloned().chain(own).collect();
        Ok(Some(Network { tags, ..network }))
    }

    /// Takes this control plane's tags from a network; those of the Docker network stay while `others` have it too. True
    /// when there were any. The control plane's own goes last: whoever tidies up after a crash finds it.
    pub(crate) async fn leave_network(&self, network: &Network, id: &DockerId, others: bool) -> Result<bool, Error> {
        let neutron = self.ports.neutron();
        let present = |tag: &Tag| network.tags.contains(tag);
        if !others {
            let tags = own_tags(id, network);
            neutron.remove_tags::<Network>(network.id, &tags).await?;
            if !tags.is_empty() && !present(&self.settings.control_plane.network_tag(id)) {
                return Ok(true);
            }
        }
        let own = self.settings.control_plane.network_tag(id);
        if present(&own) {
            neutron.remove_tag::<Network>(network.id, &own).await?;
        }
        Ok(present(&own))
    }

    /// Takes away the halves of identities whose first half is nobody's: of a Docker network that went unseen, while it
    /// could not be told which of several second halves was its own. `network` is as it was a moment ago: one who joins
    /// has all tags by now.
    pub(crate) async fn remove_stale_halves(&self, network: &Network, id: &DockerId) -> Result<(), Error> {
        let mut stale: Vec<Tag> = network.tags.iter().filter(|tag| is_identity_tag(tag)).cloned().collect();
        stale.retain(|tag| !id.tags().contains(tag));
        if stale.is_empty() {
            return Ok(());
        }
        let neutron = self.ports.neutron();
        let Some(now) = neutron.find::<Network>(network.id).await? else { return Ok(()) };
        stale.retain(|tag| now.tags.contains(tag));
        if OtherUsers::remaining(&now.tags).networks == 0 {
            neutron.remove_tags::<Network>(network.id, &stale).await?;
        }
        Ok(())
    }
}
