//! Which of the ports of containers within virtual machines are within this one.
//!
//! They are bound to no host, and machines that were copied may even have one control plane's id. So the description of a
//! port names the machine for whose containers it is, by the machine's own port in Neutron; and what lets a port through,
//! trunk or address pair, is the machine's. A port of which neither tells is left to whoever knows more.

use crate::{DEVICE_OWNER, Error, Ports, UNBOUND_PORT_NAME};
use kuryr_binding::Driver;
use kuryr_neutron::{AddressPair, DEVICE_OWNER_SUBPORT, IpNetOrAddr, Port, PortId};
use kuryr_openstack::{CREATED_BY_KURYR, Neutron, Query};
use std::collections::{BTreeMap, BTreeSet};

/// What stands before the machine's own port in descriptions, after who made it.
pub(crate) const WITHIN: &str = " within ";

/// A virtual machine as Neutron has it at one moment.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) driver: Driver,
    /// Its own port.
    pub(crate) port: Port,
    /// What its trunk carries.
    pub(crate) carried: BTreeSet<PortId>,
}

impl Place {
    /// True for a port that is beyond doubt of a container within this machine.
    fn has(&self, port: &Port) -> bool {
        if !port.binding_host_id.is_empty() || port.id == self.port.id {
            return false;
        }
        if self.carried.contains(&port.id) {
            return true;
        }
        if port.device_owner == DEVICE_OWNER_SUBPORT {
            // Another machine's trunk carries it.
            return false;
        }
        match machine_in(&port.description) {
            Some(machine) => machine == self.port.id,
            None => self.lets_through(port),
        }
    }

    /// Whether the machine's port has a pair for this one, as [`Ports::bind`] adds it.
    fn lets_through(&self, port: &Port) -> bool {
        let mac = if self.driver == Driver::Macvlan { port.mac_address } else { self.port.mac_address };
        let is_pair = |pair: &AddressPair| {
            let is_address = |address| IpNetOrAddr::Addr(address).net() == pair.ip_address.net();
            pair.mac_address.unwrap_or(self.port.mac_address) == mac
                && port.fixed_ips.iter().any(|ip| is_address(ip.ip_address))
        };
        self.driver != Driver::Vlan
            && port.network_id == self.port.network_id
            && self.port.allowed_address_pairs.iter().any(is_pair)
    }

    /// What finds the ports that it lets through.
    fn query(&self) -> Query {
        match self.driver {
            Driver::Vlan => Query::new().any("id", &self.carried),
            _ => Query::new().eq("device_owner", DEVICE_OWNER).eq("network_id", self.port.network_id),
        }
    }
}

impl Ports {
    /// Ports of containers within this machine, on top of its own interface; only those of which Neutron leaves no doubt.
    /// `everywhere`: also those that the machine does not let through yet, or any more, for which all containers' ports
    /// there are must be asked for.
    pub async fn within_this_machine(&self, everywhere: bool) -> Result<Vec<Port>, Error> {
        let Some(place) = self.place().await? else { return Ok(Vec::new()) };
        let queries = match everywhere {
            true => vec![
                Query::new().any("device_owner", [DEVICE_OWNER, DEVICE_OWNER_SUBPORT]),
                Query::new().eq("name", UNBOUND_PORT_NAME),
            ],
            false => vec![place.query()],
        };
        let mut found = BTreeMap::new();
        for query in queries {
            found.extend(self.neutron.list::<Port>(&query).await?.into_iter().map(|port| (port.id, port)));
        }
        Ok(found.into_values().filter(|port| place.has(port)).collect())
    }

    /// Whether a port is bound to this host, or within this machine.
    pub(crate) async fn is_here(&self, port: &Port) -> Result<bool, Error> {
        let is_bound_here = port.binding_host_id == self.host;
        Ok(is_bound_here
            || self.binder.nested(port).is_some() && self.place().await?.is_some_and(|place| place.has(port)))
    }

    /// Whether a port names another machine than this one.
    pub(crate) async fn is_within_another_machine(&self, port: &Port) -> Result<bool, Error> {
        match machine_in(&port.description) {
            Some(machine) => Ok(!self.are_nested() || machine != self.machine_id().await?),
            None => Ok(false),
        }
    }

    /// A client that says of what it creates within which machine it is.
    pub(crate) async fn neutron_within(&self) -> Neutron {
        let neutron = self.neutron.clone();
        if !self.are_nested() {
            return neutron;
        }
        match self.machine_id().await {
            Ok(machine) => {
                let signature = format!("{}{WITHIN}{machine}", neutron.signature());
                neutron.signed(&signature)
            }
            Err(error) => {
                // Its endpoint will fail for the same reason.
                tracing::warn!(%error, "an address is asked for, and this machine's own port is not known");
                neutron
            }
        }
    }
}

