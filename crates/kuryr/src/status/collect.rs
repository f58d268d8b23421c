//! Asks Neutron for everything, and joins it.

use super::{
    connection::Connection,
    report::{CloudReport, Named, NetworkReport, PortReport, Report, RouterReport, SecurityGroupReport, SubnetReport},
};
use kuryr_docker::inventory::Inventory;
use kuryr_neutron::{Network, NetworkId, Port, Router, RouterId, SecurityGroup, SecurityGroupId, Subnet, SubnetId};
use kuryr_openstack::{Error, Neutron, Query};
use kuryr_ports::DockerId;
use std::collections::HashMap;

/// `device_owner` of a router's port in a network that it connects.
pub const ROUTER_INTERFACE: &str = "network:router_interface";

/// As Neutron has it.
#[derive(Debug)]
pub struct Everything {
    pub networks: Vec<Network>,
    pub subnets: Vec<Subnet>,
    pub ports: Vec<Port>,
    pub security_groups: Vec<SecurityGroup>,
    pub routers: Vec<Router>,
}

/// Asks for all of it at once.
pub async fn everything(neutron: &Neutron) -> Result<Everything, Error> {
    let query = Query::new();
    let (networks, subnets, ports, security_groups, routers) = tokio::try_join!(
        neutron.list::<Network>(&query),
        neutron.list::<Subnet>(&query),
        neutron.list::<Port>(&query),
        neutron.list::<SecurityGroup>(&query),
        routers(neutron),
    )?;
    Ok(Everything { networks, subnets, ports, security_groups, routers })
}

/// A cloud need not have routers: then the path is unknown to it.
async fn routers(neutron: &Neutron) -> Result<Vec<Router>, Error> {
    match neutron.list::<Router>(&Query::new()).await {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => other,
    }
}

impl Everything {
    /// Whether a port belongs to an endpoint of some Docker.
    pub fn has_endpoints(&self) -> bool {
        self.ports.iter().any(|port| port.device_id.parse::<DockerId>().is_ok())
    }

    /// Joins networks, ports, containers and the rest.
    pub fn report(mut self, connection: &Connection, docker: &Inventory) -> Report {
        self.networks.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.security_groups.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.routers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let names = Names::new(&self);
        let mut ports: Vec<_> = self.ports.iter().map(|port| names.port(port, docker)).collect();
        ports.sort_by(|a, b| (&a.network.name, &a.addresses, a.id).cmp(&(&b.network.name, &b.addresses, b.id)));
        Report {
            cloud: CloudReport { source: connection.source.clone(), auth_url: connection.auth_url.clone() },
            networks: self.networks.iter().map(|network| names.network(network, docker)).collect(),
            ports,
            security_groups: self.security_groups.iter().map(security_group).collect(),
            routers: self.routers.iter().map(|router| names.router(router)).collect(),
        }
    }
}

fn security_group(group: &SecurityGroup) -> SecurityGroupReport {
    SecurityGroupReport { id: group.id, name: group.name.clone(), rules: group.security_group_rules.len() }
}

/// What refers to what.
struct Names<'a> {
    networks: HashMap<NetworkId, &'a str>,
    subnets: HashMap<SubnetId, &'a Subnet>,
    groups: HashMap<SecurityGroupId, &'a str>,
    routers: HashMap<RouterId, &'a str>,
    /// The routers that have a port in a network.
    connected: Vec<(RouterId, NetworkId)>,
}

impl<'a> Names<'a> {
    fn new(all: &'a Everything) -> Self {
        let mut connected: Vec<_> = all
            .ports
            .iter()
            // Distributed and highly available routers have owners of their own that begin the same.
            .filter(|port| port.device_owner.starts_with(ROUTER_INTERFACE))
            .filter_map(|port| Some((port.device_id.parse().ok()?, port.network_id)))
            .collect();
        connected.sort();
        connected.dedup();
        Self {
            networks: all.networks.iter().map(|network| (network.id, network.name.as_str())).collect(),
            subnets: all.subnets.iter().map(|subnet| (subnet.id, subnet)).collect(),
            groups: all.security_groups.iter().map(|group| (group.id, group.name.as_str())).collect(),
            routers: all.routers.iter().map(|router| (router.id, router.name.as_str())).collect(),
            connected,
        }
    }

    fn network(&self, network: &Network, docker: &Inventory) -> NetworkReport {
        let router = self.connected.iter().find(|(_, connected)| *connected == network.id).map(|(router, _)| *router);
        NetworkReport {
            id: network.id,
            name: network.name.clone(),
            status: network.status,
            admin_state_up: network.admin_state_up,
            mtu: network.mtu,
            subnets: network
                .subnets
                .iter()
                .filter_map(|id| self.subnets.get(id))
                .map(|subnet| self::subnet(subnet))
                .collect(),
            router: router.map(|id| named(id, &self.routers)),
            docker_networks: docker
                .networks_of(network)
                .map(|(id, name)| Named { id: id.to_string(), name: name.to_owned() })
                .collect(),
        }
    }

    fn port(&self, port: &Port, docker: &Inventory) -> PortReport {
        let container = port.device_id.parse().ok().and_then(|endpoint: DockerId| docker.containers.get(&endpoint));
        PortReport {
            id: port.id,
            name: port.name.clone(),
            network: named(port.network_id, &self.networks),
            addresses: port.fixed_ips.iter().map(|fixed| fixed.ip_address).collect(),
            mac_address: port.mac_address,
            status: port.status,
            container: container.map(|found| Named { id: found.id.clone(), name: found.name.clone() }),
            device_owner: port.device_owner.clone(),
            device_id: port.device_id.clone(),
            security_groups: port.security_groups.iter().map(|id| named(*id, &self.groups)).collect(),
            host: port.binding_host_id.0.clone(),
            interface: port.has_tap().then(|| port.id.tap_name()),
        }
    }

    fn router(&self, router: &Router) -> RouterReport {
        let gateway = router.external_gateway_info.as_ref();
        let connected = self.connected.iter().filter(|(id, _)| *id == router.id);
        RouterReport {
            id: router.id,
            name: router.name.clone(),
            status: router.status,
            external_network: gateway.map(|gateway| named(gateway.network_id, &self.networks)),
            networks: connected.map(|(_, network)| named(*network, &self.networks)).collect(),
        }
    }
}

fn subnet(subnet: &Subnet) -> SubnetReport {
    SubnetReport {
        id: subnet.id,
        name: subnet.name.clone(),
        cidr: subnet.cidr.to_string(),
        gateway_ip: subnet.gateway_ip,
    }
}

fn named<I: Copy + Eq + std::hash::Hash>(id: I, names: &HashMap<I, &str>) -> Named<I> {
    Named { id, name: names.get(&id).copied().unwrap_or_default().to_owned() }
}
