//! `kuryr docker`: the Docker plugin alone, on the cloud that is configured.

use crate::{
    cli::Docker,
    configuration::Given,
    failure::Failure,
    logging, plugin,
    process::{self, ready, serve},
};
use kuryr_config::{CloudSettings, Settings};
use kuryr_openstack::{Neutron, Session};
use tokio_util::sync::CancellationToken;

const HOW: &str = "set auth_url, username, password and project_name in [neutron] of /etc/kuryr/kuryr.conf, or OS_CLOUD, \
                   or OS_AUTH_URL and its kin; or use 'kuryr up', which has a cloud of its own";

/// Runs the plugin until a signal ends it.
pub fn run(docker: &Docker, given: Given) -> Result<(), Failure> {
    let settings = given.with_sockets(&docker.sockets).settings()?;
    let Some(cloud) = settings.cloud.clone() else {
        return Err(Failure::usage("no cloud is configured", HOW));
    };
    process::require_rights()?;
    logging::start(&settings.logging)?;
    Ok(serve(|stop| plugin_on(cloud, settings, stop))?)
}

async fn plugin_on(cloud: CloudSettings, settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let session = Session::from_settings(&cloud)?;
    let server = plugin::server(session.clone(), &settings).await?;
    // Docker waits for the socket, so it answers before the cloud has.
    ready();
    tokio::select! {
        () = server.run(stop) => {}
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
