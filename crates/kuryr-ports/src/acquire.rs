//! Acquiring an address: a new port, a further address of the workload's port, or a port somebody prepared.

use crate::{
    Error, Owner, Ports, Rollback, UNBOUND_PORT_NAME, User, created_port_tag, existing_port_tag, owner_of, ownership,
};
use kuryr_neutron::{FixedIpRequest, MacAddr, NewPort, Port, PortUpdate, SecurityGroupId, Subnet, SubnetId};
use kuryr_openstack::Query;
use std::net::IpAddr;

impl Ports {
    /// An address of a subnet for the workload with this MAC: the given one, or any.
    ///
    /// Addresses of one MAC on one network end up on one port. Asking again gives the same answer.
    pub async fn acquire(&self, subnet: &Subnet, address: Option<IpAddr>, mac: MacAddr) -> Result<IpAddr, Error> {
        // Docker asks for IPv6 after IPv4: then the port is there already.
        if subnet.cidr.addr().is_ipv6() {
            if let Some(known) = self.memory.by_mac(subnet.network_id, mac) {
                match self.acquire_by_mac(known.port.clone(), subnet, address, mac).await {
                    Ok(address) => return Ok(address),
                    Err(error) => {
                        tracing::info!(port = %known.port.id, %error, "is not what it was; asking Neutron");
                        self.memory.forget(known.port.id);
                    }
                }
            }
            if let Some(port) = self.port_with_mac(subnet, mac).await? {
                return self.acquire_by_mac(port, subnet, address, mac).await;
            }
        }
        let refusal = match self.create_waiting(subnet, address, None, Some(mac), &[]).await {
            Ok(port) => return address_on(&port, subnet, address),
            Err(Error::Cloud(error)) if error.is_conflict() => error,
            Err(error) => return Err(error),
        };
        let (by_address, by_mac) =
            tokio::try_join!(self.port_with_address(subnet, address), self.port_with_mac(subnet, mac))?;
        match (by_address, by_mac) {
            (Some(port), _) => self.acquire_by_address(port, subnet, address, Some(mac)).await,
            (None, Some(port)) => self.acquire_by_mac(port, subnet, address, mac).await,
            (None, None) => Err(refusal.into()),
        }
    }

    /// An address of a subnet on a new port, or on one that somebody prepared, for a workload whose MAC is not known.
    pub async fn acquire_new(
        &self,
        subnet: &Subnet,
        address: Option<IpAddr>,
        groups: &[SecurityGroupId],
    ) -> Result<IpAddr, Error> {
        let refusal = match self.create_waiting(subnet, address, None, None, groups).await {
            Ok(port) => return address_on(&port, subnet, address),
            Err(Error::Cloud(error)) if error.is_conflict() => error,
            Err(error) => return Err(error),
        };
        match self.port_with_address(subnet, address).await? {
            Some(port) => self.acquire_by_address(port, subnet, address, None).await,
            None => Err(refusal.into()),
        }
    }

