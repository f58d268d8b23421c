//! Ports that this process knows to be Kuryr's on this host, so that the calls of one start or stop do not ask
//! Neutron for them again and again.
//!
//! Neutron remains the truth: what is not known here is asked for, and what turns out wrong is forgotten and asked
//! for. Ports of others are never kept.

use crate::{DockerId, Owner, User, owner_of, user_of, within::machine_in};
use kuryr_neutron::{MacAddr, NetworkId, Port, PortId, SubnetId};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// A port with what Neutron does not tell about it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// As Neutron told it last.
    pub port: Port,
    /// This process made it, so that all of its addresses were asked for by Docker.
    pub made_here: bool,
    /// It has a group of exposed ports; nothing: unknown.
    pub exposed: Option<bool>,
    /// When this process last dealt with it.
    pub since: Instant,
    /// When its endpoint was taken down; its release is to follow.
    pub ended: Option<Instant>,
    /// The endpoint that has it. Neutron is told a moment after Docker.
    pub endpoint: Option<DockerId>,
}

impl Known {
    /// Who uses it, which Neutron may not know yet.
    pub fn user(&self) -> User {
        match (&self.endpoint, user_of(&self.port)) {
            (Some(endpoint), User::Nobody | User::Ready) => User::Endpoint(endpoint.clone()),
            (_, user) => user,
        }
    }
}

/// The ports. Clones share all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    tables: Arc<Mutex<Tables>>,
    making: Arc<Mutex<Vec<SubnetId>>>,
}

/// A port is being made on this subnet for as long as this lives: Neutron may have it before its answer is here.
#[derive(Debug)]
pub(crate) struct Making<'a>(&'a Memory, SubnetId);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut making = self.0.being_made();
        if let Some(place) = making.iter().position(|subnet| *subnet == self.1) {
            making.swap_remove(place);
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    ports: HashMap<PortId, Known>,
    addresses: HashMap<(NetworkId, IpAddr), PortId>,
    macs: HashMap<(NetworkId, MacAddr), PortId>,
    endpoints: HashMap<DockerId, PortId>,
    /// Ports whose endpoint has left, and which are unplugged when they are deleted.
    left: HashSet<PortId>,
}

