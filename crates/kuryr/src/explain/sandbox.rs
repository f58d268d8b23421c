//! What a container itself has: its interfaces, addresses and routes, read in its namespace.

use ipnet::IpNet;
use kuryr_netlink::{Link, Links, Namespace, Route};
use kuryr_neutron::{MacAddr, Port};
use std::net::IpAddr;

/// A container's side.
#[derive(Debug, Default)]
pub struct Sandbox {
    pub interfaces: Vec<(Link, Vec<IpNet>)>,
    pub routes: Vec<Route>,
}

impl Sandbox {
    /// Of a container with this process.
    ///
    /// # Errors
    /// This process may not look there.
    pub fn of(pid: u32) -> Result<Self, kuryr_netlink::Error> {
        let mut links = Links::open_in(&Namespace::open_pid(pid)?)?;
        let mut interfaces = Vec::new();
        for link in links.list()?.into_iter().filter(|link| link.name != "lo") {
            let addresses = links.addresses(link.index)?;
            interfaces.push((link, addresses));
        }
        Ok(Self { interfaces, routes: links.routes()? })
    }

    /// The interface of a port: the one with its Ethernet address, or with an address of its.
    pub fn interface(&self, port: &Port) -> Option<&(Link, Vec<IpNet>)> {
        let by_mac = self.interfaces.iter().find(|(link, _)| link.mac.map(MacAddr) == Some(port.mac_address));
        by_mac
            .or_else(|| self.interfaces.iter().find(|(_, all)| port.fixed_ips.iter().any(|ip| has(all, ip.ip_address))))
    }

    /// The most exact route to an address.
    pub fn route(&self, to: IpAddr) -> Option<&Route> {
        let fitting = self.routes.iter().filter(|route| route.destination.contains(&to));
        fitting.max_by_key(|route| route.destination.prefix_len())
    }

    /// What is not as the port has it, and what to do.
    pub fn problems(&self, port: &Port, mtu: u32) -> Vec<(String, String)> {
        let again = "docker restart the container, or connect it to its network anew".to_owned();
        let Some((link, addresses)) = self.interface(port) else {
            return vec![("no interface of the container has the port's addresses".to_owned(), again)];
        };
        let mut problems = Vec::new();
        if !link.up {
            let remedy = format!("ip link set {} up, within the container", link.name);
            problems.push((format!("the container's {} is down", link.name), remedy));
        }
        if link.mac.is_some_and(|mac| mac != port.mac_address.0) {
            problems
                .push((format!("the container's {} has another MAC address than the port", link.name), again.clone()));
        }
        for missing in port.fixed_ips.iter().map(|ip| ip.ip_address).filter(|ip| !has(addresses, *ip)) {
            problems
                .push((format!("the container's {} has not the port's address {missing}", link.name), again.clone()));
        }
        let allowed = |ip: IpAddr| {
            port.fixed_ips.iter().any(|fixed| fixed.ip_address == ip)
                || port.allowed_address_pairs.iter().any(|pair| pair.ip_address.net().contains(&ip))
                || matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
        };
        for foreign in addresses.iter().map(IpNet::addr).filter(|ip| port.port_security_enabled && !allowed(*ip)) {
            let text =
                format!("the container uses {foreign}, which is not its port's: what it sends from there is dropped");
            problems.push((text, format!("openstack port set --allowed-address ip-address={foreign} {}", port.id)));
        }
        if mtu != 0 && link.mtu > mtu {
            let text = format!(
                "the container's {} has MTU {}, its network {mtu}: large packets are lost",
                link.name, link.mtu
            );
            problems.push((text, format!("ip link set {} mtu {mtu}, within the container", link.name)));
        }
        problems
    }
}

fn has(addresses: &[IpNet], address: IpAddr) -> bool {
    addresses.iter().any(|net| net.addr() == address)
}
