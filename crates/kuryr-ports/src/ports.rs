//! Finding networks and ports by the identities that Docker gave them.

use crate::{
    Author, Behind, ControlPlane, DEVICE_OWNER, DockerId, Error, ReadyLimits, Tagging, User, author,
    floating::Floating, machine::Machine, memory::Memory, ready::Ready,
};
use kuryr_binding::Binder;
use kuryr_neutron::{DEVICE_OWNER_SUBPORT, HostId, Network, NetworkId, Port, Resource, Tag};
use kuryr_openstack::{CREATED_BY_KURYR, Neutron, Query};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
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
    pub(crate) memory: Memory,
    pub(crate) machine: Machine,
    pub(crate) floating: Floating,
    pub(crate) ready: Ready,
    behind: Behind,
    offer: Arc<OnceCell<Offer>>,
}

/// What the cloud offers.
#[derive(Debug)]
struct Offer {
    tagging: Tagging,
    /// Aliases of all extensions.
    extensions: BTreeSet<String>,
}

impl Ports {
    /// Ports that are bound to `host` and plugged by `binder`.
    pub fn new(neutron: Neutron, binder: Binder, host: HostId, wait: ActiveWait) -> Self {
        let (memory, machine) = (Memory::default(), Machine::default());
        let behind = Behind::new(neutron.session().traffic().clone());
        Self {
            neutron,
            binder,
            host,
            wait,
            memory,
            machine,
            floating: Floating::default(),
            ready: Ready::new(None, None),
            behind,
            offer: Arc::default(),
        }
    }

    /// The same, and so many ports are kept ready on each subnet that containers use. Those that `maker` left are taken up.
    pub fn with_ready(self, limits: Option<ReadyLimits>, maker: &ControlPlane) -> Self {
        Self { ready: Ready::new(limits, Some(maker.clone())), ..self }
    }

    /// The same ports, waited for like this.
    #[must_use]
    pub fn waiting(self, wait: ActiveWait) -> Self {
        Self { wait, ..self }
    }

    /// The client.
    pub fn neutron(&self) -> &Neutron {
        &self.neutron
    }

    /// What plugs them.
    pub fn binder(&self) -> &Binder {
        &self.binder
    }

    /// Name of the interface that the port's container gets.
    pub fn container_interface(&self, port: &Port) -> Result<String, Error> {
        Ok(self.binder.container_interface(port)?)
    }

    /// True for a port of a virtual function: its address is the card's matter, not Docker's.
    pub fn is_function(&self, port: &Port) -> bool {
        self.binder.is_function(port)
    }

    /// Writes that nobody waits for.
    pub fn behind(&self) -> &Behind {
        &self.behind
    }

    /// What of tags the cloud offers; asked once, at the first need. Then what an earlier process could not write any
    /// more is written too.
    pub async fn tagging(&self) -> Result<Tagging, Error> {
        Ok(self.offer().await?.tagging)
    }

    /// Refuses what needs an extension that the cloud does not have; `what` is the wish in the caller's words.
    pub async fn require_extension(&self, extension: &'static str, what: &str) -> Result<(), Error> {
        if self.offer().await?.extensions.contains(extension) {
            return Ok(());
        }
        Err(Error::Unsupported { what: what.to_owned(), extension })
    }

    async fn offer(&self) -> Result<&Offer, Error> {
        let offer = self.offer.get_or_try_init(|| async {
            let extensions = self.neutron.extensions().await?;
            let tagging = Tagging::from_extensions(&extensions);
            if !tagging.resources {
                tracing::warn!(
                    "the cloud has no extension 'standard-attr-tag': names tell who owns what, and existing networks, \
                     subnets and ports cannot be used"
                );
            }
            self.recover_behind(tagging);
            Ok::<_, Error>(Offer { tagging, extensions })
        });
        offer.await
    }

    /// The text that stands for an identity in messages: its tags, or its name without them.
    pub async fn identifier(&self, id: &DockerId) -> Result<String, Error> {
        Ok(if self.tagging().await?.identity { id.tag_text() } else { id.to_string() })
    }

    /// The network of a Docker network.
    pub async fn network_of(&self, id: &DockerId) -> Result<Option<Network>, Error> {
        if !self.tagging().await?.identity {
            return self.one("networks", format!("name={id}"), Query::new().eq("name", id)).await;
        }
        match self.one("networks", format!("tags={}", id.tag_text()), Query::new().tags(&id.tags())).await? {
            Some(network) => Ok(Some(network)),
            None => Ok(self.untagged_networks_of(std::slice::from_ref(id)).await?.pop()),
        }
    }

