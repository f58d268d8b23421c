//! `kuryr docker`: the Docker plugin alone, on the cloud that is configured.

use crate::{
    check,
    configuration::Given,
    confinement,
    failure::Failure,
    logging::{self, Log},
    plugin,
    process::{self, ready, serve_with},
    reload::Reload,
};
use kuryr_config::{CloudSettings, Settings};
use kuryr_openstack::{Neutron, Session};
use tokio_util::sync::CancellationToken;

const HOW: &str = "set auth_url, username, password and project_name in [neutron] of /etc/kuryr/kuryr.conf, or OS_CLOUD, \
                   or OS_AUTH_URL and its kin; or use 'kuryr up', which has a cloud of its own";

/// Runs the plugin until a signal ends it.
pub fn run(given: Given) -> Result<(), Failure> {
    let settings = given.clone().settings()?;
    run_with(given, settings, Limits::default())
}

/// The same with settings that are read already.
pub fn run_with(given: Given, settings: Settings, limits: Limits) -> Result<(), Failure> {
    let Some(cloud) = settings.cloud.clone() else {
        return Err(Failure::usage("no cloud is configured", HOW));
    };
    process::require_rights()?;
    let log = logging::start_at(&settings.logging, limits.level)?;
    for file in check::open_files(&settings) {
        tracing::warn!(
            file,
            "everybody on this machine can read it, and the cloud's password where it is in there (chmod o-rwx)"
        );
    }
    confinement::keep_only(confinement::PLUGIN)?;
    Ok(serve_with(limits.threads, |stop| plugin_on(cloud, given, settings, log, stop))?)
}

/// What the image's variables say beyond the settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Log nothing below this, if it is set.
    pub level: Option<&'static str>,
    /// Threads that serve requests.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { level: None, threads: process::THREADS }
    }
}

async fn plugin_on(
    cloud: CloudSettings,
    given: Given,
    settings: Settings,
    log: Log,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let reload = Reload::listen(given, &settings, log)?;
    let places = plugin::take(&settings).await?;
    let session = Session::from_settings_over(&cloud, |way| places.metrics().time_calls(way))?;
    let (service, mut followers) = places.service(session.clone(), &settings).await;
    followers.session = Some(session.clone());
    // Docker waits for the socket, so it answers before the cloud has.
    ready();
    tokio::select! {
        ((), ()) = async { tokio::join!(service.run(stop.clone()), reload.run(Some(followers), stop)) } => {}
        () = try_cloud(session, &cloud.source) => {}
    }
    Ok(())
}

/// Tells the log at once whether the cloud can be used, then rests.
async fn try_cloud(session: Session, source: &str) {
    match Neutron::new(session).extensions().await {
        Ok(extensions) => {
            tracing::info!(cloud = source, "Neutron answers");
            if !extensions.contains("subnet_allocation") {
                tracing::error!("this Neutron lacks the extension 'subnet_allocation', which Kuryr needs for pools");
            }
        }
        Err(error) => tracing::error!(cloud = source, %error, "the cloud cannot be used; each request tries again"),
    }
    std::future::pending().await
}
