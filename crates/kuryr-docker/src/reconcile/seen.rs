//! What was seen on all sides, as plain data.

use crate::reconcile::DockerSeen;
use kuryr_binding::{Interface, Stray};
use kuryr_neutron::{FloatingIp, HostId, Network, Port, PortId, ProjectId, SecurityGroup, SubnetPool, SubnetPoolId};
use kuryr_ports::{ControlPlane, DockerId, identities_of};
use std::collections::BTreeSet;

/// Everything that is compared.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The host whose ports were asked for.
    pub host: HostId,
    /// Which Kuryr asks: others may be on this host.
    pub control_plane: ControlPlane,
    /// The project in which it creates; nothing: the cloud has none.
    pub project: Option<ProjectId>,
    /// Networks that carry the identity of one of Docker's networks.
    pub networks: Vec<Network>,
    /// What this control plane has made or uses, where that was looked for.
    pub own: Option<Own>,
    /// Ports of containers on this host.
    pub ports: Vec<SeenPort>,
    /// Groups of exposed ports, all hosts'.
    pub groups: Vec<SecurityGroup>,
    /// The ports, whoever's, that such groups name and that exist.
    pub grouped: BTreeSet<PortId>,
    /// Interfaces of Kuryr's on this host whose port is not among `ports`.
    pub strays: Vec<Stray>,
    /// What Docker has; nothing: it does not answer, and nobody knows.
    pub docker: Option<DockerSeen>,
}

/// Networks and subnet pools of this control plane.
#[derive(Debug, Clone)]
pub struct Own {
    /// Networks that it uses or has made.
    pub networks: Vec<Network>,
    /// Subnet pools that it has made.
    pub pools: Vec<SubnetPool>,
    /// Those of the pools that a subnet on a network of some Docker network still goes by.
    pub pools_in_use: BTreeSet<SubnetPoolId>,
    /// Its floating IPs of which no port is forwarded.
    pub floating_ips: Vec<FloatingIp>,
    /// Docker networks that are being created.
    pub on_their_way: Vec<DockerId>,
}

/// A port with what this host knows of it.
#[derive(Debug, Clone)]
pub struct SeenPort {
    /// As Neutron tells it.
    pub port: Port,
    /// Its interface on this host.
    pub interface: Option<Interface>,
    /// It was made or used so recently that its endpoint may be on its way.
    pub is_young: bool,
}

/// The Docker networks that a network may serve: those whose tags it carries, or whose id is its name.
pub(super) fn served(network: &Network) -> Vec<DockerId> {
    let mut ids = identities_of(&network.tags);
    ids.extend(network.name.parse::<DockerId>());
    ids
}
