//! What is drawn: Neutron's resources in Neutron's own words, and what joins them with each other and with containers.

use kuryr_docker::inventory::Inventory;
use kuryr_neutron::{FloatingIp, Network, Port, Resource, Router, RouterId, SecurityGroup, Subnet};
use kuryr_ports::{DockerId, User, user_of};
use serde::Serialize;

/// `device_owner` of a router's ports begins like this: interfaces, gateways, distributed and highly available ones.
const OF_ROUTER: &str = "network:router_";
/// `device_owner` of the cloud's own ports begins like this.
const OF_NETWORK: &str = "network:";

/// As Neutron has it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// All networks.
    pub networks: Vec<Network>,
    /// All subnets.
    pub subnets: Vec<Subnet>,
    /// All routers.
    pub routers: Vec<Router>,
    /// All ports.
    pub ports: Vec<Port>,
    /// All security groups, with their rules.
    pub security_groups: Vec<SecurityGroup>,
    /// All floating IPs.
    pub floating_ips: Vec<FloatingIp>,
}

/// The cloud that was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Cloud {
    /// Where its settings come from.
    pub source: String,
    /// Its Keystone's address, without user information.
    pub auth_url: String,
}

/// This machine's Docker: what it calls what it has, or why it does not say.
pub type Docker = Result<Inventory, String>;

/// What the page gets. Equal states give equal bytes.
#[derive(Debug, Serialize)]
pub struct Topology<'a> {
    /// The cloud.
    pub cloud: &'a Cloud,
    /// Why Docker does not say which containers there are; nothing if it does.
    pub docker_error: Option<&'a str>,
    /// Networks.
    pub networks: Vec<DrawnNetwork<'a>>,
    /// Subnets; each names its network.
    pub subnets: Vec<&'a Subnet>,
    /// Routers; their interfaces are ports that name them.
    pub routers: Vec<&'a Router>,
    /// Ports.
    pub ports: Vec<DrawnPort<'a>>,
    /// Security groups, with their rules.
    pub security_groups: Vec<&'a SecurityGroup>,
    /// Floating IPs; each names its port, if it leads to one.
    pub floating_ips: Vec<&'a FloatingIp>,
}

/// A network, and what Docker calls it.
#[derive(Debug, Serialize)]
pub struct DrawnNetwork<'a> {
    /// As Neutron has it.
    #[serde(flatten)]
    pub network: &'a Network,
    /// The networks of this machine's Docker that are this one: more than one, where they share it.
    pub docker_networks: Vec<DockerNetwork<'a>>,
}

/// A network of Docker's.
#[derive(Debug, Serialize)]
pub struct DockerNetwork<'a> {
    /// Docker's id.
    pub id: &'a DockerId,
    /// Docker's name.
    pub name: &'a str,
}

/// A port, and who has it.
#[derive(Debug, Serialize)]
pub struct DrawnPort<'a> {
    /// As Neutron has it.
    #[serde(flatten)]
    pub port: &'a Port,
    /// What uses it.
    pub used_by: UsedBy,
    /// The container that has it, if this machine's Docker knows it.
    pub container: Option<DrawnContainer<'a>>,
    /// The router whose port it is.
    pub router: Option<RouterId>,
    /// The host's end of its interface, where there is one.
    pub interface: Option<String>,
}

/// What uses a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsedBy {
    /// A container, of this machine or of another.
    Container,
    /// Nobody yet: its host keeps it ready for a container.
    Ready,
    /// A router.
    Router,
    /// The network itself: DHCP, metadata.
    Service,
    /// A virtual machine, or what else computes.
    Device,
    /// Nobody.
    Nobody,
}

/// A container.
#[derive(Debug, Serialize)]
pub struct DrawnContainer<'a> {
    /// Docker's id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
}

impl<'a> Topology<'a> {
    /// Joins what was seen.
    pub fn new(cloud: &'a Cloud, seen: &'a Seen, docker: &'a Docker) -> Self {
        let inventory = docker.as_ref().ok();
        let network = |network| {
            let named = inventory.into_iter().flat_map(|docker| docker.networks_of(network));
            DrawnNetwork { network, docker_networks: named.map(|(id, name)| DockerNetwork { id, name }).collect() }
        };
        Self {
            cloud,
            docker_error: docker.as_ref().err().map(String::as_str),
            networks: by_id(&seen.networks).into_iter().map(network).collect(),
            subnets: by_id(&seen.subnets),
            routers: by_id(&seen.routers),
            ports: by_id(&seen.ports).into_iter().map(|port| DrawnPort::new(port, inventory)).collect(),
            security_groups: by_id(&seen.security_groups),
            floating_ips: by_id(&seen.floating_ips),
        }
    }
}

impl<'a> DrawnPort<'a> {
    fn new(port: &'a Port, docker: Option<&'a Inventory>) -> Self {
        let endpoint = port.device_id.parse::<DockerId>().ok();
        let container = endpoint.and_then(|endpoint| docker?.containers.get(&endpoint));
        let used_by = if container.is_some() { UsedBy::Container } else { used_by(port) };
        Self {
            port,
            used_by,
            container: container.map(|one| DrawnContainer { id: &one.id, name: &one.name, image: &one.image }),
            router: (used_by == UsedBy::Router).then(|| port.device_id.parse().ok()).flatten(),
            interface: port.has_tap().then(|| port.id.tap_name()),
        }
    }
}

