//! The Docker plugin, served.

use crate::listen;
use kuryr_binding::{Binder, Options};
use kuryr_config::Settings;
use kuryr_docker::{Plugin, PluginSettings};
use kuryr_http::{Limits, Server};
use kuryr_neutron::HostId;
use kuryr_openstack::{Neutron, Session};

/// The name under which Neutron knows this machine.
pub fn host() -> HostId {
    HostId(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// A plugin on this cloud, listening and ready to be run.
pub async fn server(session: Session, settings: &Settings) -> anyhow::Result<Server> {
    let binding = &settings.binding;
    let options = Options {
        bindir: binding.bindir.clone(),
        ovsdb: binding.ovsdb_connection.parse()?,
        driver: binding.default_driver.parse()?,
        link_interface: binding.link_iface.clone(),
        ..Options::default()
    };
    let plugin = Plugin::new(Neutron::new(session), Binder::with(options)?, PluginSettings::new(settings, host()));
    let mut server = Server::new(plugin.router(), Limits::default());
    for listener in listen::plugin(&settings.docker).await? {
        tracing::info!(socket = %listener, "Docker plugin listens");
        server = server.listen(listener);
    }
    Ok(server)
}
