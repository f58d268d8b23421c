//! The Docker plugin, served.

use crate::listen;
use kuryr_binding::{Binder, Driver, Options};
use kuryr_config::{BindingDriver, Settings};
use kuryr_docker::{
    Plugin, PluginSettings,
    reconcile::{Reconciler, Young},
};
use kuryr_http::{Limits, Listener, Server};
use kuryr_neutron::HostId;
use kuryr_openstack::{Neutron, Session};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
    Ok(Places { binder: binder(settings)?, listeners: listen::plugin(&settings.docker).await? })
}

/// What plugs ports, as `[binding]` has it.
pub fn binder(settings: &Settings) -> anyhow::Result<Binder> {
    let binding = &settings.binding;
    let options = Options {
        bindir: binding.bindir.clone(),
        ovsdb: binding.ovsdb_connection.parse()?,
        driver: match binding.driver {
            BindingDriver::Veth => Driver::Veth,
            BindingDriver::Macvlan => Driver::Macvlan,
            BindingDriver::Ipvlan => Driver::Ipvlan,
            BindingDriver::Vlan => Driver::Vlan,
        },
        link_interface: binding.link_iface.clone(),
        sriov: binding.sriov,
        ..Options::default()
    };
    Ok(Binder::with(options)?)
}

impl Places {
    /// A plugin on this cloud, ready to be run.
    pub async fn service(self, session: Session, settings: &Settings) -> Service {
        let plugin = Plugin::new(Neutron::new(session), self.binder, PluginSettings::new(settings, host()));
        plugin.restore().await;
        let mut server = Server::new(plugin.router(), Limits::default());
        for listener in self.listeners {
            tracing::info!(socket = %listener, "Docker plugin listens");
            server = server.listen(listener);
        }
        let reconciler = Reconciler::new(&plugin, &settings.docker.docker_socket, Young::Remembered);
        Service { server, reconciler, every: settings.docker.reconcile_interval }
    }
}

/// The plugin, and what keeps its ports in step with Docker.
pub struct Service {
    server: Server,
    reconciler: Reconciler,
    every: Option<Duration>,
}

impl Service {
    /// Runs until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let reconcile = async {
            if let Some(every) = self.every {
                self.reconciler.run(every, stop.clone()).await;
            }
        };
        tokio::join!(self.server.run(stop.clone()), reconcile);
    }
}
