//! Published ports on a floating IP: single ports of it are forwarded to the workload's port.
//!
//! Neutron remembers it all. Kuryr's own floating IP is known by its description, which it has from the first moment; it
//! goes with the last port that is forwarded.

use crate::{DockerId, Error, KeyedLocks, Ports, Rollback};
use kuryr_neutron::{
    FixedIp, FloatingIp, FloatingIpId, NetworkId, NewFloatingIp, NewPortForwarding, Port, PortForwarding, PortRange,
    Router,
};
use kuryr_openstack::Query;
use kuryr_publish::{HostPorts, Mapping, Published};
use std::{
    collections::HashMap,
    net::IpAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

/// The extension that this needs.
const EXTENSION: &str = "floating-ip-port-forwarding";
/// Start of the description of Kuryr's own floating IPs; their network's id follows.
const PUBLISHES: &str = "Kuryr publishes ports of network ";
/// Where a port is taken from when none was chosen: where hosts take theirs from.
const ANY: RangeInclusive<u16> = 32_768..=60_999;
/// Owners of the interfaces of routers, of every kind of router.
const ROUTERS: [&str; 3] =
    ["network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface"];

/// What this process knows of floating IPs. Clones share all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Floating {
    /// One at a time makes, uses or removes the floating IP of a network.
    networks: Arc<KeyedLocks<NetworkId>>,
    published: Arc<Mutex<HashMap<DockerId, Vec<Published>>>>,
}

impl Floating {
    fn get(&self, endpoint: &DockerId) -> Option<Vec<Published>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned()
    }

    fn count(&self) -> usize {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    fn set(&self, endpoint: &DockerId, published: Option<Vec<Published>>) {
        let mut all = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        match published {
            Some(published) => drop(all.insert(endpoint.clone(), published)),
            None => drop(all.remove(endpoint)),
        }
    }
}

impl Ports {
    /// Publishes all of these ports of an endpoint on a floating IP, or none: on the one with this address, or on
    /// Kuryr's own of the network and host. Asked again it changes nothing.
    pub async fn publish_floating(
        &self,
        endpoint: &DockerId,
        mappings: &[Mapping],
        chosen: Option<IpAddr>,
    ) -> Result<Vec<Published>, Error> {
        self.require_extension(EXTENSION, "publish_ports = floating_ip").await?;
        let Some(port) = self.port_of(endpoint).await? else {
            return Err(Error::Missing(format!("endpoint {endpoint} has no port in Neutron, so nothing is published")));
        };
        let Some(inside) = port.fixed_ips.iter().find(|ip| ip.ip_address.is_ipv4()) else {
            return Err(Error::Conflict(format!(
                "port {} has no IPv4 address, and floating IPs lead to nothing else; publish_ports = host does",
                port.id
            )));
        };
        let _network = self.floating.networks.lock(port.network_id).await;
        let mut rollback = Rollback::new();
        let result = self.forward(&port, inside, mappings, chosen, &mut rollback).await;
        let published = rollback.unless_ok(result).await?;
        self.floating.set(endpoint, Some(published.clone()));
        Ok(published)
    }

    /// How many ports this process has published on floating IPs.
    pub fn count_published_floating(&self) -> usize {
        self.floating.count()
    }

    /// What this process has published for an endpoint on a floating IP.
    pub fn published_floating(&self, endpoint: &DockerId) -> Vec<Published> {
        self.floating.get(endpoint).unwrap_or_default()
    }

    /// Whether something of an endpoint may be published on a floating IP: this process knows of it, or has not been
    /// there all the time.
    pub fn may_publish_floating(&self, endpoint: &DockerId) -> bool {
        let made_here = self.memory.by_endpoint(endpoint).is_some_and(|known| known.made_here);
        !made_here || self.floating.get(endpoint).is_some()
    }

