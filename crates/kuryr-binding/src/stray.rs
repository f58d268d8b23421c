//! Interfaces of ours that no port has any more: what a crash, or another hand, left on this host.

use crate::{Binder, Error, Plugged, host::is_ours, switch};
use kuryr_netlink::Links;
use kuryr_neutron::PortId;
use std::collections::BTreeSet;

/// First letters of the container's end, which nobody else uses.
const CONTAINER_END: &str = "t_c";

/// An interface without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its name.
    pub name: String,
    /// It carries packets: whatever uses it is not to be disturbed.
    pub in_use: bool,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A link in the host's namespace that waits for a container.
    Host,
    /// A port of Open vSwitch, of this Neutron port.
    Switch(PortId),
}

impl Binder {
    /// The interfaces on this host that Kuryr made for ports other than these. Links in the namespace of the embedded
    /// cloud are not looked at: its data plane keeps that clean.
    pub async fn strays(&self, known: &BTreeSet<PortId>) -> Result<Vec<Stray>, Error> {
        let mut switched = Vec::new();
        if self.has_switch() {
            // Without Open vSwitch nothing is in it.
            let found = self.vswitch.ports_of(switch::OWNER).await;
            let found = found.inspect_err(|error| tracing::warn!(%error, "Open vSwitch is not looked at"));
            let parse = |(id, name): (String, String)| Some((id.parse::<PortId>().ok()?, name));
            switched = found.unwrap_or_default().into_iter().filter_map(parse).collect();
            switched.retain(|(port, _)| !known.contains(port));
        }
        let waiting: BTreeSet<String> = known.iter().map(|port| Plugged::names(*port).container_interface).collect();
        self.at_home(move |links| {
            let all = links.list()?;
            let in_switch = switched.into_iter().map(|(port, name)| {
                let in_use = all.iter().any(|link| link.name == name && link.carrier);
                Stray { name, in_use, place: Place::Switch(port) }
            });
            let mut strays: Vec<Stray> = in_switch.collect();
            let left = all.iter().filter(|link| link.name.starts_with(CONTAINER_END) && is_ours(link));
            let left = left.filter(|link| !waiting.contains(&link.name));
            // Docker sets it up once it is inside a container.
            strays.extend(left.map(|link| Stray { name: link.name.clone(), in_use: link.up, place: Place::Host }));
            Ok(strays)
        })
        .await
    }

    /// Removes one that is not in use. Gone already counts as removed.
    pub async fn remove_stray(&self, stray: &Stray) -> Result<(), Error> {
        if let Place::Switch(port) = stray.place {
            switch::remove(&self.vswitch, port).await?;
        }
        let name = stray.name.clone();
        self.at_home(move |links| match links.get(&name)? {
            Some(link) if is_ours(&link) => match links.delete(link.index) {
                Err(error) if error.is_not_found() => Ok(()),
                done => done,
            },
            _ => Ok(()),
        })
        .await
    }

    /// Work in the host's namespace that concerns no port in particular.
    async fn at_home<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Links) -> Result<T, kuryr_netlink::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let host = self.host.clone();
        let done = tokio::task::spawn_blocking(move || work(&mut Links::open_in(&host.namespace)?)).await;
        match done {
            Ok(result) => result.map_err(|source| Error::Host { source }),
            Err(_) => Err(Error::Ended),
        }
    }
}
