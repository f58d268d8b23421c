//! A virtual machine's own port and trunk in Neutron, and changing what they let through.

use crate::{Error, Ports, within::Place};
use kuryr_binding::Driver;
use kuryr_neutron::{AddressPair, IpNetOrAddr, MacAddr, Port, PortId, PortUpdate, SubPort, Trunk, TrunkId};
use kuryr_openstack::Query;
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};
use tokio::sync::{Mutex, MutexGuard};

/// Attempts at a change while others change the same port or trunk.
const ATTEMPTS: u32 = 10;
/// VLAN ids there are: 1 to this.
const LAST_VLAN: u16 = 4094;
/// Neutron's name for the refusal of a VLAN id that is taken.
const VLAN_TAKEN: &str = "DuplicateSubPort";
/// Neutron's name for the refusal to delete, or to add again, a port that a trunk carries.
pub(crate) const CARRIED: [&str; 2] = ["PortInUseAsSubPort", "TrunkPortInUse"];

/// The machine's own port and trunk, as far as they are known. Whoever changes one holds it, so that containers of one
/// machine do not get into each other's way; against others Neutron's revision numbers and conflicts stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) known: Arc<Mutex<Known>>,
    /// The machine's own port, once it was seen: known without waiting for whoever changes it.
    id: Arc<std::sync::Mutex<Option<PortId>>>,
}

#[derive(Debug, Default)]
pub(crate) struct Known {
    /// As Neutron told it last.
    port: Option<Port>,
    trunk: Option<TrunkId>,
}

impl Ports {
    /// Changes the machine's pairs by what `wanted` makes of them, only if nobody else has changed them meanwhile.
    pub(crate) async fn change_pairs(
        &self,
        wanted: impl Fn(&[AddressPair], MacAddr) -> Option<Vec<AddressPair>>,
    ) -> Result<(), Error> {
        let mut known = self.machine.known.lock().await;
        for _ in 0..ATTEMPTS {
            let machine = self.machines_port(&mut known).await?;
            let Some(pairs) = wanted(&machine.allowed_address_pairs, machine.mac_address) else { return Ok(()) };
            let update = PortUpdate { allowed_address_pairs: Some(pairs), ..PortUpdate::default() };
            match self.neutron.update_if::<Port>(machine.id, machine.revision_number, &update).await {
                Ok(machine) => {
                    known.port = Some(machine);
                    return Ok(());
                }
                Err(error) => {
                    // What was remembered is not what is: the next one asks.
                    known.port = None;
                    if !error.is_precondition_failed() && !error.is_not_found() {
                        return Err(error.into());
                    }
                }
            }
        }
        Err(Error::Conflict(format!(
            "the allowed_address_pairs of this machine's Neutron port were changed by others {ATTEMPTS} times while they \
             were changed here"
        )))
    }

    /// The port that has the address of the machine's interface.
    pub(crate) async fn machines_port(&self, known: &mut MutexGuard<'_, Known>) -> Result<Port, Error> {
        if let Some(port) = &known.port {
            return Ok(port.clone());
        }
        let mac = self.binder.parent_mac().await?;
        let filter = format!("mac_address={mac}");
        let port = self.one::<Port>("ports", filter, Query::new().eq("mac_address", mac)).await?;
        let port = port.ok_or_else(|| {
            let name = self.binder.parent();
            Error::Missing(format!(
                "Cannot find a Neutron port associated to interface name {name}: no port that these credentials see has \
                 its address {mac} (link_iface in [binding])"
            ))
        })?;
        known.port = Some(port.clone());
        *self.machine.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(port.id);
        Ok(port)
    }