    /// Networks whose creator ended before it wrote all their tags: their names tell, and that Kuryr made them and nobody
    /// else has marked them since. Now they get their tags.
    pub async fn untagged_networks_of(&self, ids: &[DockerId]) -> Result<Vec<Network>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = ids.iter().map(DockerId::network_name).collect();
        let mut named = self.neutron.list::<Network>(&Query::new().any("name", &names)).await?;
        named.retain(|network| network.description.starts_with(CREATED_BY_KURYR));
        let mut found = Vec::new();
        for id in ids {
            let name = id.network_name();
            let is_begun = |network: &&Network| network.tags.iter().all(|tag| owed_tags(network, id).contains(tag));
            let of_id: Vec<&Network> = named.iter().filter(|network| network.name == name).filter(is_begun).collect();
            let ([network], 1) = (of_id.as_slice(), names.iter().filter(|other| **other == name).count()) else {
                continue;
            };
            tracing::info!(docker_network = %id, network = %network.id, "gets the tags that are not written yet");
            // Whoever asks may add tags of its own, after which an identity that is still owed could not be told from
            // one that is missing.
            self.behind().flush(network.id).await;
            for tag in owed_tags(network, id).iter().filter(|tag| !network.tags.contains(tag)) {
                self.neutron.add_tag::<Network>(network.id, tag).await?;
            }
            found.extend(self.neutron.find::<Network>(network.id).await?);
        }
        Ok(found)
    }

    /// Marks a new network, a moment later; what it is then is told to `marked`.
    pub fn tag_network_behind(&self, id: NetworkId, tags: Vec<Tag>, marked: impl Fn(Network) + Send + Sync + 'static) {
        let (neutron, was_tried, marked) = (self.neutron.clone(), AtomicBool::new(false), Arc::new(marked));
        self.behind().schedule(id, "tags of a network", move || {
            let (neutron, tags, was_tried) = (neutron.clone(), tags.clone(), was_tried.swap(true, Ordering::SeqCst));
            let marked = Arc::clone(&marked);
            async move {
                // What failed may have been seen all the same, and others may have joined.
                let written = match was_tried {
                    false => neutron.set_first_tags::<Network>(id, &tags).await,
                    true => neutron.add_tags::<Network>(id, &tags).await,
                };
                match written {
                    Err(error) if error.is_not_found() => return Ok(()),
                    result => result?,
                }
                match neutron.get::<Network>(id).await {
                    Ok(network) => marked(network),
                    Err(error) => tracing::debug!(network = %id, %error, "is marked, and is not known since"),
                }
                Ok::<_, kuryr_openstack::Error>(())
            }
        });
    }

    /// Whether the cloud deletes only what still has the revision that the deletion names.
    pub async fn heeds_revisions(&self) -> Result<bool, Error> {
        Ok(self.offer().await?.extensions.contains("revision-if-match"))
    }

    /// The port of a Docker endpoint, as far as it does not change while the endpoint lives.
    pub async fn port_of(&self, endpoint: &DockerId) -> Result<Option<Port>, Error> {
        match self.memory.by_endpoint(endpoint) {
            Some(known) => Ok(Some(known.port)),
            None => self.current_port_of(endpoint).await,
        }
    }

    /// The port of a Docker endpoint that got a ready one, and of which Neutron is yet to be told.
    pub fn untold_port_of(&self, endpoint: &DockerId) -> Option<Port> {
        let port = self.memory.by_endpoint(endpoint)?.port;
        (self.ready.has_lent(port.id) && self.behind().is_pending(port.id)).then_some(port)
    }

    /// The port of a Docker endpoint as Neutron tells it now.
    pub async fn current_port_of(&self, endpoint: &DockerId) -> Result<Option<Port>, Error> {
        let found = match self.memory.by_endpoint(endpoint) {
            Some(known) => self.neutron.find::<Port>(known.port.id).await?,
            None => None,
        };
        let found = match found {
            Some(port) if self.current_user(&port).await? == User::Endpoint(endpoint.clone()) => Some(port),
            _ => self.search_port_of(endpoint).await?,
        };
        if let Some(port) = &found {
            self.memory.given(port, endpoint);
        }
        Ok(found)
    }

    async fn search_port_of(&self, endpoint: &DockerId) -> Result<Option<Port>, Error> {
        if !self.tagging().await?.resources {
            let name = endpoint.port_name();
            return match self.one("ports", format!("name={name}"), Query::new().eq("name", &name)).await? {
                Some(port) => Ok(Some(port)),
                None => self.plugged_for(endpoint).await,
            };
        }
        // The tags tell, also where an older release left the device of an earlier endpoint. They are written behind,
        // so that a young port may have the device alone, or neither.
        let filter = format!("tags={}", endpoint.tag_text());
        if let Some(port) = self.one("ports", filter, Query::new().tags(&endpoint.tags())).await? {
            return Ok(Some(port));
        }
        let query = Query::new().eq("device_id", endpoint).any("device_owner", [DEVICE_OWNER, DEVICE_OWNER_SUBPORT]);
        match self.one("ports", format!("device_id={endpoint}"), query).await? {
            Some(port) => Ok(Some(port)),
            None => self.plugged_for(endpoint).await,
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

/// The tags that a new network gets behind: who uses it, its maker, and whose it is. In this order one after the other: a
/// network with a whole identity lacks nothing.
fn owed_tags(network: &Network, id: &DockerId) -> Vec<Tag> {
    let used = match author(&network.description) {
        Author::Kuryr(maker) => Some(maker.network_tag(id)),
        Author::SomeKuryr | Author::Unknown => None,
    };
    used.into_iter().chain(id.tags()).collect()
}
