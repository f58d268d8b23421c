//! The plugin: which request goes to which handler, and how its answer goes back.

use crate::{
    answer::{Error, http_error, success},
    handed::HandedOut,
    pool_user::Assumed,
    recent::Recent,
    reservation::Reservations,
    settings::PluginSettings,
    trace,
    unsettled::Unsettled,
    untouched::Untouched,
};
use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Bytes,
    extract::{FromRequest, Request, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use kuryr_binding::Binder;
use kuryr_config::PublishPorts;
use kuryr_neutron::{MacAddr, Network, NetworkId, Subnet, SubnetId, SubnetPoolId};
use kuryr_openstack::{Neutron, within};
use kuryr_ports::{DockerId, KeyedLocks, Ports, ReadyStock};
use kuryr_publish::Publisher;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    future::Future,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
};
use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;

const NOT_FOUND: &str = "404 Not Found: The requested URL was not found on the server. If you entered the URL manually \
                         please check your spelling and try again.";
const METHOD_NOT_ALLOWED: &str = "405 Method Not Allowed: The method is not allowed for the requested URL.";
const INTERNAL: &str = "500 Internal Server Error: The server encountered an internal error and was unable to complete \
                        your request. Either the server is overloaded or there is an error in the application.";

/// Docker's remote network driver and IPAM driver. Clones are the same plugin.
#[derive(Debug, Clone)]
pub struct Plugin {
    pub(crate) ports: Ports,
    /// Those that a request began with; see [`Plugin::now`].
    pub(crate) settings: Arc<PluginSettings>,
    /// Those that the next one begins with.
    pub(crate) current: Arc<ArcSwap<PluginSettings>>,
    pub(crate) networks: Arc<KeyedLocks<DockerId>>,
    pub(crate) endpoints: Arc<KeyedLocks<DockerId>>,
    /// An address is asked for before the endpoint has an id: its MAC stands for it.
    pub(crate) macs: Arc<KeyedLocks<MacAddr>>,
    /// A port that waits for its endpoint is known by its addresses alone.
    pub(crate) addresses: Arc<KeyedLocks<IpAddr>>,
    pub(crate) reservations: Arc<Reservations>,
    pub(crate) known_networks: Arc<Recent<DockerId, Network>>,
    pub(crate) known_subnets: Arc<Recent<SubnetPoolId, Subnet>>,
    /// The Docker networks that have pools, as far as endpoints or a network's tags told; nothing: several have it.
    pub(crate) pool_users: Arc<Recent<SubnetPoolId, Option<DockerId>>>,
    /// Where containers of Docker networks get an IPv6 address from beside their IPv4 one, as far as the network's creation or
    /// endpoints told; nothing: nowhere.
    pub(crate) known_beside: Arc<Recent<DockerId, Option<SubnetId>>>,
    /// For addresses whose endpoints are to come.
    pub(crate) assumed: Arc<Recent<(NetworkId, IpAddr), Assumed>>,
    /// Docker networks whose creation was asked for: the second time, Neutron is asked what the first did.
    pub(crate) attempts: Arc<Recent<DockerId, ()>>,
    pub(crate) handed: Arc<HandedOut>,
    pub(crate) untouched: Arc<Untouched>,
    pub(crate) unsettled: Arc<Unsettled>,
    /// Where endpoints are, from when they join until their ports are published.
    pub(crate) sandboxes: Arc<Recent<DockerId, PathBuf>>,
    pub(crate) publisher: Publisher,
    pub(crate) renewal: Arc<OnceLock<()>>,
}

impl Plugin {
    /// A plugin that keeps everything in this Neutron and plugs with this binder.
    pub fn new(neutron: Neutron, binder: Binder, settings: PluginSettings) -> Self {
        let settings = Arc::new(settings);
        let neutron = neutron.signed(&settings.control_plane.signature());
        let ports = Ports::new(neutron, binder, settings.host.clone(), settings.wait)
            .with_ready(settings.ready, &settings.control_plane);
        let is_renewed = ports.keeps_ready();
        Self {
            ports,
            publisher: Publisher::new(&settings.published),
            current: Arc::new(ArcSwap::new(settings.clone())),
            settings,
            networks: Arc::default(),
            endpoints: Arc::default(),
            macs: Arc::default(),
            addresses: Arc::default(),
            reservations: Arc::default(),
            known_networks: Arc::new(if is_renewed { Recent::renewed() } else { Recent::default() }),
            known_subnets: Arc::new(if is_renewed { Recent::renewed() } else { Recent::default() }),
            pool_users: Arc::new(Recent::renewed()),
            known_beside: Arc::new(Recent::renewed()),
            assumed: Arc::default(),
            attempts: Arc::default(),
            handed: Arc::default(),
            untouched: Arc::default(),
            unsettled: Arc::default(),
            sandboxes: Arc::default(),
            renewal: Arc::default(),
        }
    }

    /// The client of its cloud.
    pub fn neutron(&self) -> &Neutron {
        self.ports.neutron()
    }

    /// Looks whether the ports that are kept ready are still there. It is done now and then without being asked for.
    ///
    /// # Errors
    /// Neutron could not be asked.
    pub async fn look_at_ready_ports(&self) -> Result<(), Error> {
        Ok(self.ports.look_at_ready().await?)
    }

    /// From now on requests are answered as these settings say, as far as settings can change while Docker uses the
    /// plugin. Requests under way end as they began.
    pub fn follow(&self, newer: PluginSettings) {
        let settings = self.current.load().followed_by(newer);
        if let Some(limits) = settings.ready {
            self.ports.change_ready(limits);
        }
        self.current.store(Arc::new(settings));
    }

