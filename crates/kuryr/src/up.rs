//! `kuryr up`: the embedded cloud and the Docker plugin in one process.

use crate::{
    cli::Up,
    configuration::Given,
    confinement,
    embedded::Embedded,
    failure::Failure,
    logging::{self, Log},
    plugin,
    process::{self, ready, serve},
    reload::Reload,
    state_lock::StateLock,
};
use kuryr_config::{CloudSettings, Settings};
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;

/// Runs both until a signal ends them.
pub fn run(up: &Up, given: Given) -> Result<(), Failure> {
    process::give_memory_back();
    let given = given.with_place(&up.place).with_sockets(&up.sockets);
    let settings = given.clone().settings()?;
    if !up.embedded {
        refuse_other_cloud(&settings)?;
    }
    run_with(given, settings)
}

/// The same with settings that are read already.
pub fn run_with(given: Given, settings: Settings) -> Result<(), Failure> {
    process::require_rights()?;
    let log = logging::start(&settings.logging)?;
    confinement::keep_to_embedded()?;
    Ok(serve(|stop| both(given, settings, log, stop))?)
}

async fn both(given: Given, settings: Settings, log: Log, stop: CancellationToken) -> anyhow::Result<()> {
    let reload = Reload::listen(given, &settings, log)?;
    // The lock first: it is what names another Kuryr. Then Docker's socket: one that cannot be had starts nothing.
    let lock = StateLock::take(&settings.embedded.state_dir)?;
    let places = plugin::take(&settings).await?;
    let embedded = Embedded::open(lock, &settings.embedded).await?;
    let session = embedded.session(places.metrics())?;
    let (plugin, followers) = places.service(session, &settings).await;
    ready();
    let (outcome, ()) = tokio::join!(embedded.run(Some(plugin), stop.clone()), reload.run(Some(followers), stop));
    outcome
}

/// A cloud is configured and it is not our own: then the embedded one was hardly meant.
fn refuse_other_cloud(settings: &Settings) -> Result<(), Failure> {
    match &settings.cloud {
        Some(cloud) if !is_embedded(cloud, settings.embedded.api_listen) => Err(Failure::usage(
            format!("a cloud is configured: {}", cloud.source),
            "'kuryr docker' runs the Docker plugin on it; 'kuryr up --embedded' runs the embedded cloud all the same",
        )),
        _ => Ok(()),
    }
}

/// Whether a cloud's address is the one the embedded cloud listens on.
fn is_embedded(cloud: &CloudSettings, listen: SocketAddr) -> bool {
    let url = &cloud.auth_url;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let same_host = (host == "localhost" && listen.ip().is_loopback()) || host.parse() == Ok(listen.ip());
    same_host && url.port_or_known_default() == Some(listen.port())
}
