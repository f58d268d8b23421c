//! What it means: pure, so that every rule of ownership can be tested.

use crate::reconcile::{DockerSeen, Seen, SeenPort, own, seen::served};
use kuryr_binding::Stray;
use kuryr_neutron::{
    FloatingIpId, Network, NetworkId, Port, PortId, ProjectId, SecurityGroup, SecurityGroupId, SubnetPoolId,
};
use kuryr_ports::{
    Author, ControlPlane, DockerId, Owner, User, author, existing_port_tag, exposed_group_name, owner_of, user_of,
};
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Name of the driver, unless it is a managed plugin.
const DRIVER: &str = "kuryr";

/// Who is right when Docker and Neutron disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// What Docker does not have goes from Neutron.
    Docker,
    /// What Neutron does not have goes from Docker.
    Neutron,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A Docker network and its Neutron network.
    Network {
        /// Docker's id; nothing for one whose creation was cut off.
        docker_network: Option<DockerId>,
        /// Neutron's id.
        network: Option<NetworkId>,
    },
    /// The pool of a Docker network.
    SubnetPool {
        /// Neutron's id.
        subnet_pool: SubnetPoolId,
    },
    /// Kuryr's own floating IP, on which nothing is published.
    FloatingIp {
        /// Neutron's id.
        floating_ip: FloatingIpId,
    },
    /// An endpoint and its port.
    Endpoint {
        /// The network in Docker, if Docker has the endpoint.
        docker_network: Option<DockerId>,
        /// Docker's id; nothing for a port that waits for an endpoint.
        endpoint: Option<DockerId>,
        /// Neutron's id.
        port: Option<PortId>,
    },
    /// The security group with a port's exposed ports.
    SecurityGroup {
        /// Neutron's id.
        security_group: SecurityGroupId,
    },
    /// An interface without a port.
    Interface {
        /// What there is of it.
        #[serde(skip)]
        stray: Stray,
    },
}

impl Subject {
    /// What has a higher rank holds what has a lower one.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Endpoint { .. } | Self::Interface { .. } => 0,
            Self::SecurityGroup { .. } | Self::FloatingIp { .. } => 1,
            Self::Network { .. } => 2,
            Self::SubnetPool { .. } => 3,
        }
    }
}

/// How one side has it; nothing: it does not.
pub type Side = Option<String>;

/// How the sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// They agree.
    None,
    /// They may be about to agree: it is too early to tell.
    Young,
    /// Docker does not answer, so that nobody can tell.
    Unknown,
    /// Docker has it, Neutron does not.
    NotInNeutron,
    /// Ours in Neutron, and Docker has no use for it.
    NotInDocker,
    /// Docker has no use for it, and yet its interface carries packets: another engine's, or a Docker that lost its memory.
    InUse,
    /// Docker and Neutron have it, and the kernel has no interface.
    NotInKernel,
    /// The kernel has an interface of ours, and Neutron no port.
    OnlyInKernel,
}

