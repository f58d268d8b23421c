//! Containers within a virtual machine: what the machine's own port must let through.
//!
//! On the machine's network (macvlan, ipvlan) a container's address is one of the `allowed_address_pairs` of the
//! machine's port; on other networks (vlan) the container's port is a subport of the machine's trunk. Neutron holds all
//! of it: which VLAN ids are taken is read from the trunk, and who loses a race is told so by Neutron.

use crate::{
    Attachment, DEVICE_OWNER, Error, Owner, Ports, Rollback, UNBOUND_PORT_NAME, User,
    machine::{CARRIED, with_pairs, without_pairs},
    owner_of, user_of,
    within::{machine_in, moved},
};
use kuryr_binding::Driver;
use kuryr_neutron::{
    AddressPair, DEVICE_OWNER_SUBPORT, FixedIpRequest, HostId, IpNetOrAddr, MacAddr, NetworkId, NewPort, Port,
    PortUpdate,
};
use std::net::IpAddr;

/// OVN's name for the refusal of an Ethernet address that is not the port's own.
const FOREIGN_MAC: &str = "InvalidVirtualMACAddress";
/// Neutron's name for the refusal of a port that has a device.
const DEVICE_SET: &str = "PortInUse";

impl Ports {
    /// True when ordinary ports are interfaces on top of a virtual machine's own.
    pub fn are_nested(&self) -> bool {
        self.binder.driver() != Driver::Veth
    }

    /// The host that a port in use is bound to. One within a machine is not: the machine's own is.
    pub(crate) fn home(&self, port: &Port) -> HostId {
        if self.binder.nested(port).is_some() { HostId::default() } else { self.host.clone() }
    }