    /// Publishes nothing of an endpoint any more. Nothing published is done already.
    pub async fn withdraw_floating(&self, endpoint: &DockerId, chosen: Option<IpAddr>) -> Result<(), Error> {
        // A cloud that forwards nothing has nothing to forget.
        if self.require_extension(EXTENSION, "").await.is_err() {
            return Ok(());
        }
        let Some(port) = self.port_of(endpoint).await? else { return Ok(()) };
        let _network = self.floating.networks.lock(port.network_id).await;
        for floating_ip in self.own_floating_ips(port.network_id).await? {
            if self.stop_forwarding_to(&floating_ip, &port).await? == 0 {
                self.neutron.delete_if_exists::<FloatingIp>(floating_ip.id).await?;
            }
        }
        if let Some(address) = chosen
            && let Some(floating_ip) = self.floating_ip_at(address).await?
        {
            self.stop_forwarding_to(&floating_ip, &port).await?;
        }
        self.floating.set(endpoint, None);
        Ok(())
    }

    /// How many ports of the floating IP are still forwarded, to others.
    async fn stop_forwarding_to(&self, floating_ip: &FloatingIp, port: &Port) -> Result<usize, Error> {
        let all = self.neutron.port_forwardings(floating_ip.id).await?;
        let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.internal_port_id == port.id);
        for one in ours {
            self.neutron.stop_forwarding(floating_ip.id, one.id).await?;
        }
        Ok(others.len())
    }

    async fn forward(
        &self,
        port: &Port,
        inside: &FixedIp,
        mappings: &[Mapping],
        chosen: Option<IpAddr>,
        rollback: &mut Rollback,
    ) -> Result<Vec<Published>, Error> {
        let floating_ip = match chosen {
            Some(address) => self.floating_ip_at(address).await?.ok_or_else(|| {
                Error::Missing(format!("there is no floating IP {address} (publish_floating_ip in [neutron])"))
            })?,
            None => match self.own_floating_ips(port.network_id).await?.into_iter().next() {
                Some(floating_ip) => floating_ip,
                None => self.new_floating_ip(port, inside, rollback).await?,
            },
        };
        let address = floating_ip.floating_ip_address;
        let mut taken = self.neutron.port_forwardings(floating_ip.id).await?;
        let mut published = Vec::new();
        for mapping in mappings {
            if let Some(host) = mapping.host.filter(|host| *host != address && !host.is_unspecified()) {
                return Err(Error::Conflict(format!(
                    "port {} cannot be published on {host}: this network publishes on the floating IP {address}; leave \
                     the address out of -p",
                    mapping.port
                )));
            }
            let external_port = match free_port(mapping, port, &taken) {
                Free::Ours(external_port) => external_port,
                Free::New(external_port) => {
                    let new = NewPortForwarding {
                        protocol: mapping.transport.to_string(),
                        floatingip_id: None,
                        external_port: Some(external_port),
                        external_port_range: None,
                        internal_port: Some(mapping.port),
                        internal_port_range: None,
                        internal_ip_address: inside.ip_address,
                        internal_port_id: port.id,
                        description: None,
                    };
                    let made = self.neutron.forward_port(floating_ip.id, &new).await?;
                    let (neutron, floating_ip, id) = (self.neutron.clone(), floating_ip.id, made.id);
                    rollback.push(format!("stop forwarding {external_port} of {address}"), async move {
                        neutron.stop_forwarding(floating_ip, id).await
                    });
                    taken.push(made);
                    external_port
                }
                Free::Nothing => {
                    return Err(Error::Conflict(format!(
                        "{} {} of the floating IP {address} is in use, so port {} of the container cannot be published \
                         there; publish another (-p)",
                        mapping.transport, mapping.host_ports, mapping.port
                    )));
                }
            };
            published.push(Published {
                transport: mapping.transport,
                port: mapping.port,
                host: address,
                host_port: external_port,
                v6_only: false,
            });
        }
        Ok(published)
    }

    async fn floating_ip_at(&self, address: IpAddr) -> Result<Option<FloatingIp>, Error> {
        let query = Query::new().eq("floating_ip_address", address);
        self.one("floatingips", format!("floating_ip_address={address}"), query).await
    }

    /// Kuryr's own on this network and host; more than one only where two of them were made at the same time.
    async fn own_floating_ips(&self, network: NetworkId) -> Result<Vec<FloatingIp>, Error> {
        let description = self.description(network);
        let mut found = self.neutron.list::<FloatingIp>(&Query::new().eq("description", &description)).await?;
        found.retain(|one| one.description == description && one.port_id.is_none());
        Ok(found)
    }

    /// Kuryr's own on this host of which no port is forwarded: left by a removal that was cut off.
    pub async fn unused_floating_ips(&self) -> Result<Vec<FloatingIp>, Error> {
        if self.require_extension(EXTENSION, "").await.is_err() {
            return Ok(Vec::new());
        }
        let mut unused = Vec::new();
        let ending = self.ending();
        for found in self.neutron.list::<FloatingIp>(&Query::new()).await? {
            let ours = found.description.starts_with(PUBLISHES) && found.description.ends_with(&ending);
            if ours && found.port_id.is_none() && self.neutron.port_forwardings(found.id).await?.is_empty() {
                unused.push(found);
            }
        }
        Ok(unused)
    }

    /// Deletes one of those, unless something is published on it meanwhile. False if it is.
    pub async fn collect_floating_ip(&self, unused: &FloatingIp) -> Result<bool, Error> {
        let network = unused.description.strip_prefix(PUBLISHES).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let Some(network) = network else { return Ok(false) };
        let _network = self.floating.networks.lock(network).await;
        if !self.neutron.port_forwardings(unused.id).await?.is_empty() {
            return Ok(false);
        }
        self.neutron.delete_if_exists::<FloatingIp>(unused.id).await?;
        Ok(true)
    }

    fn description(&self, network: NetworkId) -> String {
        format!("{PUBLISHES}{network}{}", self.ending())
    }

    /// Two Kuryrs may be on one host.
    fn ending(&self) -> String {
        format!(" on host {}{}.", self.host, self.neutron.signature())
    }

    async fn new_floating_ip(
        &self,
        port: &Port,
        inside: &FixedIp,
        rollback: &mut Rollback,
    ) -> Result<FloatingIp, Error> {
        let new = NewFloatingIp {
            floating_network_id: self.outside_of(port.network_id, inside).await?,
            project_id: None,
            subnet_id: None,
            floating_ip_address: None,
            port_id: None,
            fixed_ip_address: None,
            description: Some(self.description(port.network_id)),
        };
        let floating_ip = self.neutron.create::<FloatingIp>(&new).await?;
        tracing::info!(address = %floating_ip.floating_ip_address, network = %port.network_id, "a floating IP of Kuryr's own");
        let (neutron, id): (_, FloatingIpId) = (self.neutron.clone(), floating_ip.id);
        rollback.push(format!("delete floating IP {id}"), async move {
            neutron.delete_if_exists::<FloatingIp>(id).await.map(drop)
        });
        Ok(floating_ip)
    }

    /// The external network that a router leads to from this address.
    async fn outside_of(&self, network: NetworkId, inside: &FixedIp) -> Result<NetworkId, Error> {
        let query = Query::new().eq("network_id", network).any("device_owner", ROUTERS);
        let interfaces = self.neutron.list::<Port>(&query).await?;
        let near = interfaces.iter().filter(|port| port.fixed_ips.iter().any(|ip| ip.subnet_id == inside.subnet_id));
        for router in near.filter_map(|port| port.device_id.parse().ok()) {
            if let Some(Router { external_gateway_info: Some(gateway), .. }) = self.neutron.find(router).await? {
                return Ok(gateway.network_id);
            }
        }
        Err(Error::Missing(format!(
            "subnet {subnet} of network {network} has no router with an external gateway, so no floating IP leads to it: \
             'openstack router add subnet ROUTER {subnet}', 'openstack router set --external-gateway NETWORK ROUTER', or \
             publish_ports = host",
            subnet = inside.subnet_id
        )))
    }
}

