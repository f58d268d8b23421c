//! Removing a network: Kuryr's own goes, anybody else's is left as it was found.

use crate::{
    Plugin,
    answer::Error,
    network_tags::{own_tags, remove_tags},
};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_ports::{DockerId, SUBNET_NAME_PREFIX, other_identities, pool_tags};

impl Plugin {
    pub(crate) async fn delete_or_leave(&self, network: &Network, id: &DockerId) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        let existing = network.tags.contains(&id.existing_network_tag());
        let others = other_identities(&network.tags, id);
        let subnets: Vec<Subnet> = if network.subnets.is_empty() {
            Vec::new()
        } else {
            neutron.list(&Query::new().eq("network_id", network.id)).await?
        };
        if existing || others > 0 {
            remove_tags(neutron, network.id, &own_tags(id, network)).await?;
            // What no pool claims any more was only there for Docker networks that are gone.
            let orphan = |s: &&Subnet| {
                s.name.starts_with(SUBNET_NAME_PREFIX) && (others == 0 || pool_tags(&s.tags).next().is_none())
            };
            for subnet in subnets.iter().filter(orphan) {
                self.delete_own_subnet(subnet).await?;
            }
            tracing::info!(docker_network = %id, network = %network.id, others, "left, it is not only this Docker network's");
            return Ok(());
        }
        if let Some(foreign) = subnets.iter().find(|s| !s.name.starts_with(SUBNET_NAME_PREFIX)) {
            return Err(kuryr_ports::Error::Conflict(format!(
                "Network {} is kept: its subnet {} ({}) is not Kuryr's. Delete the subnet, then the network, by hand",
                network.id, foreign.id, foreign.cidr
            ))
            .into());
        }
        // Neutron deletes a network with its subnets at once, or not at all.
        match neutron.delete_if_exists::<Network>(network.id).await {
            Err(error) if error.is_conflict() && !subnets.is_empty() => {
                for subnet in &subnets {
                    self.delete_leftovers(subnet).await?;
                }
                neutron.delete_if_exists::<Network>(network.id).await?;
            }
            result => {
                result?;
            }
        }
        for subnet in &subnets {
            let pools = pool_tags(&subnet.tags).chain(subnet.subnetpool_id);
            pools.for_each(|pool| self.handed.subnet_gone(pool));
            self.ports.behind().cancel(subnet.id).await;
        }
        tracing::info!(docker_network = %id, network = %network.id, "deleted");
        Ok(())
    }

    /// Deletes Kuryr's ports on a subnet that no endpoint uses: reservations, and what a crash left.
    pub(crate) async fn delete_leftovers(&self, subnet: &Subnet) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        for port in neutron.list::<Port>(&Query::new().fixed_ip(subnet.id, None)).await? {
            self.ports.remove_left_behind(&port).await?;
        }
        Ok(())
    }
}
