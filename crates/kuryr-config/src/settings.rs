//! What a running Kuryr is told by its operator, typed and checked.

use crate::{CloudSettings, Diagnostics, Readings, options::Keyword};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cloud to use; `None`: none is configured, so the embedded one.
    pub cloud: Option<CloudSettings>,
    /// The embedded cloud.
    pub embedded: EmbeddedSettings,
    /// The Docker plugin.
    pub docker: DockerSettings,
    /// How Neutron is used.
    pub neutron: NeutronSettings,
    /// How container interfaces are made.
    pub binding: BindingSettings,
    /// Where and how much is logged.
    pub logging: LoggingSettings,
    /// TCP address of metrics and probes; `None`: they are not served.
    pub metrics_listen: Option<SocketAddr>,
    /// The value of each option, for telling what changed at the next reading.
    pub readings: Readings,
    /// The files that were read, in order; the later one won.
    pub files: Vec<PathBuf>,
    /// What is worth knowing and keeps nothing from starting.
    pub warnings: Diagnostics,
}

/// The embedded cloud (`[cloud]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Where its database and clouds.yaml are.
    pub state_dir: PathBuf,
    /// TCP address of its Keystone and Neutron API.
    pub api_listen: SocketAddr,
    /// Unix socket of the same API.
    pub api_socket: PathBuf,
    /// Largest packet of its networks, in bytes.
    pub mtu: u32,
    /// The region its catalog names.
    pub region: String,
}

/// The Docker plugin (`[docker]` and Kuryr's own part of `[DEFAULT]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerSettings {
    /// Unix socket on which Docker finds the plugin.
    pub plugin_socket: PathBuf,
    /// Docker's own API, never asked within a request of Docker's.
    pub docker_socket: PathBuf,
    /// The longest that a request of Docker's may take, before it is undone.
    pub request_timeout: Duration,
    /// Pause between two comparisons with Docker; `None`: there are none.
    pub reconcile_interval: Option<Duration>,
    /// Ports that are kept ready; `None`: none are.
    pub port_pools: Option<PortPools>,
    /// TCP address to listen on as well (`kuryr_uri`); `None` unless the option or `enable_ssl` is set.
    pub listen: Option<Listen>,
    /// Certificate to serve the TCP address with; `None`: plain HTTP.
    pub tls: Option<ListenTls>,
    /// Whether Docker treats our networks as local to the host or as shared by a cluster.
    pub capability_scope: CapabilityScope,
    /// Id of this Kuryr among those that share the cloud; `None`: that of the machine.
    pub control_plane: Option<String>,
    /// Answer to Docker's question for the local address space.
    pub local_default_address_space: String,
    /// Answer to Docker's question for the global address space.
    pub global_default_address_space: String,
    /// Carry out what Docker asks about exposed and published ports.
    pub process_external_connectivity: bool,
    /// How ports are published.
    pub publish_ports: PublishPorts,
    /// Start of the names of the subnet pools we create.
    pub subnetpool_name_prefix: String,
}

/// How many ports are kept ready on each subnet that containers use (`[vif_pool]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPools {
    /// Fewer are added to.
    pub min: usize,
    /// Never more; 0: no limit.
    pub max: usize,
    /// So many are made with one call.
    pub batch: usize,
}

/// A TCP address to listen on, as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Certificate and key of the plugin's TCP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// PEM file of the certificate chain.
    pub certificate_file: PathBuf,
    /// PEM file of the key.
    pub key_file: PathBuf,
    /// PEM file of the authorities whose certificates clients must show; `None`: none is asked for.
    pub client_ca_file: Option<PathBuf>,
}

/// What Docker is told by `GetCapabilities`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CapabilityScope {
    /// Each host has its own networks.
    #[default]
    Local,
    /// A cluster's hosts share them.
    Global,
}

impl CapabilityScope {
    /// As Docker spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Global => "global",
        }
    }
}

/// How `docker run -p` publishes a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PublishPorts {
    /// At an address of the host.
    #[default]
    Host,
    /// On a floating IP of the cloud.
    FloatingIp,
    /// Not at all.
    Nowhere,
}

impl PublishPorts {
    /// As options spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::FloatingIp => "floating_ip",
            Self::Nowhere => "none",
        }
    }
}

impl std::str::FromStr for PublishPorts {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Host, Self::FloatingIp, Self::Nowhere].into_iter().find(|way| way.as_str() == text).ok_or(())
    }
}

impl Keyword for CapabilityScope {
    const EXPECTED: &'static str = "'local' or 'global'";

    fn from_keyword(text: &str) -> Option<Self> {
        match text {
            "local" => Some(Self::Local),
            "global" => Some(Self::Global),
            _ => None,
        }
    }
}

/// How Neutron is used (`[neutron]`, apart from where it is and who we are there).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeutronSettings {
    /// Value of `enable_dhcp` of the subnets we create.
    pub enable_dhcp: bool,
    /// Name of the IPv4 subnet pool used when none is asked for.
    pub default_subnetpool_v4: String,
    /// Name of the IPv6 subnet pool used when none is asked for.
    pub default_subnetpool_v6: String,
    /// Wait for a port to be ACTIVE before its container starts, and fail the start otherwise.
    pub vif_plugging_is_fatal: bool,
    /// How long to wait for that; `None`: for ever.
    pub vif_plugging_timeout: Option<Duration>,
    /// The floating IP on which ports are published; `None`: Kuryr makes its own.
    pub publish_floating_ip: Option<IpAddr>,
}

/// What container interfaces are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BindingDriver {
    /// One end of a pair, on a host of the cloud.
    #[default]
    Veth,
    /// On top of the virtual machine's interface, with addresses of their own.
    Macvlan,
    /// On top of the virtual machine's interface, with its Ethernet address.
    Ipvlan,
    /// A VLAN of the virtual machine's interface.
    Vlan,
}

/// How container interfaces are made (`[binding]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingSettings {
    /// Start of the interface's name inside the container.
    pub veth_dst_prefix: String,
    /// What container interfaces are (`default_driver`, which goes with `default_port_driver`).
    pub driver: BindingDriver,
    /// Ports of virtual functions may be used too (`sriov` among `enabled_port_drivers`).
    pub sriov: bool,
    /// The virtual machine's interface that containers share; always there unless the driver is veth.
    pub link_iface: Option<String>,
    /// Directory of executable binding scripts.
    pub bindir: PathBuf,
    /// Where Open vSwitch's database is, in Open vSwitch's own notation.
    pub ovsdb_connection: String,
}

/// Logging (oslo.log's options in `[DEFAULT]`, as far as they matter here).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoggingSettings {
    /// Log what is of use to developers too.
    pub debug: bool,
    /// One JSON object a line.
    pub json: bool,
    /// To systemd's journal, in its own protocol.
    pub journal: bool,
    /// Append to this file instead of writing to standard error.
    pub file: Option<PathBuf>,
    /// Write to standard error even when there is a file.
    pub stderr: bool,
}
