//! What `kuryr pool list` shows. Names of JSON's keys are a promise: they may become more, never others.

use crate::{
    plugin,
    status::report::Named,
    table::{clean, fits, or_dash, section},
};
use anyhow::Context;
use kuryr_config::Settings;
use kuryr_docker::{Plugin, ReadyPort, inventory::Inventory};
use kuryr_neutron::{MacAddr, Network, NetworkId, PortId, SecurityGroup, SecurityGroupId, Status, Subnet, SubnetId};
use kuryr_openstack::Query;
use kuryr_ports::identities_of;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Report {
    host: String,
    control_plane: String,
    pools: Vec<PoolReport>,
}

/// The ready ports that are alike.
#[derive(Debug, Serialize)]
struct PoolReport {
    network: Named<NetworkId>,
    docker_networks: Vec<Named<String>>,
    subnets: Vec<SubnetReport>,
    security_groups: Vec<Named<SecurityGroupId>>,
    ready: usize,
    in_use: usize,
    ports: Vec<PortReport>,
}

#[derive(Debug, Serialize)]
struct SubnetReport {
    id: SubnetId,
    cidr: String,
}

#[derive(Debug, Serialize)]
struct PortReport {
    id: PortId,
    state: State,
    addresses: Vec<IpAddr>,
    mac_address: MacAddr,
    status: Status,
    container: Option<Named<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// For the next container.
    Ready,
    /// A container has it.
    InUse,
}

impl Report {
    /// Asks Neutron for what there is.
    pub async fn collect(plugin: &Plugin, settings: &Settings, docker: &Inventory) -> anyhow::Result<Self> {
        let ready = plugin.ready_ports().await.context("cannot list the ready ports")?;
        let neutron = plugin.neutron();
        let ids: BTreeSet<NetworkId> = ready.iter().map(|ready| ready.port.network_id).collect();
        let (mut networks, mut subnets, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        if !ids.is_empty() {
            let (of_ids, on_ids, all) =
                (Query::new().any("id", &ids), Query::new().any("network_id", &ids), Query::new());
            (networks, subnets, groups) = tokio::try_join!(
                neutron.list::<Network>(&of_ids),
                neutron.list::<Subnet>(&on_ids),
                neutron.list::<SecurityGroup>(&all),
            )?;
        }
        let names = Names { networks: &networks, subnets: &subnets, groups: &groups, docker };
        Ok(Self {
            host: plugin::host().0,
            control_plane: plugin::control_plane(settings).to_string(),
            pools: names.pools(ready),
        })
    }

    /// Both tables, each under its title, in this many columns if that can be.
    pub fn render(&self, width: Option<u16>) -> String {
        let whole = self.tables(None);
        match width {
            Some(width) if !fits(&whole, width) => self.tables(Some(width)),
            _ => whole,
        }
    }

    fn tables(&self, width: Option<u16>) -> String {
        let mut text = format!("Host: {} (control plane {})\n", clean(&self.host), clean(&self.control_plane));
        let pools = self.pools.iter().map(|pool| {
            vec![
                pool.known_as(),
                lines(pool.subnets.iter().map(|subnet| subnet.cidr.clone())),
                lines(pool.security_groups.iter().map(|group| or_dash(&group.name))),
                pool.ready.to_string(),
                pool.in_use.to_string(),
            ]
        });
        section(&mut text, "Pools", &["NETWORK", "SUBNETS", "GROUPS", "READY", "IN USE"], pools.collect(), width);
        let ports = self.pools.iter().flat_map(|pool| pool.ports.iter().map(|port| (pool.known_as(), port)));
        let ports = ports.map(|(network, port)| {
            vec![
                port.id.to_string(),
                if port.state == State::Ready { "ready" } else { "in use" }.to_owned(),
                network,
                lines(port.addresses.iter().map(ToString::to_string)),
                port.mac_address.to_string(),
                port.status.to_string(),
                port.container.as_ref().map_or_else(|| "-".to_owned(), |container| or_dash(&container.name)),
            ]
        });
        let titles = ["PORT", "STATE", "NETWORK", "ADDRESSES", "MAC", "STATUS", "CONTAINER"];
        section(&mut text, "Ports", &titles, ports.collect(), width);
        text
    }
}

impl PoolReport {
    /// People know a network by what they called it; shared by several, it has only Neutron's name.
    fn known_as(&self) -> String {
        match self.docker_networks.as_slice() {
            [only] => or_dash(&only.name),
            _ => or_dash(&self.network.name),
        }
    }
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("\n")
}

/// What ids are called.
struct Names<'a> {
    networks: &'a [Network],
    subnets: &'a [Subnet],
    groups: &'a [SecurityGroup],
    docker: &'a Inventory,
}

impl Names<'_> {
    fn pools(&self, ready: Vec<ReadyPort>) -> Vec<PoolReport> {
        let mut pools: BTreeMap<(NetworkId, BTreeSet<SubnetId>, BTreeSet<SecurityGroupId>), Vec<ReadyPort>> =
            BTreeMap::new();
        for ready in ready {
            let port = &ready.port;
            let subnets = port.fixed_ips.iter().map(|ip| ip.subnet_id).collect();
            let groups = port.security_groups.iter().copied().collect();
            pools.entry((port.network_id, subnets, groups)).or_default().push(ready);
        }
        pools
            .into_iter()
            .map(|((network, subnets, groups), ports)| self.pool(network, subnets, groups, ports))
            .collect()
    }

    fn pool(
        &self,
        id: NetworkId,
        subnets: BTreeSet<SubnetId>,
        groups: BTreeSet<SecurityGroupId>,
        ports: Vec<ReadyPort>,
    ) -> PoolReport {
        let network = self.networks.iter().find(|network| network.id == id);
        let identities = network.map(|network| identities_of(&network.tags)).unwrap_or_default();
        let known = |subnet: &SubnetId| self.subnets.iter().find(|known| known.id == *subnet);
        let called = |group: &SecurityGroupId| self.groups.iter().find(|known| known.id == *group);
        let in_use = ports.iter().filter(|ready| ready.endpoint.is_some()).count();
        PoolReport {
            network: Named { id, name: network.map(|network| network.name.clone()).unwrap_or_default() },
            docker_networks: identities
                .iter()
                .filter_map(|id| Some(Named { id: id.to_string(), name: self.docker.networks.get(id)?.clone() }))
                .collect(),
            subnets: subnets
                .iter()
                .map(|id| SubnetReport { id: *id, cidr: known(id).map(|s| s.cidr.to_string()).unwrap_or_default() })
                .collect(),
            security_groups: groups
                .iter()
                .map(|id| Named { id: *id, name: called(id).map(|group| group.name.clone()).unwrap_or_default() })
                .collect(),
            ready: ports.len() - in_use,
            in_use,
            ports: ports.iter().map(|ready| self.port(ready)).collect(),
        }
    }

    fn port(&self, ready: &ReadyPort) -> PortReport {
        let port = &ready.port;
        let container = ready.endpoint.as_ref().and_then(|endpoint| self.docker.containers.get(endpoint));
        PortReport {
            id: port.id,
            state: if ready.endpoint.is_some() { State::InUse } else { State::Ready },
            addresses: port.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
            mac_address: port.mac_address,
            status: port.status,
            container: container.map(|found| Named { id: found.id.clone(), name: found.name.clone() }),
        }
    }
}
