//! What an earlier process answered and could not write any more.

use crate::{
    DEVICE_OWNER, DockerId, Error, Owner, Ports, User, bind::with_identity, is_identity_tag, owner_of, user_of,
};
use kuryr_neutron::{Port, Tag};
use kuryr_openstack::{Query, in_background};

impl Ports {
    /// Looks, without anybody waiting, for ports of this host that lack their endpoint's tags.
    pub(crate) fn recover_behind(&self) {
        let ports = self.clone();
        tokio::spawn(async move {
            if let Err(error) = in_background(ports.recover()).await {
                tracing::warn!(%error, "could not look for ports without tags; the next start tries again");
            }
        });
    }

    async fn recover(&self) -> Result<(), Error> {
        let query = Query::new().eq("device_owner", DEVICE_OWNER).eq("binding:host_id", &self.host);
        for port in self.neutron.list::<Port>(&query).await? {
            if let User::Endpoint(endpoint) = user_of(&port)
                && owner_of(&port) == Owner::Kuryr
                && !port.tags.iter().any(is_identity_tag)
            {
                tracing::info!(port = %port.id, %endpoint, "gets the tags that an earlier process did not write");
                self.tag_behind(&port, &endpoint);
            }
        }
        Ok(())
    }

    /// Marks a port of Kuryr's as this endpoint's, a moment later: the port's device says the same already.
    pub(crate) fn tag_behind(&self, port: &Port, endpoint: &DockerId) -> Vec<Tag> {
        let mut tags = port.tags.clone();
        let created = crate::created_port_tag();
        if !tags.contains(&created) {
            tags.insert(0, created);
        }
        let tags = with_identity(&tags, endpoint);
        if tags != port.tags {
            let (neutron, id, written) = (self.neutron.clone(), port.id, tags.clone());
            self.behind().schedule(id, "tags of a port", move || {
                let (neutron, written) = (neutron.clone(), written.clone());
                async move {
                    match neutron.set_tags::<Port>(id, &written).await {
                        Err(error) if error.is_not_found() => Ok(()),
                        result => result,
                    }
                }
            });
        }
        tags
    }
}
