//! What an operator can set about the plugin.

use kuryr_config::{CapabilityScope, DockerSettings, PublishPorts, Settings};
use kuryr_neutron::HostId;
use kuryr_ports::ReadyLimits;
use kuryr_ports::{ActiveWait, ControlPlane};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// How long a port may take to become active when nothing is set: waiting for ever would hang Docker.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What the plugin needs to know; see `kuryr.conf`.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// The host that ports are bound to: what `gethostname()` says.
    pub host: HostId,
    /// Which of the Kuryrs that share the cloud this one is.
    pub control_plane: ControlPlane,
    /// Scope of Docker's networks.
    pub capability_scope: CapabilityScope,
    /// `local_default_address_space`.
    pub local_address_space: String,
    /// `global_default_address_space`.
    pub global_address_space: String,
    /// First part of the names of subnet pools.
    pub pool_prefix: String,
    /// Name of the pool for IPv4 networks without `--subnet`.
    pub default_pool_v4: String,
    /// Name of the pool for IPv6 networks without `--subnet`.
    pub default_pool_v6: String,
    /// Subnets get a DHCP server.
    pub enable_dhcp: bool,
    /// Exposed ports are opened, and published ones published.
    pub process_external_connectivity: bool,
    /// How ports are published on networks that do not say it themselves.
    pub publish_ports: PublishPorts,
    /// The floating IP to publish on; `None`: one that Kuryr makes.
    pub publish_floating_ip: Option<IpAddr>,
    /// Folder for notes of what this host publishes.
    pub published: PathBuf,
    /// Whether to wait for ports.
    pub wait: ActiveWait,
    /// The longest that one of Docker's requests takes, but for the undoing of one that failed.
    pub request_limit: Duration,
    /// How many ports are kept ready; `None`: none are.
    pub ready: Option<ReadyLimits>,
    /// First part of interface names in containers.
    pub interface_prefix: String,
}

impl PluginSettings {
    /// The newer settings as far as they can change while Docker uses the plugin, and the rest as it was.
    pub(crate) fn followed_by(&self, newer: Self) -> Self {
        let this = self.clone();
        Self {
            host: this.host,
            control_plane: this.control_plane,
            capability_scope: this.capability_scope,
            local_address_space: this.local_address_space,
            global_address_space: this.global_address_space,
            published: this.published,
            // Docker has asked already whether a MAC is wanted.
            ready: this.ready.and_then(|ready| newer.ready.or(Some(ready))),
            interface_prefix: this.interface_prefix,
            ..newer
        }
    }

    /// From the configuration.
    pub fn new(settings: &Settings, host: HostId, control_plane: ControlPlane) -> Self {
        let (docker, neutron) = (&settings.docker, &settings.neutron);
        let wait = ActiveWait {
            is_fatal: neutron.vif_plugging_is_fatal,
            timeout: neutron.vif_plugging_timeout.unwrap_or(LONGEST_WAIT),
        };
        Self {
            host,
            control_plane,
            capability_scope: docker.capability_scope,
            local_address_space: docker.local_default_address_space.clone(),
            global_address_space: docker.global_default_address_space.clone(),
            pool_prefix: docker.subnetpool_name_prefix.clone(),
            default_pool_v4: neutron.default_subnetpool_v4.clone(),
            default_pool_v6: neutron.default_subnetpool_v6.clone(),
            enable_dhcp: neutron.enable_dhcp,
            process_external_connectivity: docker.process_external_connectivity,
            publish_ports: docker.publish_ports,
            publish_floating_ip: neutron.publish_floating_ip,
            published: settings.embedded.state_dir.join("published"),
            wait,
            request_limit: docker.request_timeout + if wait.is_fatal { wait.timeout } else { Duration::ZERO },
            ready: ready(docker),
            interface_prefix: settings.binding.veth_dst_prefix.clone(),
        }
    }
}

/// Swarm's requests for addresses of services say no MAC, and get no ready port.
fn ready(docker: &DockerSettings) -> Option<ReadyLimits> {
    let pools = docker.port_pools.filter(|_| docker.capability_scope == CapabilityScope::Local)?;
    Some(ReadyLimits { min: pools.min, max: pools.max, batch: pools.batch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_config::{Override, Sources};

    #[test]
    fn nobody_waits_for_ever() {
        for (seconds, limit) in [(None, LONGEST_WAIT), (Some("0"), LONGEST_WAIT), (Some("30"), Duration::from_secs(30))]
        {
            let set = |name, value: &str| Override { group: "neutron", name, value: value.to_owned(), flag: "" };
            let overrides = seconds.map(|seconds| set("vif_plugging_timeout", seconds)).into_iter();
            let overrides = overrides.chain([set("vif_plugging_is_fatal", "true")]).collect();
            let settings = Settings::load(&Sources { overrides, ..Sources::of_files([]) }).unwrap();
            let wait = PluginSettings::new(&settings, HostId::default(), "here".parse().unwrap()).wait;
            assert_eq!(wait, ActiveWait { is_fatal: true, timeout: limit }, "{seconds:?}");
        }
    }
}