impl Memory {
    /// A port is about to be made on a subnet.
    pub fn making(&self, subnet: SubnetId) -> Making<'_> {
        self.being_made().push(subnet);
        Making(self, subnet)
    }

    /// Whether an unknown port may be one that is being made.
    pub fn is_making(&self, port: &Port) -> bool {
        let making = self.being_made();
        port.fixed_ips.iter().any(|ip| making.contains(&ip.subnet_id))
    }

    fn being_made(&self) -> MutexGuard<'_, Vec<SubnetId>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port that was just made for Docker.
    pub fn made(&self, port: &Port) {
        let since = Instant::now();
        let (made_here, exposed) = (true, Some(false));
        self.put(Known { port: port.clone(), made_here, exposed, since, ended: None, endpoint: None });
    }

    /// An endpoint has the port now.
    pub fn given(&self, port: &Port, endpoint: &DockerId) {
        self.seen(port);
        if let Some(mut known) = self.by_id(port.id) {
            known.endpoint = Some(endpoint.clone());
            self.put(known);
        }
    }

    /// What Neutron says about a port; somebody else's is forgotten.
    pub fn seen(&self, port: &Port) {
        let known = self.by_id(port.id);
        let (made_here, exposed, ended, endpoint) = known
            .map_or((false, None, None, None), |known| (known.made_here, known.exposed, known.ended, known.endpoint));
        self.put(Known { port: port.clone(), made_here, exposed, since: Instant::now(), ended, endpoint });
    }

    /// Whether the port has a group of exposed ports now; nothing: nobody knows.
    pub fn set_exposed(&self, port: PortId, exposed: Option<bool>) {
        if let Some(known) = self.tables().ports.get_mut(&port) {
            known.exposed = exposed;
        }
    }

    /// The port with this address.
    pub fn by_address(&self, network: NetworkId, address: IpAddr) -> Option<Known> {
        let tables = self.tables();
        tables.addresses.get(&(network, address)).and_then(|id| tables.ports.get(id)).cloned()
    }

    /// The port with this MAC.
    pub fn by_mac(&self, network: NetworkId, mac: MacAddr) -> Option<Known> {
        let tables = self.tables();
        tables.macs.get(&(network, mac)).and_then(|id| tables.ports.get(id)).cloned()
    }

    /// The port of this endpoint.
    pub fn by_endpoint(&self, endpoint: &DockerId) -> Option<Known> {
        let tables = self.tables();
        tables.endpoints.get(endpoint).and_then(|id| tables.ports.get(id)).cloned()
    }

    /// What is known about this port.
    pub fn by_id(&self, id: PortId) -> Option<Known> {
        self.tables().ports.get(&id).cloned()
    }

    /// Forgets a port: it is gone, or it is not certain what it is.
    pub fn forget(&self, id: PortId) {
        let mut tables = self.tables();
        tables.remove(id);
        tables.left.remove(&id);
    }

    /// The port's endpoint has left.
    pub fn left(&self, id: PortId) {
        self.tables().left.insert(id);
    }

    /// The port's endpoint was taken down.
    pub fn ended(&self, id: PortId) {
        if let Some(known) = self.tables().ports.get_mut(&id) {
            known.ended = Some(Instant::now());
        }
    }

    /// An endpoint takes the port, perhaps again.
    pub fn taken(&self, id: PortId) {
        let mut tables = self.tables();
        tables.left.remove(&id);
        if let Some(known) = tables.ports.get_mut(&id) {
            known.ended = None;
        }
    }

    /// True when the port's endpoint has left.
    pub fn was_left(&self, id: PortId) -> bool {
        self.tables().left.contains(&id)
    }

    fn put(&self, mut known: Known) {
        let mut tables = self.tables();
        tables.remove(known.port.id);
        if owner_of(&known.port) != Owner::Kuryr {
            return;
        }
        // Thousands of them may live long: without what is never looked at.
        if machine_in(&known.port.description).is_none() {
            known.port.description = String::new();
        }
        known.port.binding_profile.clear();
        let user = known.user();
        let port = &known.port;
        let (id, network) = (port.id, port.network_id);
        tables.addresses.extend(port.fixed_ips.iter().map(|ip| ((network, ip.ip_address), id)));
        tables.macs.insert((network, port.mac_address), id);
        if let User::Endpoint(endpoint) = user {
            tables.endpoints.insert(endpoint, id);
        }
        tables.ports.insert(id, known);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn remove(&mut self, id: PortId) {
        let Some(known) = self.ports.remove(&id) else { return };
        let port = &known.port;
        for ip in &port.fixed_ips {
            let key = (port.network_id, ip.ip_address);
            // It may have gone to another port meanwhile.
            if self.addresses.get(&key) == Some(&id) {
                self.addresses.remove(&key);
            }
        }
        self.macs.remove(&(port.network_id, port.mac_address));
        if let User::Endpoint(endpoint) = known.user() {
            self.endpoints.remove(&endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    fn port(name: &str, endpoint: &str) -> Port {
        serde_json::from_value(serde_json::json!({
            "id": "820b6faa-39d3-44e4-b378-9ea1ba434d05", "network_id": "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d51",
            "mac_address": "02:42:0a:00:00:02", "name": name, "device_id": endpoint, "device_owner": "compute:kuryr",
            "binding:host_id": "here",
            "fixed_ips": [{"subnet_id": "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d52", "ip_address": "10.0.0.2"}],
        }))
        .unwrap()
    }

    #[test]
    fn a_port_is_found_by_all_its_names_until_it_is_forgotten() {
        let (memory, new) = (Memory::default(), port("kuryr-unbound-port", ""));
        let (network, address, endpoint) = (new.network_id, new.fixed_ips[0].ip_address, ENDPOINT.parse().unwrap());
        memory.made(&new);
        assert!(memory.by_address(network, address).is_some() && memory.by_endpoint(&endpoint).is_none());
        memory.seen(&port("kuryr-unbound-port", ENDPOINT));
        let known = memory.by_endpoint(&endpoint).unwrap();
        assert_eq!((known.made_here, known.exposed), (true, Some(false)), "what Neutron does not tell is kept");
        memory.set_exposed(new.id, Some(true));
        assert_eq!(memory.by_mac(network, new.mac_address).unwrap().exposed, Some(true));
        memory.left(new.id);
        memory.ended(new.id);
        memory.seen(&new);
        assert!(memory.by_id(new.id).unwrap().ended.is_some());
        assert!(memory.was_left(new.id), "whatever Neutron says about it");
        memory.taken(new.id);
        assert!(!memory.was_left(new.id) && memory.by_id(new.id).unwrap().ended.is_none());
        memory.left(new.id);
        memory.forget(new.id);
        assert!(!memory.was_left(new.id));
        assert!(memory.by_address(network, address).is_none() && memory.by_endpoint(&endpoint).is_none());
        assert!(memory.by_mac(network, new.mac_address).is_none() && memory.by_id(new.id).is_none());
    }

    #[test]
    fn an_endpoint_keeps_what_it_was_given_though_neutron_does_not_know_yet() {
        let (memory, new, endpoint) = (Memory::default(), port("kuryr-unbound-port", ""), ENDPOINT.parse().unwrap());
        memory.made(&new);
        memory.given(&new, &endpoint);
        memory.seen(&new);
        let known = memory.by_endpoint(&endpoint).unwrap();
        assert_eq!((known.user(), known.made_here), (User::Endpoint(endpoint.clone()), true));
        memory.forget(new.id);
        assert!(memory.by_endpoint(&endpoint).is_none());
    }

    #[test]
    fn a_port_of_others_is_not_kept() {
        let (memory, theirs) = (Memory::default(), port("theirs", ENDPOINT));
        memory.seen(&port("kuryr-unbound-port", ENDPOINT));
        memory.seen(&theirs);
        assert!(memory.by_id(theirs.id).is_none() && memory.by_endpoint(&ENDPOINT.parse().unwrap()).is_none());
    }
}