/// Whether a port of a floating IP can be had.
#[derive(Debug, PartialEq, Eq)]
enum Free {
    /// It leads to the right place already.
    Ours(u16),
    /// It leads nowhere yet.
    New(u16),
    /// All that may be taken lead elsewhere.
    Nothing,
}

fn free_port(mapping: &Mapping, port: &Port, taken: &[PortForwarding]) -> Free {
    let protocol = mapping.transport.to_string();
    let range = match mapping.host_ports {
        HostPorts::Any => ANY,
        HostPorts::Range(first, last) => first..=last,
    };
    let same = || taken.iter().filter(|one| one.protocol == protocol);
    let ours = same().filter(|one| one.internal_port_id == port.id && one.internal_port == Some(mapping.port));
    if let Some(external_port) = ours.filter_map(|one| one.external_port).find(|external| range.contains(external)) {
        return Free::Ours(external_port);
    }
    let is_free = |candidate: &u16| {
        !same().any(|one| one.external().is_none_or(|range| range.overlaps(PortRange::one(*candidate))))
    };
    // Where none was chosen, two hosts that publish on one address hardly begin with the same.
    let skipped = match mapping.host_ports {
        HostPorts::Any => usize::from(port.id.0.as_u64_pair().1 as u16) % range.len(),
        HostPorts::Range(..) => 0,
    };
    let found = range.clone().skip(skipped).chain(range.take(skipped)).find(is_free);
    found.map_or(Free::Nothing, Free::New)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_publish::Transport;
    use serde_json::json;

    const PORT: &str = "725ade3c-9760-4880-8080-8fc2dbab9acc";
    const OTHER: &str = "11111111-9760-4880-8080-8fc2dbab9acc";

    fn port() -> Port {
        serde_json::from_value(json!({"id": PORT, "network_id": PORT, "mac_address": "02:42:0a:00:00:02"})).unwrap()
    }

    fn forwarding(protocol: &str, external: u16, to: &str) -> PortForwarding {
        let json = json!({"id": PORT, "protocol": protocol, "external_port": external, "internal_port": 80,
            "internal_ip_address": "10.0.0.2", "internal_port_id": to});
        serde_json::from_value(json).unwrap()
    }

    fn mapping(host_ports: HostPorts) -> Mapping {
        Mapping { transport: Transport::Tcp, port: 80, host: None, host_ports }
    }

    #[test]
    fn a_port_that_leads_elsewhere_is_not_taken() {
        let taken = [forwarding("tcp", 8080, OTHER), forwarding("udp", 8081, OTHER), forwarding("tcp", 8082, PORT)];
        let of = |first, last| free_port(&mapping(HostPorts::Range(first, last)), &port(), &taken);
        assert_eq!(of(8080, 8080), Free::Nothing);
        assert_eq!(of(8080, 8081), Free::New(8081), "of TCP nobody has it");
        assert_eq!(of(8080, 8082), Free::Ours(8082), "asked again");
        assert_eq!(of(1, 1), Free::New(1));
    }

    #[test]
    fn any_port_is_one_that_nobody_chose() {
        let any = |taken: &[PortForwarding]| free_port(&mapping(HostPorts::Any), &port(), taken);
        let Free::New(first) = any(&[]) else { panic!("nothing is free") };
        assert!(ANY.contains(&first));
        assert_eq!(any(&[forwarding("tcp", first, PORT)]), Free::Ours(first));
        let Free::New(next) = any(&[forwarding("tcp", first, OTHER)]) else { panic!("nothing is free") };
        assert!(ANY.contains(&next) && next != first);
        let all: Vec<_> = ANY.map(|external| forwarding("tcp", external, OTHER)).collect();
        assert_eq!(any(&all), Free::Nothing);
    }
}
