//! Who is asked about: a container of Docker's, or a port.

use super::sandbox::Sandbox;
use crate::status::collect::Everything;
use anyhow::{anyhow, bail};
use kuryr_docker::inventory::{self, Inspected, Inventory, Joined};
use kuryr_neutron::{Port, PortId};
use std::{collections::HashMap, net::IpAddr, path::Path};

/// Who is asked about.
pub struct Subject {
    pub container: Option<Inspected>,
    pub ports: Vec<Mine>,
    /// The container's own side, if it could be seen.
    pub sandbox: Option<Sandbox>,
    /// Names of the containers that have ports.
    pub names: HashMap<PortId, String>,
    /// What could not be seen.
    pub notes: Vec<String>,
}

/// A port of its.
pub struct Mine {
    pub port: Port,
    /// Docker's name of the network.
    pub network: Option<String>,
}

impl Subject {
    /// Finds it.
    ///
    /// # Errors
    /// Nobody knows it, or it has no port; the message says what to do.
    pub async fn find(text: &str, docker: &Path, all: &Everything) -> anyhow::Result<Self> {
        let names = inventory::ask(docker).await.map(|found| names(&found, all));
        if let Ok(id) = text.parse::<PortId>() {
            let port = all.ports.iter().find(|port| port.id == id);
            let port = port.cloned().ok_or_else(|| anyhow!("Neutron has no port {id}; 'kuryr status' shows all"))?;
            let notes = names.as_ref().err().map(|error| format!("names of containers are not known: {error}"));
            return Ok(Self {
                container: None,
                ports: vec![Mine { port, network: None }],
                sandbox: None,
                names: names.unwrap_or_default(),
                notes: notes.into_iter().collect(),
            });
        }
        let Some(container) = inventory::container(docker, text).await? else {
            bail!(
                "Docker knows no container '{text}', and it is no port's UUID; 'docker ps --all' shows containers, \
                 'kuryr status' ports"
            );
        };
        let name = &container.name;
        let Some(pid) = container.pid else {
            bail!("container '{name}' does not run, so it has no port; start it: docker start {name}");
        };
        let found = |(network, joined): (&String, &Joined)| {
            Some(Mine { port: port_of(joined, all)?.clone(), network: Some(network.clone()) })
        };
        let ports: Vec<Mine> = container.networks.iter().filter_map(found).collect();
        if ports.is_empty() {
            let networks: Vec<&str> = container.networks.keys().map(String::as_str).collect();
            bail!(
                "container '{name}' has no port in this cloud (its networks: {}); connect it to a network of Kuryr's: \
                 docker network connect NETWORK {name}; if it is on one, 'kuryr diff' tells what is missing",
                if networks.is_empty() { "none".to_owned() } else { networks.join(", ") }
            );
        }
        let sandbox = Sandbox::of(pid);
        let unseen =
            |error| format!("the container's own interfaces and routes were not looked at ({error}); run as root");
        let notes = sandbox.as_ref().err().map(unseen).into_iter().collect();
        let names = names.unwrap_or_default();
        Ok(Self { sandbox: sandbox.ok(), container: Some(container), ports, names, notes })
    }

    /// How it is called.
    pub fn name(&self) -> String {
        let port = || self.ports.first().map(|mine| mine.port.id.to_string()).unwrap_or_default();
        self.container.as_ref().map_or_else(port, |container| container.name.clone())
    }

    /// Its port, and the address there, from which it sends to an address: as the container's routes have it, or where
    /// they cannot be seen, as Neutron's subnets do.
    pub fn sender(&self, all: &Everything, to: IpAddr) -> Result<(&Port, IpAddr), (String, String)> {
        let ports = || self.ports.iter().map(|mine| &mine.port);
        let own = |port: &Port| port.fixed_ips.iter().map(|f| f.ip_address).find(|ip| ip.is_ipv4() == to.is_ipv4());
        if let Some(sandbox) = &self.sandbox {
            let Some(route) = sandbox.route(to) else {
                let reason = format!("the container itself has no route to {to}");
                return Err((reason, "give its network a gateway, or the container another network".to_owned()));
            };
            let is_out =
                |port: &&Port| sandbox.interface(port).is_some_and(|(link, _)| Some(link.index) == route.index);
            let Some(port) = ports().find(is_out) else {
                let reason = format!("the container sends it by an interface that is not Kuryr's ({route})");
                return Err((reason, format!("docker inspect {}, for its other networks", self.name())));
            };
            let none = || (format!("its port has no address of the IP version of {to}"), no_address(port));
            return own(port).map(|ip| (port, ip)).ok_or_else(none);
        }
        let near = |port: &&Port| all.subnets_of(port.network_id).any(|subnet| subnet.cidr.contains(&to));
        let leads = |port: &&Port| {
            own(port).and_then(|ip| all.subnet_of(port, ip)).is_some_and(|subnet| subnet.gateway_ip.is_some())
        };
        let port =
            ports().find(near).or_else(|| ports().find(leads)).or_else(|| ports().find(|port| own(port).is_some()));
        let none =
            || (format!("it has no address of the IP version of {to}"), "give it a network that has such".to_owned());
        port.and_then(|port| Some((port, own(port)?))).ok_or_else(none)
    }
}

fn no_address(port: &Port) -> String {
    format!("openstack subnet create --network {} …, and start the container anew", port.network_id)
}

/// Names of the containers that have ports: by the endpoint that a port names, or, a moment after its start, by its
/// Ethernet address.
fn names(docker: &Inventory, all: &Everything) -> HashMap<PortId, String> {
    let by_mac = |port: &Port| {
        let mac = port.mac_address.to_string();
        let mut fitting = docker.containers.values().filter(|c| c.mac_address.eq_ignore_ascii_case(&mac));
        fitting.next().filter(|_| port.device_id.is_empty())
    };
    let name = |port: &Port| {
        let named = port.device_id.parse().ok().and_then(|endpoint| docker.containers.get(&endpoint));
        named.or_else(|| by_mac(port)).map(|container| container.name.clone())
    };
    all.ports.iter().filter_map(|port| Some((port.id, name(port)?))).collect()
}

/// The port of an endpoint: the one that names it, or, a moment after its start, the one that has its addresses.
fn port_of<'a>(joined: &Joined, all: &'a Everything) -> Option<&'a Port> {
    let endpoint = joined.endpoint.as_ref()?;
    let named = all.ports.iter().find(|port| port.device_id == endpoint.as_str());
    named.or_else(|| {
        let mac = |port: &Port| port.mac_address.to_string().eq_ignore_ascii_case(&joined.mac_address);
        let address = |port: &Port| port.fixed_ips.iter().any(|fixed| joined.addresses.contains(&fixed.ip_address));
        all.ports.iter().find(|port| mac(port) && address(port))
    })
}
