//! Docker's requests, timed.

use crate::{Metrics, metrics::PluginLabels};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use std::time::Instant;

/// The methods of Docker's plugin protocol.
const METHODS: [&str; 24] = [
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
    "NetworkDriver.AllocateNetwork",
    "NetworkDriver.FreeNetwork",
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.GwAllocCheck",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
    "IpamDriver.RequestPool",
    "IpamDriver.ReleasePool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
    "Discovery.DiscoverNew",
    "Discovery.DiscoverDelete",
];

impl Metrics {
    /// The plugin's router with each request timed.
    pub fn time_requests(&self, plugin: Router) -> Router {
        plugin.layer(from_fn_with_state(self.clone(), timed))
    }
}

async fn timed(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let method = METHODS.into_iter().find(|known| *known == path).unwrap_or("other");
    let started = Instant::now();
    let answer = next.run(request).await;
    let labels = PluginLabels { method, status: answer.status().as_u16() };
    metrics.plugin.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    answer
}
