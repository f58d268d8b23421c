//! What an earlier process answered and could not write any more.

use crate::{
    Author, DEVICE_OWNER, DockerId, Error, Owner, Ports, READY_PORT_NAME, Tagging, User, author,
    bind::with_identity,
    owner_of,
    ready::{Givens, REST},
    user_of,
};
use kuryr_neutron::{Port, PortId, PortUpdate, Tag};
use kuryr_openstack::{Query, in_background, within};
use std::time::Duration;

/// The longest that one attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause before what failed is tried again; it doubles with each attempt.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest such pause.
const SELDOM: Duration = Duration::from_secs(60);

impl Ports {
    /// Sees to it that what an earlier process owed is written, though nobody asks for anything. Returns once the cloud
    /// has answered; the rest goes on by itself.
    pub async fn begin_recovery(&self) {
        // Whoever asks what the cloud offers waits for who asks already: not for one that may have to wait long.
        until_done(|| async { Ok(self.neutron.extensions().await.map(drop)?) }).await;
        until_done(|| async { self.tagging().await.map(drop) }).await;
    }

    /// Looks, without anybody waiting, for ports of this host that lack their endpoint's marks.
    pub(crate) fn recover_behind(&self, tagging: Tagging) {
        let ports = self.clone();
        tokio::spawn(async move {
            if until_done(|| ports.recover(tagging)).await {
                // Docker may still be at it.
                tokio::time::sleep(REST).await;
                until_done(|| ports.end_given_back()).await;
            }
        });
    }

    /// True if there are ports that Docker may have given back to an earlier process.
    async fn recover(&self, tagging: Tagging) -> Result<bool, Error> {
        let nothing_is_made = self.ready.making().await;
        let mut given_back = false;
        let mut givens = Givens::default();
        let (bound, nested) = tokio::try_join!(self.on_this_host(), self.within_this_machine(true))?;
        for port in bound.into_iter().chain(nested) {
            if is_anothers(&port, self.neutron.signature()) {
                continue;
            }
            let user = self.current_user(&port).await?;
            if user == User::Ready {
                self.adopt_ready(port, &mut givens).await?;
                continue;
            }
            given_back |= self.may_be_given_back(&port);
            if owner_of(&port) == Owner::Kuryr
                && let User::Endpoint(endpoint) = user
                && self.write_behind(&port, &endpoint, tagging)
            {
                tracing::info!(port = %port.id, %endpoint, "gets the marks that an earlier process did not write");
            }
        }
        drop(nothing_is_made);
        Ok(given_back)
    }

    /// True for a port that was ready once, and which this process has not seen in use.
    fn may_be_given_back(&self, port: &Port) -> bool {
        port.name == READY_PORT_NAME
            && self.ready.made(port)
            && self.memory.by_id(port.id).is_none_or(|known| known.endpoint.is_none())
            && !self.ready.has(port.id)
    }

    /// Removes ports that Docker has given back to an earlier process, which died before it could tell Neutron.
    async fn end_given_back(&self) -> Result<(), Error> {
        for port in self.on_this_host().await? {
            let is_in_use = matches!(user_of(&port), User::Endpoint(_)) && self.binder.is_inside(&port).await?;
            if self.may_be_given_back(&port) && user_of(&port) != User::Ready && !is_in_use {
                tracing::info!(port = %port.id, "was given back to an earlier process, and goes");
                self.remove(&port).await?;
            }
        }
        Ok(())
    }

    /// Who uses a port: as this process knows, as Neutron does, or as the kernel does when a process ended before it
    /// told Neutron.
    pub(crate) async fn current_user(&self, port: &Port) -> Result<User, Error> {
        let told = user_of(port);
        if !matches!(told, User::Nobody | User::Ready) {
            return Ok(told);
        }
        if let Some(known) = self.memory.by_id(port.id) {
            return Ok(known.user());
        }
        if port.binding_host_id != self.host {
            return Ok(told);
        }
        let endpoint = self.binder.endpoint(port).await?.and_then(|endpoint| endpoint.parse().ok());
        Ok(endpoint.map_or(told, User::Endpoint))
    }

    /// The port as Neutron will tell it once it knows which endpoint has it.
    pub async fn with_user(&self, mut port: Port) -> Result<Port, Error> {
        if let User::Endpoint(endpoint) = self.current_user(&port).await? {
            port.device_id = endpoint.to_string();
        }
        Ok(port)
    }

