//! The Docker plugin, served.

use crate::listen;
use kuryr_binding::{Binder, Options};
use kuryr_config::Settings;
use kuryr_docker::{Plugin, PluginSettings};
use kuryr_http::{Limits, Listener, Server};
use kuryr_neutron::HostId;
use kuryr_openstack::{Neutron, Session};

/// The name under which Neutron knows this machine.
pub fn host() -> HostId {
    HostId(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// What the plugin needs of this machine, taken; as yet without a cloud. Whoever connects now waits.
pub struct Places {
    binder: Binder,
    listeners: Vec<Listener>,
}

/// Takes the plugin's sockets. What is wrong with them or with `[binding]` shows here, before anything is started.
pub async fn take(settings: &Settings) -> anyhow::Result<Places> {
    let binding = &settings.binding;
    let options = Options {
        bindir: binding.bindir.clone(),
        ovsdb: binding.ovsdb_connection.parse()?,
        driver: binding.default_driver.parse()?,
        link_interface: binding.link_iface.clone(),
        ..Options::default()
    };
    Ok(Places { binder: Binder::with(options)?, listeners: listen::plugin(&settings.docker).await? })
}

impl Places {
    /// A plugin on this cloud, ready to be run.
    pub fn server(self, session: Session, settings: &Settings) -> Server {
        let plugin = Plugin::new(Neutron::new(session), self.binder, PluginSettings::new(settings, host()));
        let mut server = Server::new(plugin.router(), Limits::default());
        for listener in self.listeners {
            tracing::info!(socket = %listener, "Docker plugin listens");
            server = server.listen(listener);
        }
        server
    }
}
