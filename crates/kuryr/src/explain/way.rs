//! Which way a packet takes, by what Neutron has: its network, a router, the outside. Pure.

use crate::status::collect::{Everything, ROUTER_INTERFACE};
use ipnet::IpNet;
use kuryr_neutron::{Network, NetworkId, Port, Router, Subnet};
use std::net::IpAddr;

/// `device_owner` of a router's port in its external network.
const ROUTER_GATEWAY: &str = "network:router_gateway";

/// A packet's way.
#[derive(Debug, PartialEq)]
pub enum Way<'a> {
    /// Over its own network to the port that has the address.
    Direct {
        /// Nobody's, if nothing.
        to: Option<&'a Port>,
    },
    /// Through a router to another network of its.
    Routed {
        /// The router.
        router: &'a Router,
        /// Its port in the sender's network.
        near: &'a Port,
        /// Its port in the receiver's network.
        far: &'a Port,
        /// Who has the address; nobody, if nothing.
        to: Option<&'a Port>,
    },
    /// Through a router to where Neutron knows no more of it.
    Outside {
        /// The router.
        router: &'a Router,
        /// Its port in the sender's network.
        near: &'a Port,
        /// The address through which it goes on.
        by: By<'a>,
    },
    /// None.
    Nowhere {
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

/// How it leaves a router for the outside.
#[derive(Debug, PartialEq)]
pub enum By<'a> {
    /// By an external network.
    External {
        /// The network.
        network: NetworkId,
        /// The router's port there.
        port: Option<&'a Port>,
        /// The sender's address becomes the router's.
        translated: bool,
    },
    /// By a route that somebody gave the router.
    Hop(IpAddr),
}

impl Everything {
    /// The way from a port's address to another address.
    pub fn way(&self, from: &Port, source: IpAddr, destination: IpAddr) -> Way<'_> {
        let network = self.named(from.network_id);
        let Some(subnet) = self.subnet_of(from, source) else {
            return nowhere(format!("{source} is no address of the port"), "give the container an address of its port");
        };
        if self.subnets_of(from.network_id).any(|subnet| subnet.cidr.contains(&destination)) {
            return Way::Direct { to: self.holder(from.network_id, destination) };
        }
        let Some(gateway) = subnet.gateway_ip else {
            let remedy = format!("openstack subnet set --gateway auto {}, and make the container anew", subnet.id);
            return nowhere(format!("subnet {} has no gateway, and {destination} is not in it", subnet.cidr), remedy);
        };
        let near = self.holder(from.network_id, gateway).filter(|port| port.device_owner.starts_with(ROUTER_INTERFACE));
        let router = near.and_then(|near| Some((near, self.router_of(near)?)));
        let Some((near, router)) = router else {
            let remedy = format!("openstack router add subnet ROUTER {}", subnet.id);
            return nowhere(format!("no router has the gateway {gateway} of network {network}"), remedy);
        };
        if !router.admin_state_up {
            let reason = format!("router {} is administratively down", called(&router.name, router.id));
            return nowhere(reason, format!("openstack router set --enable {}", router.id));
        }
        self.beyond(router, near, destination)
    }

    fn beyond<'a>(&'a self, router: &'a Router, near: &'a Port, destination: IpAddr) -> Way<'a> {
        let own = self.ports.iter().filter(|port| self.router_of(port) == Some(router));
        let connected = own.flat_map(|port| {
            port.fixed_ips.iter().filter_map(move |ip| Some((self.subnet_of(port, ip.ip_address)?.cidr, port)))
        });
        let connected = connected.filter(|(net, _)| net.contains(&destination)).max_by_key(|(net, _)| net.prefix_len());
        let extra = router.routes.iter().filter(|route| route.destination.contains(&destination));
        let extra = extra.max_by_key(|route| route.destination.prefix_len());
        let is_longer = |net: IpNet| extra.is_none_or(|route| net.prefix_len() >= route.destination.prefix_len());
        if let Some((_, far)) = connected.filter(|(net, _)| is_longer(*net)) {
            return Way::Routed { router, near, far, to: self.holder(far.network_id, destination) };
        }
        if let Some(route) = extra {
            return Way::Outside { router, near, by: By::Hop(route.nexthop) };
        }
        let name = called(&router.name, router.id);
        let Some(external) = &router.external_gateway_info else {
            let remedy = format!("openstack router set --external-gateway NETWORK {}", router.id);
            return nowhere(format!("router {name} has no route to {destination} and no external gateway"), remedy);
        };
        let mut outer = self.ports.iter().filter(|port| port.device_owner == ROUTER_GATEWAY);
        let port = outer.find(|port| port.device_id == router.id.to_string());
        let translated = destination.is_ipv4() && external.enable_snat.unwrap_or(true);
        Way::Outside { router, near, by: By::External { network: external.network_id, port, translated } }
    }

    /// The port at the end of the way to an address, if it is the cloud's.
    pub fn other_end(&self, from: &Port, source: IpAddr, address: IpAddr) -> Option<&Port> {
        let to = match self.way(from, source, address) {
            Way::Direct { to } | Way::Routed { to, .. } => to,
            _ => None,
        };
        to.filter(|port| port.fixed_ips.iter().any(|fixed| fixed.ip_address == address))
    }

    /// The port of a network that has an address: its own, or one of its allowed address pairs.
    pub fn holder(&self, network: NetworkId, address: IpAddr) -> Option<&Port> {
        let mut ports = self.ports.iter().filter(|port| port.network_id == network);
        let owns = |port: &&Port| port.fixed_ips.iter().any(|ip| ip.ip_address == address);
        let may_use =
            |port: &Port| port.allowed_address_pairs.iter().any(|pair| pair.ip_address.net().contains(&address));
        let own = ports.clone().find(owns);
        own.or_else(|| ports.find(|port| may_use(port)))
    }

    /// The router that a port is of.
    fn router_of(&self, port: &Port) -> Option<&Router> {
        let id = port.device_owner.starts_with(ROUTER_INTERFACE).then(|| port.device_id.parse().ok()).flatten()?;
        self.routers.iter().find(|router| router.id == id)
    }

    /// The subnet of a port's address.
    pub fn subnet_of(&self, port: &Port, address: IpAddr) -> Option<&Subnet> {
        let fixed = port.fixed_ips.iter().find(|fixed| fixed.ip_address == address)?;
        self.subnets.iter().find(|subnet| subnet.id == fixed.subnet_id)
    }

    /// The subnets of a network.
    pub fn subnets_of(&self, network: NetworkId) -> impl Iterator<Item = &Subnet> {
        self.subnets.iter().filter(move |subnet| subnet.network_id == network)
    }

    /// A network's name, or its id where it has none.
    pub fn named(&self, id: NetworkId) -> String {
        let found: Option<&Network> = self.networks.iter().find(|network| network.id == id);
        called(found.map_or("", |network| &network.name), id)
    }
}

/// A name, or the id where there is none.
pub fn called(name: &str, id: impl std::fmt::Display) -> String {
    if name.is_empty() { id.to_string() } else { crate::table::clean(name) }
}

fn nowhere<'a>(reason: String, remedy: impl Into<String>) -> Way<'a> {
    Way::Nowhere { reason, remedy: remedy.into() }
}