    /// The port of this host that is plugged for an endpoint, of which Neutron knows nothing yet.
    pub(crate) async fn plugged_for(&self, endpoint: &DockerId) -> Result<Option<Port>, Error> {
        for port in self.on_this_host().await? {
            if self.current_user(&port).await? == User::Endpoint(endpoint.clone()) {
                return Ok(Some(port));
            }
        }
        Ok(None)
    }

    /// The ports of containers that are bound to this host, whoever made them.
    pub async fn on_this_host(&self) -> Result<Vec<Port>, Error> {
        let query = Query::new().eq("device_owner", DEVICE_OWNER).eq("binding:host_id", &self.host);
        Ok(self.neutron.list::<Port>(&query).await?)
    }

    /// Makes a port of Kuryr's this endpoint's in Neutron too, a moment later. False when it is that already.
    pub(crate) fn write_behind(&self, port: &Port, endpoint: &DockerId, tagging: Tagging) -> bool {
        let rename = !tagging.resources && port.name != endpoint.port_name();
        let update = PortUpdate {
            device_id: (port.device_id != endpoint.as_str()).then(|| endpoint.to_string()),
            name: rename.then(|| endpoint.port_name()),
            ..PortUpdate::default()
        };
        let mut tags = port.tags.clone();
        let created = crate::created_port_tag();
        if !tags.contains(&created) {
            tags.insert(0, created);
        }
        let tags = Some(with_identity(&tags, endpoint)).filter(|tags| tagging.resources && *tags != port.tags);
        if update == PortUpdate::default() && tags.is_none() {
            return false;
        }
        let (ports, id) = (self.clone(), port.id);
        let endpoint = endpoint.clone();
        self.behind().schedule(id, "endpoint of a port", move || {
            let (ports, update, tags, endpoint) = (ports.clone(), update.clone(), tags.clone(), endpoint.clone());
            async move {
                match ports.write(id, &update, tags.as_deref()).await {
                    // What stands before Neutron may have said so, and would leave a port in use without its user.
                    Err(error) if error.is_not_found() && ports.neutron.find::<Port>(id).await?.is_none() => {
                        tracing::warn!(port = %id, %endpoint, "somebody deleted the port; the container has no network");
                        Ok(())
                    }
                    result => result,
                }
            }
        });
        true
    }

    async fn write(&self, id: PortId, update: &PortUpdate, tags: Option<&[Tag]>) -> Result<(), kuryr_openstack::Error> {
        if *update != PortUpdate::default() {
            let now = self.neutron.update::<Port>(id, update).await?;
            if self.memory.by_id(id).is_some() {
                self.memory.seen(&now);
            }
        }
        if let Some(tags) = tags {
            self.neutron.set_tags::<Port>(id, tags).await?;
        }
        Ok(())
    }
}

/// Tries until it succeeds.
async fn until_done<T, F: Future<Output = Result<T, Error>>>(attempt: impl Fn() -> F) -> T {
    let mut pause = AGAIN;
    loop {
        match within(PATIENCE, in_background(attempt())).await {
            Ok(done) => return done,
            Err(error) => tracing::warn!(%error, again_in = ?pause, "could not look for ports without marks"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
}

/// Made by another Kuryr on a host of this name, which writes its marks itself, in a way of its own.
fn is_anothers(port: &Port, signature: &str) -> bool {
    matches!(author(&port.description), Author::Kuryr(plane) if !signature.is_empty() && plane.signature() != signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ControlPlane;

    #[test]
    fn each_kuryr_marks_its_own() {
        let plane = |name: &str| name.parse::<ControlPlane>().unwrap().signature();
        let port = |signature: &str| -> Port {
            serde_json::from_value(serde_json::json!({
                "id": "820b6faa-39d3-44e4-b378-9ea1ba434d05", "network_id": "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d51",
                "mac_address": "02:42:0a:00:00:02", "description": format!("Created by Kuryr, req-1{signature}"),
            }))
            .unwrap()
        };
        assert!(is_anothers(&port(&plane("there")), &plane("here")));
        assert!(!is_anothers(&port(&plane("here")), &plane("here")));
        // Of a Swarm, or of a Kuryr that does not say which it is.
        assert!(!is_anothers(&port(&ControlPlane::swarm().signature()), &plane("here")));
        assert!(!is_anothers(&port(""), &plane("here")));
    }
}