impl Difference {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Young,
        Self::Unknown,
        Self::NotInNeutron,
        Self::NotInDocker,
        Self::InUse,
        Self::NotInKernel,
        Self::OnlyInKernel,
    ];

    /// For programs: in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Young => "young",
            Self::Unknown => "unknown",
            Self::NotInNeutron => "not_in_neutron",
            Self::NotInDocker => "not_in_docker",
            Self::InUse => "in_use",
            Self::NotInKernel => "not_in_kernel",
            Self::OnlyInKernel => "only_in_kernel",
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "same",
            Self::Young => "too young to tell",
            Self::Unknown => "Docker does not answer",
            Self::NotInNeutron => "not in Neutron",
            Self::NotInDocker => "not in Docker",
            Self::InUse => "not in Docker, and in use",
            Self::NotInKernel => "no interface",
            Self::OnlyInKernel => "only in the kernel",
        }
    }

    /// Whether something is out of step.
    pub fn is_one(self) -> bool {
        !matches!(self, Self::None | Self::Young | Self::Unknown)
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One thing, on all sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    #[serde(flatten)]
    pub subject: Subject,
    /// In Docker: the name of the container or network.
    pub docker: Side,
    /// In Neutron: the name or id, with state and addresses.
    pub neutron: Side,
    /// In the kernel: the interface.
    pub kernel: Side,
    /// How they differ.
    pub difference: Difference,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.subject {
            Subject::Network { .. } => "network",
            Subject::SubnetPool { .. } => "subnet pool",
            Subject::FloatingIp { .. } => "floating IP",
            Subject::Endpoint { .. } => "port",
            Subject::SecurityGroup { .. } => "security group",
            Subject::Interface { .. } => "interface",
        };
        let sides = [&self.docker, &self.neutron, &self.kernel];
        write!(f, "{what} {}", sides.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

impl Row {
    /// Whether collecting garbage removes it, on the side that is wrong.
    pub fn is_collected(&self, truth: Truth) -> bool {
        match self.difference {
            Difference::NotInDocker => truth == Truth::Docker,
            Difference::NotInNeutron => truth == Truth::Neutron,
            Difference::OnlyInKernel => true,
            _ => false,
        }
    }
}

/// Sets all sides side by side: first networks, then endpoints, then what belongs to nothing.
pub fn compare(seen: &Seen) -> Vec<Row> {
    let mut rows = networks(seen);
    rows.extend(own::compare(seen));
    rows.extend(seen.ports.iter().filter_map(|port| of_port(seen, port)));
    rows.extend(seen.docker.iter().flat_map(|docker| without_ports(seen, docker)));
    rows.extend(seen.groups.iter().filter(|group| is_left_over(seen, group)).map(|group| Row {
        subject: Subject::SecurityGroup { security_group: group.id },
        docker: None,
        neutron: Some(group.name.clone()),
        kernel: None,
        difference: Difference::NotInDocker,
    }));
    rows.extend(seen.strays.iter().map(|stray| Row {
        subject: Subject::Interface { stray: stray.clone() },
        docker: None,
        neutron: None,
        kernel: Some(stray.name.clone()),
        difference: if stray.in_use { Difference::Young } else { Difference::OnlyInKernel },
    }));
    rows
}

/// The networks of this Docker that are ours.
fn networks(seen: &Seen) -> Vec<Row> {
    let Some(docker) = &seen.docker else { return Vec::new() };
    let in_neutron: BTreeMap<DockerId, &Network> =
        seen.networks.iter().flat_map(|network| served(network).into_iter().map(move |id| (id, network))).collect();
    // A managed plugin's driver has its image's name: whatever serves a network that Neutron has, is us.
    let drivers: BTreeSet<&str> = std::iter::once(DRIVER)
        .chain(docker.networks.iter().filter(|(id, _)| in_neutron.contains_key(id)).map(|(_, known)| &*known.driver))
        .collect();
    let ours = docker.networks.iter().filter(|(_, known)| drivers.contains(&*known.driver));
    let mut rows: Vec<Row> = ours
        .map(|(id, known)| {
            let network = in_neutron.get(id);
            Row {
                subject: Subject::Network {
                    docker_network: Some(id.clone()),
                    network: network.map(|network| network.id),
                },
                docker: Some(known.name.clone()),
                neutron: network.map(|network| described(network)),
                kernel: None,
                difference: if network.is_some() { Difference::None } else { Difference::NotInNeutron },
            }
        })
        .collect();
    rows.sort_by(|a, b| a.docker.cmp(&b.docker));
    rows
}

fn described(network: &Network) -> String {
    format!("{} {} {}", network.id, network.name, network.status)
}

/// True for a port that another Kuryr made on this host, for a Docker of its own, or somebody in another project, which an
/// administrator is shown too: Kuryr creates in its own.
pub(super) fn is_anothers(port: &Port, own: &ControlPlane, project: Option<&ProjectId>) -> bool {
    let is_elsewhere = |own: &ProjectId| !port.project_id.0.is_empty() && port.project_id != *own;
    matches!(author(&port.description), Author::Kuryr(plane) if plane != *own)
        || (owner_of(port) == Owner::Kuryr && project.is_some_and(is_elsewhere))
}

/// The endpoint that has a port, or had it last: one that lost its trunk may still be in a container.
fn endpoint_of(port: &Port) -> Option<DockerId> {
    match user_of(port) {
        User::Endpoint(endpoint) => Some(endpoint),
        User::Nobody => port.device_id.parse().ok(),
        User::Ready | User::Device(_) => None,
    }
}

/// A container's port; nothing for a port that is neither ours nor lent to us.
fn of_port(seen: &Seen, found: &SeenPort) -> Option<Row> {
    let port = &found.port;
    if owner_of(port) == Owner::Other && !port.tags.contains(&existing_port_tag()) {
        return None;
    }
    // What is kept ready is kept by the process that serves Docker.
    if let User::Ready | User::Device(_) = user_of(port) {
        return None;
    }
    let endpoint = endpoint_of(port);
    let in_docker = endpoint.as_ref().and_then(|id| seen.docker.as_ref()?.endpoint(id));
    // In a Swarm one host uses what another has made.
    if in_docker.is_none() && is_anothers(port, &seen.control_plane, seen.project.as_ref()) {
        return None;
    }
    let difference = match (&seen.docker, in_docker) {
        (None, _) => Difference::Unknown,
        (Some(_), Some(_)) if found.interface.is_some() => Difference::None,
        _ if found.is_young => Difference::Young,
        (Some(_), Some(_)) => Difference::NotInKernel,
        // Without an MTU nobody can tell whether its interface is in a container.
        (Some(_), None) if found.interface.as_ref().is_some_and(|end| end.carrier && end.mtu > 0) => Difference::InUse,
        (Some(_), None) => Difference::NotInDocker,
    };
    let addresses: Vec<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
    Some(Row {
        docker: in_docker.map(|(_, endpoint)| endpoint.name.clone()),
        neutron: Some(format!("{} {} {}", port.id, addresses.join(" "), port.status)),
        kernel: found.interface.as_ref().map(|interface| interface.name.clone()),
        difference,
        subject: Subject::Endpoint {
            docker_network: in_docker.map(|(network, _)| network.clone()),
            endpoint,
            port: Some(port.id),
        },
    })
}

/// Endpoints on our networks whose port is gone.
fn without_ports<'a>(seen: &'a Seen, docker: &'a DockerSeen) -> impl Iterator<Item = Row> + 'a {
    let with_port = |id: &DockerId| seen.ports.iter().any(|found| endpoint_of(&found.port).as_ref() == Some(id));
    docker.networks.iter().flat_map(move |(network, known)| {
        // Service addresses of Swarm are endpoints without a container, and their ports are on no host.
        let endpoints = known.endpoints.iter().filter(|(_, endpoint)| endpoint.container.is_some());
        endpoints.filter(move |(id, _)| !with_port(id)).map(|(id, endpoint)| Row {
            subject: Subject::Endpoint {
                docker_network: Some(network.clone()),
                endpoint: Some(id.clone()),
                port: None,
            },
            docker: Some(endpoint.name.clone()),
            neutron: None,
            kernel: None,
            difference: Difference::NotInNeutron,
        })
    })
}

/// A group of exposed ports whose port exists no more, on whatever host it was, or waits for its next container without it.
fn is_left_over(seen: &Seen, group: &SecurityGroup) -> bool {
    let named = named_port(group).filter(|port| group.name == exposed_group_name(*port));
    let is_without = |port: &Port| user_of(port) == User::Ready && !port.security_groups.contains(&group.id);
    named.is_some_and(|id| {
        !seen.grouped.contains(&id) || seen.ports.iter().any(|found| found.port.id == id && is_without(&found.port))
    })
}

/// The port that a group of exposed ports is named for.
pub(super) fn named_port(group: &SecurityGroup) -> Option<PortId> {
    group.name.get(..36)?.parse().ok()
}