fn used_by(port: &Port) -> UsedBy {
    match user_of(port) {
        User::Endpoint(_) => UsedBy::Container,
        User::Ready => UsedBy::Ready,
        User::Nobody => UsedBy::Nobody,
        User::Device(_) if port.device_owner.starts_with(OF_ROUTER) => UsedBy::Router,
        User::Device(_) if port.device_owner.starts_with(OF_NETWORK) => UsedBy::Service,
        User::Device(_) => UsedBy::Device,
    }
}

/// Clouds list things in an order of their own, and not always in the same.
fn by_id<R: Resource>(all: &[R]) -> Vec<&R> {
    let mut sorted: Vec<&R> = all.iter().collect();
    sorted.sort_by_key(|one| one.id());
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_docker::inventory::Container;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const NETWORK: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    const PORT: &str = "11111111-4e5f-6071-8293-a4b5c6d7e8f9";
    const ROUTER: &str = "22222222-4e5f-6071-8293-a4b5c6d7e8f9";

    fn port(more: Value) -> Port {
        let mut all = json!({"id": PORT, "network_id": NETWORK, "mac_address": "fa:16:3e:00:00:01"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn drawn(seen: &Seen, docker: &Docker) -> Value {
        let cloud = Cloud { source: "a test".to_owned(), auth_url: "http://127.0.0.1/".to_owned() };
        serde_json::to_value(Topology::new(&cloud, seen, docker)).unwrap()
    }

    #[test]
    fn who_has_a_port_is_told() {
        let endpoint = "e".repeat(64);
        let bound = |more: Value| {
            let mut all = json!({"device_owner": "compute:kuryr", "binding:host_id": "here"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            port(all)
        };
        for (port, expected) in [
            (bound(json!({"device_id": endpoint})), UsedBy::Container),
            (port(json!({"device_id": endpoint, "device_owner": "trunk:subport"})), UsedBy::Container),
            (bound(json!({"name": "kuryr-ready-port"})), UsedBy::Ready),
            (bound(json!({"name": "kuryr-unbound-port"})), UsedBy::Nobody),
            (port(json!({})), UsedBy::Nobody),
            (bound(json!({"device_id": "a machine", "device_owner": "compute:nova"})), UsedBy::Device),
            (port(json!({"device_owner": "network:dhcp", "device_id": "dhcp-1"})), UsedBy::Service),
            (port(json!({"device_owner": "network:router_gateway", "device_id": ROUTER})), UsedBy::Router),
            (port(json!({"device_owner": "network:router_interface_distributed", "device_id": "x"})), UsedBy::Router),
        ] {
            assert_eq!(used_by(&port), expected, "{port:?}");
        }
    }

    #[test]
    fn containers_routers_and_networks_are_joined() {
        let endpoint = "e".repeat(64);
        let docker_network: DockerId = "d".repeat(64).parse().unwrap();
        let [id, name, image, network, mac_address] = ["c1", "web", "nginx", "blue", ""].map(str::to_owned);
        let web = Container { id, name, image, network, mac_address };
        let inventory = Inventory {
            containers: BTreeMap::from([(endpoint.parse().unwrap(), web)]),
            networks: BTreeMap::from([(docker_network.clone(), "blue".to_owned())]),
        };
        let wired = json!({"device_id": endpoint, "device_owner": "compute:kuryr", "binding:host_id": "here",
                           "binding:vif_type": "bridge"});
        let seen = Seen {
            networks: vec![
                serde_json::from_value(json!({"id": NETWORK, "name": "n", "tags": docker_network.tags()})).unwrap(),
            ],
            ports: vec![
                port(json!({"id": ROUTER, "device_owner": "network:router_interface", "device_id": ROUTER})),
                port(wired),
            ],
            ..Seen::default()
        };
        let all = drawn(&seen, &Ok(inventory));
        assert_eq!(all["networks"][0]["docker_networks"], json!([{"id": docker_network.as_str(), "name": "blue"}]));
        assert_eq!(all["networks"][0]["router:external"], false, "Neutron's own words stay");
        let [container, router] = [&all["ports"][0], &all["ports"][1]];
        assert_eq!(container["container"], json!({"id": "c1", "name": "web", "image": "nginx"}));
        assert_eq!(container["interface"], "tap11111111-4e");
        assert_eq!((&router["used_by"], &router["router"]), (&json!("router"), &json!(ROUTER)));
        assert_eq!((&all["docker_error"], &router["interface"]), (&Value::Null, &Value::Null));
        let all = drawn(&seen, &Err("it is away".to_owned()));
        assert_eq!(all["docker_error"], "it is away");
        assert_eq!(all["ports"][0]["used_by"], "container", "Neutron knows as much");
    }

    #[test]
    fn the_order_in_which_the_cloud_lists_is_no_change() {
        let ports = vec![port(json!({})), port(json!({"id": ROUTER}))];
        let mut seen = Seen { ports, ..Seen::default() };
        let first = drawn(&seen, &Err(String::new())).to_string();
        seen.ports.reverse();
        assert_eq!(drawn(&seen, &Err(String::new())).to_string(), first);
    }
}