    /// Whoever deals with a port of these addresses waits for whoever does already.
    pub(crate) async fn lock_addresses(&self, addresses: &[IpAddr]) -> Vec<OwnedMutexGuard<()>> {
        let mut locked = Vec::with_capacity(addresses.len());
        // In one order, so that no two wait for each other.
        for address in addresses.iter().copied().collect::<BTreeSet<_>>() {
            locked.push(self.addresses.lock(address).await);
        }
        locked
    }

    /// The plugin as what begins now sees it, to its end.
    pub(crate) fn now(&self) -> Self {
        let settings = self.current.load_full();
        Self { ports: self.ports.clone().waiting(settings.wait), settings, ..self.clone() }
    }

    /// Makes up for what an earlier process answered and could not write any more, once the cloud answers: no request of
    /// Docker's, and no comparison, has to come first.
    pub async fn recover(&self) {
        self.ports.begin_recovery().await;
    }

    /// Waits until all that was answered is written in Neutron too. A process that ends without it makes up for it at its
    /// next start.
    pub async fn settle(&self) {
        self.ports.behind().settle().await;
    }

    /// How many writes to Neutron are on their way that nobody waits for.
    pub fn writes_behind(&self) -> usize {
        self.ports.behind().len()
    }

    /// How many ports are where on each subnet for which some are kept ready.
    pub fn ready_stock(&self) -> Vec<(NetworkId, SubnetId, ReadyStock)> {
        self.ports.ready_stock()
    }

    /// How many ports are published: at this host's addresses, and on floating IPs.
    pub fn published(&self) -> [(PublishPorts, usize); 2] {
        [
            (PublishPorts::Host, self.publisher.count()),
            (PublishPorts::FloatingIp, self.ports.count_published_floating()),
        ]
    }

    /// Forgets what a change of this Docker network may have made wrong.
    pub(crate) fn forget_network(&self, id: &DockerId) {
        self.known_beside.forget(id);
        self.untouched.forget(id);
        if let Some(network) = self.known_networks.get(id) {
            self.known_networks.forget_if(|_, known| known.id == network.id);
            self.known_subnets.forget_if(|_, subnet| subnet.network_id == network.id);
        }
    }

    /// The routes of both drivers, and the one for people.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/Plugin.Activate", handle(Self::activate))
            .route("/NetworkDriver.GetCapabilities", handle(Self::network_capabilities))
            .route("/NetworkDriver.GwAllocCheck", handle(Self::gateway_check))
            .route("/NetworkDriver.DiscoverNew", handle(Self::discover))
            .route("/NetworkDriver.DiscoverDelete", handle(Self::discover))
            .route("/NetworkDriver.AllocateNetwork", handle(Self::allocate_network))
            .route("/NetworkDriver.FreeNetwork", handle(Self::free_network))
            .route("/NetworkDriver.CreateNetwork", handle(Self::create_network))
            .route("/NetworkDriver.DeleteNetwork", handle(Self::delete_network))
            .route("/NetworkDriver.CreateEndpoint", handle(Self::create_endpoint))
            .route("/NetworkDriver.DeleteEndpoint", handle(Self::delete_endpoint))
            .route("/NetworkDriver.EndpointOperInfo", handle(Self::endpoint_info))
            .route("/NetworkDriver.Join", handle(Self::join))
            .route("/NetworkDriver.Leave", handle(Self::leave))
            .route("/NetworkDriver.ProgramExternalConnectivity", handle(Self::program_external_connectivity))
            .route("/NetworkDriver.RevokeExternalConnectivity", handle(Self::revoke_external_connectivity))
            .route("/IpamDriver.GetCapabilities", handle(Self::ipam_capabilities))
            .route("/IpamDriver.GetDefaultAddressSpaces", handle(Self::default_address_spaces))
            .route("/IpamDriver.RequestPool", handle(Self::request_pool))
            .route("/IpamDriver.ReleasePool", handle(Self::release_pool))
            .route("/IpamDriver.RequestAddress", handle(Self::request_address))
            .route("/IpamDriver.ReleaseAddress", handle(Self::release_address))
            .route(crate::ready_ports::DRAIN, handle(Self::drain))
            .fallback(|| async { http_error(StatusCode::NOT_FOUND, NOT_FOUND) })
            .method_not_allowed_fallback(|| async { http_error(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED) })
            .with_state(self.clone())
    }
}

/// Runs a handler to its end even if Docker hangs up: half of a request would never be undone.
fn handle<F, Fut>(handler: F) -> MethodRouter<Plugin>
where
    F: Fn(Plugin, Bytes) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, Error>> + Send + 'static,
{
    post(async move |State(plugin): State<Plugin>, request: Request| -> Response {
        let path = request.uri().path().to_owned();
        let body = match body_of(request).await {
            Ok(body) => body,
            Err(rejection) => return http_error(rejection.status(), &rejection.body_text()),
        };
        let plugin = plugin.now();
        let span = trace::span(&path, &body);
        let started = std::time::Instant::now();
        let limit = plugin.settings.request_limit;
        let answer = tokio::spawn(within(limit, handler(plugin, body)).instrument(span.clone())).await;
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        let _within = span.entered();
        match answer {
            Ok(Ok(answer)) => {
                tracing::debug!(milliseconds, %answer, "answered");
                success(&answer)
            }
            Ok(Err(error)) => {
                tracing::warn!(milliseconds, status = error.status().as_u16(), error = %error.text(), "failed");
                error.into_response()
            }
            Err(error) => {
                tracing::error!(%error, "a defect: the request was cut off");
                http_error(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL)
            }
        }
    })
}

/// The body, whatever its Content-Type says, up to axum's limit.
async fn body_of(request: Request) -> Result<Bytes, BytesRejection> {
    <Bytes as FromRequest<()>>::from_request(request, &()).await
}