/// The machine that the description of a port of Kuryr's names, by the machine's own port.
pub(crate) fn machine_in(description: &str) -> Option<PortId> {
    let (_, machine) = description.strip_prefix(CREATED_BY_KURYR)?.rsplit_once(WITHIN)?;
    machine.parse().ok()
}

/// The description of a port that another machine's containers had, now that this one's have it; nothing to change for
/// any other.
pub(crate) fn moved(description: &str, machine: PortId) -> Option<String> {
    machine_in(description).filter(|before| *before != machine)?;
    let (maker, _) = description.rsplit_once(WITHIN)?;
    Some(format!("{maker}{WITHIN}{machine}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Author, author};
    use serde_json::{Value, json};

    const HERE: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    const THERE: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8fa";
    const CHILD: &str = "820b6faa-39d3-44e4-b378-9ea1ba434d05";
    const NETWORK: &str = "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d51";
    const OTHER: &str = "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d52";

    fn port(id: &str, more: Value) -> Port {
        let mut all = json!({"id": id, "network_id": NETWORK, "mac_address": "02:42:0a:00:00:02",
            "fixed_ips": [{"subnet_id": NETWORK, "ip_address": "192.0.2.7"}]});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn place(driver: Driver, pairs: Value, carried: &[&str]) -> Place {
        let own = json!({"mac_address": "fa:16:3e:00:00:01", "allowed_address_pairs": pairs});
        Place { driver, port: port(HERE, own), carried: carried.iter().map(|id| id.parse().unwrap()).collect() }
    }

    fn named(machine: &str) -> Value {
        json!({"description": format!("Created by Kuryr, req-1 on a within {machine}")})
    }

    #[test]
    fn a_port_is_within_the_machine_that_it_names_and_in_no_other() {
        for driver in [Driver::Macvlan, Driver::Ipvlan, Driver::Vlan] {
            let place = place(driver, json!([]), &[]);
            assert!(place.has(&port(CHILD, named(HERE))));
            assert!(!place.has(&port(CHILD, named(THERE))));
            // Nobody tells.
            assert!(!place.has(&port(CHILD, json!({}))));
            assert!(!place.has(&port(CHILD, json!({"description": "Created by Kuryr, req-1 on a"}))));
            let mut bound = named(HERE);
            bound["binding:host_id"] = json!("hypervisor");
            assert!(!place.has(&port(CHILD, bound)));
            let mut carried = named(HERE);
            carried["device_owner"] = json!("trunk:subport");
            assert!(!place.has(&port(CHILD, carried)), "by another machine's trunk");
        }
    }

    #[test]
    fn what_lets_a_port_through_tells_too() {
        let carried = json!({"device_owner": "trunk:subport"});
        assert!(place(Driver::Vlan, json!([]), &[CHILD]).has(&port(CHILD, carried)));
        let pairs = json!([{"ip_address": "192.0.2.7", "mac_address": "02:42:0a:00:00:02"}]);
        let macvlan = place(Driver::Macvlan, pairs.clone(), &[]);
        assert!(macvlan.has(&port(CHILD, json!({}))));
        assert!(!macvlan.has(&port(CHILD, named(THERE))), "another machine's, and this one lets it through too");
        assert!(!macvlan.has(&port(CHILD, json!({"network_id": OTHER}))), "the same address elsewhere");
        assert!(!macvlan.has(&port(CHILD, json!({"mac_address": "02:42:0a:00:00:03"}))));
        assert!(!macvlan.has(&port(CHILD, json!({"fixed_ips": [{"subnet_id": NETWORK, "ip_address": "192.0.2.8"}]}))));
        assert!(!place(Driver::Vlan, pairs, &[]).has(&port(CHILD, json!({}))));
        let range = json!([{"ip_address": "192.0.2.0/28", "mac_address": "02:42:0a:00:00:02"}]);
        assert!(!place(Driver::Macvlan, range, &[]).has(&port(CHILD, json!({}))), "an operator's range");
        let own = json!([{"ip_address": "192.0.2.7", "mac_address": "fa:16:3e:00:00:01"}]);
        assert!(place(Driver::Ipvlan, own, &[]).has(&port(CHILD, json!({}))));
    }

    #[test]
    fn a_description_names_maker_and_machine_and_the_machine_changes() {
        let text = format!("Created by Kuryr, req-1 on a.b-c_1 within {HERE}");
        assert_eq!(machine_in(&text), Some(HERE.parse().unwrap()));
        assert_eq!(author(&text), Author::Kuryr("a.b-c_1".parse().unwrap()));
        assert_eq!(moved(&text, HERE.parse().unwrap()), None);
        let there = moved(&text, THERE.parse().unwrap()).unwrap();
        assert_eq!(there, format!("Created by Kuryr, req-1 on a.b-c_1 within {THERE}"));
        for other in ["", "Created by Kuryr, req-1 on a", &format!("within {HERE}"), "Created by Kuryr, req-1 within x"]
        {
            assert_eq!((machine_in(other), moved(other, HERE.parse().unwrap())), (None, None), "{other}");
        }
    }
}
