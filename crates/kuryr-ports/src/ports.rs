//! Finding networks and ports by the identities that Docker gave them.

use crate::{DockerId, Error, Tagging};
use kuryr_binding::Binder;
use kuryr_neutron::{HostId, Network, Port, Resource};
use kuryr_openstack::{Neutron, Query};
use std::{sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// Whether and how long to wait until the cloud has wired a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveWait {
    /// A port that does not become active fails its endpoint.
    pub is_fatal: bool,
    /// How long to wait.
    pub timeout: Duration,
}

/// Ports of one host, on one cloud. Clones share all.
#[derive(Debug, Clone)]
pub struct Ports {
    pub(crate) neutron: Neutron,
    pub(crate) binder: Binder,
    pub(crate) host: HostId,
    pub(crate) wait: ActiveWait,
    tagging: Arc<OnceCell<Tagging>>,
}

impl Ports {
    /// Ports that are bound to `host` and plugged by `binder`.
    pub fn new(neutron: Neutron, binder: Binder, host: HostId, wait: ActiveWait) -> Self {
        Self { neutron, binder, host, wait, tagging: Arc::new(OnceCell::new()) }
    }

    /// The client.
    pub fn neutron(&self) -> &Neutron {
        &self.neutron
    }

    /// What of tags the cloud offers; asked once, at the first need.
    pub async fn tagging(&self) -> Result<Tagging, Error> {
        let tagging = self.tagging.get_or_try_init(|| async {
            let extensions = self.neutron.extensions().await?;
            let tagging = Tagging::from_extensions(&extensions);
            if !tagging.resources {
                tracing::warn!(
                    "the cloud has no extension 'standard-attr-tag': names tell who owns what, and existing networks, \
                     subnets and ports cannot be used"
                );
            }
            Ok::<_, Error>(tagging)
        });
        Ok(*tagging.await?)
    }

    /// The text that stands for an identity in messages: its tags, or its name without them.
    pub async fn identifier(&self, id: &DockerId) -> Result<String, Error> {
        Ok(if self.tagging().await?.identity { id.tag_text() } else { id.to_string() })
    }

    /// The network of a Docker network.
    pub async fn network_of(&self, id: &DockerId) -> Result<Option<Network>, Error> {
        let query =
            if self.tagging().await?.identity { Query::new().tags(&id.tags()) } else { Query::new().eq("name", id) };
        let filter =
            if self.tagging().await?.identity { format!("tags={}", id.tag_text()) } else { format!("name={id}") };
        self.one("networks", filter, query).await
    }

    /// The port of a Docker endpoint.
    pub async fn port_of(&self, endpoint: &DockerId) -> Result<Option<Port>, Error> {
        if self.tagging().await?.resources {
            self.one("ports", format!("tags={}", endpoint.tag_text()), Query::new().tags(&endpoint.tags())).await
        } else {
            let name = endpoint.port_name();
            self.one("ports", format!("name={name}"), Query::new().eq("name", &name)).await
        }
    }

    /// The only resource that a filter finds, if any.
    pub async fn one<R: Resource>(&self, what: &'static str, filter: String, query: Query) -> Result<Option<R>, Error> {
        let mut found = self.neutron.list::<R>(&query).await?;
        if found.len() > 1 {
            return Err(Error::Ambiguous { what, filter });
        }
        Ok(found.pop())
    }
}