    /// An address that no workload shall get. One that is taken already, by whomever, is reserved enough.
    pub async fn reserve(&self, subnet: &Subnet, address: Option<IpAddr>) -> Result<IpAddr, Error> {
        match self.create_reservation(subnet, address).await {
            Ok(port) => address_on(&port, subnet, address),
            Err(Error::Cloud(error)) if error.is_conflict() => {
                match (self.port_with_address(subnet, address).await?, address) {
                    (Some(_), Some(address)) => Ok(address),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// An address that a Swarm's manager has reserved for a task of this host: the reservation becomes the port of the
    /// workload with this MAC. `None` when there is no such reservation.
    pub async fn take_over(&self, subnet: &Subnet, address: IpAddr, mac: MacAddr) -> Result<Option<IpAddr>, Error> {
        let reserved = self.port_with_address(subnet, Some(address)).await?.filter(is_reservation);
        let Some(port) = reserved else { return Ok(None) };
        let update = PortUpdate {
            mac_address: Some(mac),
            binding_host_id: (!self.are_nested()).then(|| self.host.clone()),
            ..PortUpdate::default()
        };
        let port = self.neutron.update::<Port>(port.id, &update).await?;
        self.memory.made(&port);
        Ok(Some(address))
    }

    /// A port that waits for its endpoint, bound to this host already, with its network's groups if they are known: then
    /// the endpoint's id is all that is missing. `beside` is where it gets one more address.
    /// Its name says what it is, until its tags do.
    pub(crate) async fn create_waiting(
        &self,
        subnet: &Subnet,
        address: Option<IpAddr>,
        beside: Option<SubnetId>,
        mac: Option<MacAddr>,
        groups: &[SecurityGroupId],
    ) -> Result<Port, Error> {
        let mut new = NewPort { mac_address: mac, ..unbound(subnet, address) };
        let any = |subnet| FixedIpRequest { subnet_id: Some(subnet), ip_address: None };
        new.fixed_ips.iter_mut().for_each(|fixed_ips| fixed_ips.extend(beside.map(any)));
        new.security_groups = Some(groups.to_vec()).filter(|groups| !groups.is_empty());
        if !self.are_nested() {
            new.device_owner = Some(ownership::DEVICE_OWNER.to_owned());
            new.binding_host_id = Some(self.host.clone());
        }
        let neutron = self.neutron_within().await;
        let _making = self.memory.making(subnet.id);
        let port = neutron.create::<Port>(&new).await?;
        self.memory.made(&port);
        Ok(port)
    }

    /// An owner and no host: no endpoint takes it.
    async fn create_reservation(&self, subnet: &Subnet, address: Option<IpAddr>) -> Result<Port, Error> {
        let new = NewPort { device_owner: Some(ownership::DEVICE_OWNER.to_owned()), ..unbound(subnet, address) };
        let tagging = self.tagging().await?;
        let port = self.neutron.create::<Port>(&new).await?;
        if tagging.resources {
            let mut rollback = Rollback::new();
            let (neutron, id) = (self.neutron.clone(), port.id);
            rollback
                .push(format!("delete port {id}"), async move { neutron.delete_if_exists::<Port>(id).await.map(drop) });
            let tagged = self.neutron.set_tags::<Port>(port.id, &[created_port_tag()]).await;
            rollback.unless_ok(tagged).await?;
        }
        Ok(port)
    }

    async fn port_with_mac(&self, subnet: &Subnet, mac: MacAddr) -> Result<Option<Port>, Error> {
        let query = Query::new().eq("network_id", subnet.network_id).eq("mac_address", mac);
        self.one("ports", format!("network_id={} mac_address={mac}", subnet.network_id), query).await
    }

    async fn port_with_address(&self, subnet: &Subnet, address: Option<IpAddr>) -> Result<Option<Port>, Error> {
        let Some(address) = address else { return Ok(None) };
        let query = Query::new().fixed_ip(subnet.id, address);
        let mut found = self.neutron.list::<Port>(&query).await?;
        found.retain(|port| holds(port, subnet, address));
        Ok(found.pop())
    }

    async fn acquire_by_address(
        &self,
        port: Port,
        subnet: &Subnet,
        address: Option<IpAddr>,
        mac: Option<MacAddr>,
    ) -> Result<IpAddr, Error> {
        // Without a MAC, a port that this process did not promise to anybody is the answer to the same question.
        let is_meant = mac.map_or_else(|| self.memory.by_id(port.id).is_none(), |mac| mac == port.mac_address);
        let what = || address.map_or_else(String::new, |a| format!("address {a}"));
        match (owner_of(&port), self.current_user(&port).await?) {
            (Owner::Kuryr, User::Nobody) if is_meant => address_on(&port, subnet, address),
            (Owner::Kuryr, User::Nobody) => {
                let user = format!("waiting for the container with MAC {}", port.mac_address);
                Err(Error::InUse { what: what(), port: port.id, user })
            }
            (Owner::Other, User::Nobody) => self.adopt(&port, subnet, address).await,
            (_, user) => Err(in_use(what(), &port, &user)),
        }
    }

    async fn acquire_by_mac(
        &self,
        port: Port,
        subnet: &Subnet,
        address: Option<IpAddr>,
        mac: MacAddr,
    ) -> Result<IpAddr, Error> {
        let user = self.current_user(&port).await?;
        if user != User::Nobody {
            return Err(in_use(format!("MAC {mac}"), &port, &user));
        }
        if owner_of(&port) == Owner::Kuryr {
            // Left by an endpoint that is gone, it is on its way to another now.
            self.memory.taken(port.id);
            self.memory.seen(&port);
        }
        let held = port.fixed_ips.iter().find(|ip| ip.subnet_id == subnet.id).map(|ip| ip.ip_address);
        match (owner_of(&port), held, address) {
            (_, Some(held), Some(wanted)) if held != wanted => Err(Error::Conflict(format!(
                "MAC {mac} belongs to Neutron port {}, which has address {held} and not {wanted}: ask for {held} or for \
                 another MAC",
                port.id
            ))),
            (Owner::Kuryr, Some(held), _) => Ok(held),
            (Owner::Kuryr, None, _) => self.add_address(&port, subnet, address).await,
            (Owner::Other, Some(_), _) => self.adopt(&port, subnet, address).await,
            (Owner::Other, None, _) => Err(Error::Conflict(format!(
                "Neutron port {} with MAC {mac} has no address in subnet {} ({}): give it one, or use a port of Kuryr's",
                port.id, subnet.id, subnet.cidr
            ))),
        }
    }

    async fn add_address(&self, port: &Port, subnet: &Subnet, address: Option<IpAddr>) -> Result<IpAddr, Error> {
        let mut fixed_ips: Vec<FixedIpRequest> = port.fixed_ips.iter().copied().map(Into::into).collect();
        fixed_ips.push(FixedIpRequest { subnet_id: Some(subnet.id), ip_address: address });
        let update = PortUpdate { fixed_ips: Some(fixed_ips), ..PortUpdate::default() };
        let port = self.neutron.update::<Port>(port.id, &update).await?;
        self.memory.seen(&port);
        address_on(&port, subnet, address)
    }

    /// Uses a port that somebody prepared: it is marked, so that it is only unbound later, never deleted.
    async fn adopt(&self, port: &Port, subnet: &Subnet, address: Option<IpAddr>) -> Result<IpAddr, Error> {
        self.require_tags(&format!("port {}", port.id)).await?;
        let tag = existing_port_tag();
        if !port.tags.contains(&tag) {
            self.neutron.add_tag::<Port>(port.id, &tag).await?;
        }
        address_on(port, subnet, address)
    }

    /// Refuses to use what somebody prepared when the cloud cannot mark it as theirs.
    pub async fn require_tags(&self, what: &str) -> Result<(), Error> {
        if self.tagging().await?.resources {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "existing {what} is not used: the cloud has no extension 'standard-attr-tag', so Kuryr could not tell later \
             that it must not delete it"
        )))
    }
}

fn unbound(subnet: &Subnet, address: Option<IpAddr>) -> NewPort {
    NewPort {
        network_id: Some(subnet.network_id),
        name: UNBOUND_PORT_NAME.to_owned(),
        admin_state_up: Some(true),
        fixed_ips: Some(vec![FixedIpRequest { subnet_id: Some(subnet.id), ip_address: address }]),
        ..NewPort::default()
    }
}

/// True for what [`Ports::reserve`] makes.
fn is_reservation(port: &Port) -> bool {
    owner_of(port) == Owner::Kuryr
        && port.device_owner == ownership::DEVICE_OWNER
        && port.device_id.is_empty()
        && port.binding_host_id.is_empty()
}

/// True when the port has this address, in this subnet.
pub(crate) fn holds(port: &Port, subnet: &Subnet, address: IpAddr) -> bool {
    port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id && ip.ip_address == address)
}

/// The wanted address, or the port's first one in the subnet.
pub(crate) fn address_on(port: &Port, subnet: &Subnet, wanted: Option<IpAddr>) -> Result<IpAddr, Error> {
    let held = || port.fixed_ips.iter().find(|ip| ip.subnet_id == subnet.id).map(|ip| ip.ip_address);
    wanted.or_else(held).ok_or_else(|| {
        Error::Missing(format!("Neutron gave port {} no address in subnet {} ({})", port.id, subnet.id, subnet.cidr))
    })
}

/// The refusal to take a port away from its user.
pub(crate) fn in_use(what: String, port: &Port, user: &User) -> Error {
    let user = match user {
        User::Nobody => "by nobody".to_owned(),
        User::Ready => format!("kept ready for containers of host {}", port.binding_host_id),
        User::Endpoint(endpoint) => format!("by Docker endpoint {endpoint}"),
        User::Device(device) => device.clone(),
    };
    Error::InUse { what, port: port.id, user }
}