    /// The machine's own port, by which others know the machine.
    pub(crate) async fn machine_id(&self) -> Result<PortId, Error> {
        let known = *self.machine.id.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(id) => Ok(id),
            None => Ok(self.machines_port(&mut self.machine.known.lock().await).await?.id),
        }
    }

    /// The machine as it is now. Nothing: this host is none, or its own port cannot be told.
    pub(crate) async fn place(&self) -> Result<Option<Place>, Error> {
        let driver = self.binder.driver();
        if driver == Driver::Veth {
            return Ok(None);
        }
        let mut known = self.machine.known.lock().await;
        known.port = None;
        let port = match self.machines_port(&mut known).await {
            Err(error @ (Error::Missing(_) | Error::Ambiguous { .. } | Error::Binding(_))) => {
                tracing::warn!(%error, "nobody can tell which ports are of containers within this machine");
                return Ok(None);
            }
            port => port?,
        };
        let trunk = match driver {
            Driver::Vlan => self.trunk(&mut known).await.map(Some),
            _ => Ok(None),
        };
        let carried = match trunk {
            Err(Error::Missing(_) | Error::Ambiguous { .. }) => BTreeSet::new(),
            trunk => trunk?.into_iter().flat_map(|trunk| trunk.sub_ports).map(|sub| sub.port_id).collect(),
        };
        Ok(Some(Place { driver, port, carried }))
    }

    /// The trunk of the machine's port, as it is now.
    async fn trunk(&self, known: &mut MutexGuard<'_, Known>) -> Result<Trunk, Error> {
        if let Some(id) = known.trunk {
            match self.neutron.find::<Trunk>(id).await? {
                Some(trunk) => return Ok(trunk),
                None => (known.port, known.trunk) = (None, None),
            }
        }
        let machine = self.machines_port(known).await?.id;
        let query = Query::new().eq("port_id", machine);
        let found = self.one::<Trunk>("trunks", format!("port_id={machine}"), query).await;
        let trunk = match found {
            Err(Error::Cloud(error)) if error.is_not_found() => Err(Error::Missing(
                "the cloud has no trunks (extension 'trunk'), which driver vlan needs for containers within a machine"
                    .to_owned(),
            )),
            found => found?.ok_or_else(|| {
                Error::Missing(format!(
                    "Neutron port {machine} of this machine is no trunk's parent, and driver vlan needs one: openstack \
                     network trunk create --parent-port {machine} NAME"
                ))
            }),
        }
        // It may be another port by the time there is one.
        .inspect_err(|_| known.port = None)?;
        known.trunk = Some(trunk.id);
        Ok(trunk)
    }

    /// Makes a port a subport of the machine's trunk, and says on which VLAN.
    pub(crate) async fn carry(&self, port: &Port) -> Result<u16, Error> {
        let mut known = self.machine.known.lock().await;
        let mut refusal = None;
        for _ in 0..ATTEMPTS {
            let trunk = self.trunk(&mut known).await?;
            if let Some(here) = trunk.sub_ports.iter().find(|sub| sub.port_id == port.id) {
                return Ok(here.segmentation_id);
            }
            // It was not carried the last time: nothing that this attempt could change.
            if let Some(error) = refusal {
                return Err(error);
            }
            let vlan = free_vlan(&trunk, port.id).ok_or_else(|| {
                Error::Conflict(format!(
                    "There are no vlan ids available. Trunk {} carries {LAST_VLAN} ports",
                    trunk.id
                ))
            })?;
            match self.neutron.add_subport(trunk.id, &SubPort::on_vlan(port.id, vlan)).await {
                Ok(()) => return Ok(vlan),
                Err(error) if error.error_type() == VLAN_TAKEN => {
                    tracing::info!(port = %port.id, vlan, "another subport was given the VLAN id; choosing again");
                }
                // It may be carried all the same, by this call or by one before it.
                Err(error) if error.may_have_happened() || CARRIED.contains(&error.error_type()) => {
                    refusal = Some(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict(format!(
            "Max number of retries reached without finding an available vlan id. Others took {ATTEMPTS} that were free a \
             moment before"
        )))
    }

    pub(crate) async fn drop_subport(&self, port: PortId) -> Result<(), Error> {
        let mut known = self.machine.known.lock().await;
        let trunk = self.trunk(&mut known).await?;
        if trunk.sub_ports.iter().any(|sub| sub.port_id == port) {
            self.neutron.remove_subport(trunk.id, port).await?;
        }
        Ok(())
    }
}

/// The pairs with these among them; nothing if they are there already.
pub(crate) fn with_pairs(
    now: &[AddressPair],
    more: impl Iterator<Item = AddressPair>,
    machine: MacAddr,
) -> Option<Vec<AddressPair>> {
    let has = |pair: &AddressPair| {
        let mac = pair.mac_address.unwrap_or(machine);
        now.iter().any(|one| one.ip_address.net() == pair.ip_address.net() && one.mac_address.unwrap_or(machine) == mac)
    };
    let missing: Vec<AddressPair> = more.filter(|pair| !has(pair)).collect();
    (!missing.is_empty()).then(|| now.iter().copied().chain(missing).collect())
}

/// The pairs without a port's addresses; nothing if they are not there. An address belongs to one port of a network, so
/// that its Ethernet address need not be looked at.
pub(crate) fn without_pairs(now: &[AddressPair], port: &Port) -> Option<Vec<AddressPair>> {
    let is_theirs = |pair: &&AddressPair| {
        !port.fixed_ips.iter().any(|ip| IpNetOrAddr::Addr(ip.ip_address).net() == pair.ip_address.net())
    };
    let kept: Vec<AddressPair> = now.iter().filter(is_theirs).copied().collect();
    (kept.len() < now.len()).then_some(kept)
}

/// A VLAN id that no subport has. The search begins where the port's id says, so that machines of others, and processes
/// that share a trunk, seldom choose the same.
fn free_vlan(trunk: &Trunk, port: PortId) -> Option<u16> {
    let taken: BTreeSet<u16> = trunk.sub_ports.iter().map(|sub| sub.segmentation_id).collect();
    let [.., high, low] = port.0.into_bytes();
    let start = u16::from_be_bytes([high, low]) % LAST_VLAN;
    (start..start + LAST_VLAN).map(|number| number % LAST_VLAN + 1).find(|vlan| !taken.contains(vlan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_neutron::FixedIp;
    use proptest::prelude::*;
    use serde_json::json;

    const PORT: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

    fn pair(address: &str, mac: Option<&str>) -> AddressPair {
        AddressPair {
            ip_address: IpNetOrAddr::Addr(address.parse().unwrap()),
            mac_address: mac.map(|mac| mac.parse().unwrap()),
        }
    }

    fn port(addresses: &[&str]) -> Port {
        let ips = addresses.iter().map(|address| json!({"subnet_id": PORT, "ip_address": address}));
        serde_json::from_value(json!({"id": PORT, "network_id": PORT, "mac_address": "fa:16:3e:00:00:02",
            "fixed_ips": ips.collect::<Vec<_>>()}))
        .unwrap()
    }

    #[test]
    fn pairs_come_once_and_go_with_their_port_alone() {
        let machine: MacAddr = "fa:16:3e:00:00:01".parse().unwrap();
        let theirs: Vec<AddressPair> =
            serde_json::from_value(json!([{"ip_address": "192.0.2.0/28", "mac_address": "fa:16:3e:00:00:09"}]))
                .unwrap();
        let mine = [pair("192.0.2.7", Some("fa:16:3e:00:00:02")), pair("fd00::7", Some("fa:16:3e:00:00:02"))];
        let added = with_pairs(&theirs, mine.into_iter(), machine).unwrap();
        assert_eq!(added.len(), 3);
        assert_eq!(with_pairs(&added, mine.into_iter(), machine), None, "they are there");
        assert_eq!(without_pairs(&added, &port(&["192.0.2.7", "fd00::7"])), Some(theirs.clone()));
        assert_eq!(without_pairs(&theirs, &port(&["192.0.2.7"])), None, "a range of somebody else's stays");
        // Neutron fills in the machine's own address.
        let told = [pair("192.0.2.7", Some("fa:16:3e:00:00:01"))];
        assert_eq!(with_pairs(&told, [pair("192.0.2.7", None)].into_iter(), machine), None);
        let ip: FixedIp = port(&["192.0.2.7"]).fixed_ips[0];
        assert_eq!(ip.ip_address.to_string(), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn a_vlan_id_is_free_and_of_those_there_are(
            taken in prop::collection::btree_set(1u16..=LAST_VLAN, 0..300),
            id in any::<u128>(),
        ) {
            let sub = |vlan: &u16| json!({"port_id": PORT, "segmentation_type": "vlan", "segmentation_id": vlan});
            let trunk: Trunk = serde_json::from_value(json!({"id": PORT, "port_id": PORT,
                "sub_ports": taken.iter().map(sub).collect::<Vec<_>>()})).unwrap();
            let vlan = free_vlan(&trunk, PortId(uuid::Uuid::from_u128(id))).unwrap();
            prop_assert!((1..=LAST_VLAN).contains(&vlan) && !taken.contains(&vlan));
        }
    }

    #[test]
    fn a_full_trunk_has_no_vlan_id_and_an_almost_full_one_has() {
        let sub = |vlan: u16| json!({"port_id": PORT, "segmentation_type": "vlan", "segmentation_id": vlan});
        let trunk = |vlans: std::ops::RangeInclusive<u16>| -> Trunk {
            let subs: Vec<_> = vlans.map(sub).collect();
            serde_json::from_value(json!({"id": PORT, "port_id": PORT, "sub_ports": subs})).unwrap()
        };
        let port: PortId = PORT.parse().unwrap();
        assert_eq!(free_vlan(&trunk(1..=LAST_VLAN), port), None);
        assert_eq!(free_vlan(&trunk(1..=LAST_VLAN - 1), port), Some(LAST_VLAN));
        assert_eq!(free_vlan(&trunk(2..=LAST_VLAN), port), Some(1));
    }
}