    /// The owner that a port in use has: Neutron gives subports one of its own, and wires them by it.
    pub(crate) fn owner_in_use(&self, port: &Port) -> &'static str {
        if self.binder.nested(port) == Some(Driver::Vlan) { DEVICE_OWNER_SUBPORT } else { DEVICE_OWNER }
    }

    /// Lets a port within a machine through, marks it with its endpoint and plugs it.
    pub(crate) async fn bind_nested(
        &self,
        port: Port,
        driver: Driver,
        attachment: &Attachment<'_>,
        rollback: &mut Rollback,
    ) -> Result<Port, Error> {
        if user_of(&port) != User::Endpoint(attachment.endpoint.clone()) {
            let (ports, mine) = (self.clone(), port.clone());
            rollback.push(format!("take port {} from this machine", port.id), async move {
                ports.binder.unplug(&mine).await?;
                ports.expel(&mine, driver).await
            });
        }
        let (endpoint, mtu) = (attachment.endpoint.as_str(), attachment.network.mtu);
        let rename = !self.tagging().await?.resources;
        let port = match owner_of(&port) {
            Owner::Other => self.mark_existing(port, attachment, rollback).await?,
            Owner::Kuryr => port,
        };
        if driver == Driver::Vlan {
            // A trunk takes no port that has a device: the endpoint comes second.
            let (port, vlan) = self.carry_anew(port).await?;
            let update = self.nested_update(&port, attachment, rename).await?;
            let port = self.apply(port, update, rollback).await?;
            self.binder.plug_subport(&port, mtu, endpoint, vlan).await?;
            return Ok(port);
        }
        let mac = attachment.mac.unwrap_or(port.mac_address);
        let update = self.nested_update(&port, attachment, rename).await?;
        let (bound, admitted) =
            tokio::join!(self.apply(port.clone(), update, rollback), self.admit(&port, mac, driver));
        admitted?;
        let port = bound?;
        self.binder.plug(&port, mtu, endpoint).await?;
        Ok(port)
    }

    /// What makes a port the endpoint's, and this machine's if another's containers had it before.
    async fn nested_update(&self, port: &Port, attachment: &Attachment<'_>, rename: bool) -> Result<PortUpdate, Error> {
        let description = match machine_in(&port.description) {
            Some(_) if owner_of(port) == Owner::Kuryr => moved(&port.description, self.machine_id().await?),
            _ => None,
        };
        Ok(PortUpdate { description, ..self.update_for(port, attachment, rename)? })
    }

    /// Carries a port by the trunk, also one that an earlier endpoint has left its id on.
    async fn carry_anew(&self, port: Port) -> Result<(Port, u16), Error> {
        match self.carry(&port).await {
            Err(Error::Cloud(error)) if error.error_type() == DEVICE_SET && !port.device_id.is_empty() => {
                let update = PortUpdate { device_id: Some(String::new()), ..PortUpdate::default() };
                let cleared = self.neutron.update::<Port>(port.id, &update).await?;
                let vlan = self.carry(&cleared).await?;
                Ok((Port { tags: port.tags, ..cleared }, vlan))
            }
            vlan => Ok((port, vlan?)),
        }
    }

    /// A port for an endpoint that asked for none before: not yet let through.
    pub(crate) async fn create_unbound(
        &self,
        attachment: &Attachment<'_>,
        rollback: &mut Rollback,
    ) -> Result<Port, Error> {
        let wish = |address: &IpAddr| FixedIpRequest { subnet_id: None, ip_address: Some(*address) };
        let new = NewPort {
            network_id: Some(attachment.network.id),
            name: UNBOUND_PORT_NAME.to_owned(),
            admin_state_up: Some(true),
            mac_address: attachment.mac,
            fixed_ips: Some(attachment.addresses.iter().map(wish).collect()),
            ..NewPort::default()
        };
        let port = self.neutron_within().await.create::<Port>(&new).await?;
        let (neutron, id) = (self.neutron.clone(), port.id);
        rollback.push(format!("delete port {id}"), async move { neutron.delete_if_exists::<Port>(id).await.map(drop) });
        Ok(port)
    }

    /// False for a port that the cloud never wires: what is wired is the machine's.
    pub(crate) fn becomes_active(&self, port: &Port) -> bool {
        !matches!(self.binder.nested(port), Some(Driver::Macvlan | Driver::Ipvlan))
    }

    /// The network of a Docker network for which none is named: within a machine, where containers are on the machine's
    /// own network, it can be no other.
    pub async fn default_network(&self) -> Result<Option<NetworkId>, Error> {
        match self.binder.driver() {
            Driver::Macvlan | Driver::Ipvlan => {
                let mut known = self.machine.known.lock().await;
                Ok(Some(self.machines_port(&mut known).await?.network_id))
            }
            Driver::Veth | Driver::Vlan => Ok(None),
        }
    }

    /// Lets a container's addresses through on the machine's network. Done already is done.
    async fn admit(&self, port: &Port, mac: MacAddr, driver: Driver) -> Result<(), Error> {
        // An ipvlan speaks with the machine's own address, which is what no address stands for.
        let mac_address = (driver == Driver::Macvlan).then_some(mac);
        let pairs =
            port.fixed_ips.iter().map(|ip| AddressPair { ip_address: IpNetOrAddr::Addr(ip.ip_address), mac_address });
        match self.change_pairs(|now, machine| with_pairs(now, pairs.clone(), machine)).await {
            Err(Error::Cloud(error)) if error.error_type() == FOREIGN_MAC => Err(Error::Conflict(format!(
                "Neutron lets no Ethernet address through but the machine's own, and not {mac}, as ML2/OVN does: set \
                 default_driver = ipvlan in [binding], whose containers have the machine's address. {error}"
            ))),
            done => done,
        }
    }

    /// Lets a container's port through no more. Not there is done.
    pub(crate) async fn expel(&self, port: &Port, driver: Driver) -> Result<(), Error> {
        let result = match driver {
            Driver::Vlan => self.drop_subport(port.id).await,
            _ => self.change_pairs(|now, _| without_pairs(now, port)).await,
        };
        match result {
            // The machine's own port or trunk is gone, and all that it let through with it.
            Err(Error::Cloud(error)) if error.is_not_found() => Ok(()),
            Err(Error::Missing(reason)) => {
                tracing::warn!(port = %port.id, reason, "nothing here lets the port through any more");
                Ok(())
            }
            result => result,
        }
    }

    /// Deletes a port of Kuryr's, one that is carried by a trunk too.
    pub(crate) async fn delete_port(&self, port: &Port) -> Result<(), Error> {
        match self.neutron.delete_if_exists::<Port>(port.id).await {
            Err(error) if self.are_nested() && CARRIED.contains(&error.error_type()) => {
                self.expel(port, Driver::Vlan).await?;
                self.neutron.delete_if_exists::<Port>(port.id).await?;
            }
            result => drop(result?),
        }
        Ok(())
    }
}
