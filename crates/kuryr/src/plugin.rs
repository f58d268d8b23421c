//! The Docker plugin, served.

use crate::{cli::VERSION, listen};
use kuryr_binding::{Binder, Driver, Options};
use kuryr_config::{BindingDriver, PublishPorts, Settings};
use kuryr_docker::{
    Plugin, PluginSettings,
    reconcile::{Difference, Done, Pause, Reconciler, Young},
};
use kuryr_http::{Limits, Listener, Server, TlsKeys};
use kuryr_metrics::{Check, Metrics, Reconciliation, Sample, Sampled};
use kuryr_neutron::{HostId, NetworkId, SubnetId};
use kuryr_openstack::{Neutron, Session};
use kuryr_ports::{ControlPlane, ReadyStock};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// At the end, nobody waits longer than this for what Neutron has not been told yet; systemd gives the whole end 45 seconds.
const SETTLE: Duration = Duration::from_secs(10);

/// The name under which Neutron knows this machine.
pub fn host() -> HostId {
    HostId(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// Which of the Kuryrs that share a cloud this one is.
pub fn control_plane(settings: &Settings) -> ControlPlane {
    let configured = settings.docker.control_plane.as_deref().and_then(|text| text.parse().ok());
    configured.unwrap_or_else(|| {
        let machine_id = std::fs::read_to_string("/etc/machine-id").ok();
        ControlPlane::of_machine(machine_id.as_deref(), &host().0)
    })
}

/// What the plugin is told.
pub fn settings(settings: &Settings) -> PluginSettings {
    PluginSettings::new(settings, host(), control_plane(settings))
}

/// What of a running plugin follows the configuration.
pub struct Followers {
    /// What answers Docker.
    pub plugin: Plugin,
    /// Pause between two comparisons.
    pub every: watch::Sender<Option<Duration>>,
    /// Certificate of the address with TLS.
    pub keys: Option<TlsKeys>,
    /// The session with a configured cloud.
    pub session: Option<Session>,
    /// Where calls to the cloud are measured.
    pub metrics: Metrics,
}

/// What the plugin needs of this machine, taken; as yet without a cloud. Whoever connects now waits.
pub struct Places {
    binder: Binder,
    listeners: Vec<Listener>,
    metrics: Metrics,
    monitoring: Option<Listener>,
}

/// Takes the plugin's sockets. What is wrong with them or with `[binding]` shows here, before anything is started.
pub async fn take(settings: &Settings) -> anyhow::Result<Places> {
    let (binder, listeners) = (binder(settings)?, listen::plugin(&settings.docker).await?);
    let monitoring = match settings.metrics_listen {
        Some(address) => Some(Listener::tcp(&address.to_string()).await?),
        None => None,
    };
    Ok(Places { binder, listeners, metrics: Metrics::new(VERSION), monitoring })
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
    /// Where everything is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A plugin on this cloud, ready to be run, and what of it follows the configuration.
    pub async fn service(self, session: Session, settings: &Settings) -> (Service, Followers) {
        let neutron = Neutron::new(session);
        let plugin = Plugin::new(neutron.clone(), self.binder, self::settings(settings));
        plugin.restore().await;
        let keys = self.listeners.iter().find_map(Listener::keys);
        let mut server = Server::new(self.metrics.time_requests(plugin.router()), Limits::default());
        for listener in self.listeners {
            tracing::info!(socket = %listener, "Docker plugin listens");
            server = server.listen(listener);
        }
        sample(&self.metrics, &plugin, neutron.session());
        let monitoring = self.monitoring.map(|listener| {
            tracing::info!(address = %listener, "metrics and probes are served");
            let router = kuryr_metrics::router(self.metrics.clone(), vec![cloud_answers(neutron)]);
            Server::new(router, Limits::default()).listen(listener)
        });
        let reconciler = Reconciler::new(&plugin, &settings.docker.docker_socket, Young::Remembered);
        let (every, pause) = watch::channel(settings.docker.reconcile_interval);
        let followers = Followers { plugin: plugin.clone(), every, keys, session: None, metrics: self.metrics.clone() };
        (Service { plugin, server, monitoring, reconciler, pause, metrics: self.metrics }, followers)
    }
}

/// Adds what is counted when somebody asks.
fn sample(metrics: &Metrics, plugin: &Plugin, session: &Session) {
    let number = |number: usize| Sample::plain(number as f64);
    let cloud = session.clone();
    let limit = move || cloud.calls_at_a_time().map(number).unwrap_or_default();
    metrics.sample(Sampled::new("cloud_requests_limit", "Calls that the cloud is given at a time", limit));
    let cloud = session.clone();
    let waiting = move || number(cloud.calls_waiting());
    metrics.sample(Sampled::new("cloud_requests_waiting", "Calls that wait until the cloud has done others", waiting));
    let behind = plugin.clone();
    let pending = move || number(behind.writes_behind());
    metrics.sample(Sampled::new("writes_behind", "Writes to Neutron that nobody waits for", pending));
    let stock = plugin.clone();
    let ready = move || {
        let states = |stock: ReadyStock| {
            let ReadyStock { ready, lent, returning, resting, leaving } = stock;
            [("ready", ready), ("lent", lent), ("returning", returning), ("resting", resting), ("leaving", leaving)]
        };
        let of_subnet = |(network, subnet, stock): (NetworkId, SubnetId, ReadyStock)| {
            states(stock).map(|(state, number)| {
                let ids = [("network", network.to_string()), ("subnet", subnet.to_string())];
                Sample { labels: [&ids[..], &[("state", state.to_owned())]].concat(), value: number as f64 }
            })
        };
        stock.ready_stock().into_iter().flat_map(of_subnet).collect()
    };
    metrics.sample(Sampled::new("ready_ports", "Ports of subnets for which some are kept ready", ready));
    let publishing = plugin.clone();
    let published = move || {
        let sample = |(way, number): (PublishPorts, usize)| Sample {
            labels: vec![("way", way.as_str().to_owned())],
            value: number as f64,
        };
        publishing.published().map(sample).into()
    };
    metrics.sample(Sampled::new("published_ports", "Ports of containers that are published", published));
}

/// Whether the cloud would answer a request now.
fn cloud_answers(neutron: Neutron) -> Check {
    Check::new("cloud", move || {
        let neutron = neutron.clone();
        async move { neutron.extensions().await.map(drop).map_err(|error| error.to_string()) }
    })
}

/// The plugin, and what keeps its ports in step with Docker.
pub struct Service {
    plugin: Plugin,
    server: Server,
    monitoring: Option<Server>,
    reconciler: Reconciler,
    pause: Pause,
    metrics: Metrics,
}

impl Service {
    /// Runs until it is told to stop. Then it writes what it owes Neutron: another program may take its place.
    pub async fn run(self, stop: CancellationToken) {
        let observe = |done: &Done| self.metrics.reconciled(&measured(done));
        let reconcile = self.reconciler.run(self.pause, stop.clone(), observe);
        let monitor = async {
            if let Some(server) = self.monitoring {
                server.run(stop.clone()).await;
            }
        };
        let recover = stop.run_until_cancelled(self.plugin.recover());
        tokio::join!(self.server.run(stop.clone()), reconcile, monitor, recover);
        if tokio::time::timeout(SETTLE, self.plugin.settle()).await.is_err() {
            tracing::warn!("Neutron has not been told all; the next start of this process tries again");
        }
    }
}

fn measured(done: &Done) -> Reconciliation {
    let mut differences: BTreeMap<&'static str, i64> = Difference::ALL.iter().map(|kind| (kind.name(), 0)).collect();
    let outcome = done.outcome.as_ref();
    for row in outcome.iter().flat_map(|outcome| &outcome.rows) {
        differences.entry(row.difference.name()).and_modify(|number| *number += 1);
    }
    Reconciliation {
        took: done.took,
        complete: outcome.is_some_and(|outcome| !outcome.without_docker),
        removed: outcome.map_or(0, |outcome| outcome.removed.len() as u64),
        failed: outcome.map_or(0, |outcome| outcome.failed.len() as u64),
        differences: differences.into_iter().collect(),
    }
}
