//! Giving an address back: Kuryr's port goes with its last address, anybody else's is unbound.

use crate::{
    DEVICE_OWNER, DockerId, Error, Owner, Ports, SUBNET_NAME_PREFIX, User, acquire::holds, bind::requests,
    existing_port_tag, is_identity_tag, owner_of, pool_tags,
};
use kuryr_binding::Driver;
use kuryr_neutron::{DEVICE_OWNER_SUBPORT, FixedIp, HostId, Port, PortUpdate, Subnet, Tag};
use kuryr_openstack::Query;
use std::net::IpAddr;

impl Ports {
    /// Gives back an address of a subnet. Nothing there is done already; what is not ours is left alone.
    pub async fn release(&self, subnet: &Subnet, address: IpAddr) -> Result<(), Error> {
        if self.ready.holds(subnet.id, address) {
            // Given back already.
            return Ok(());
        }
        if let Some(known) = self.memory.by_address(subnet.network_id, address) {
            match self.ready.let_go(known.port.id, address) {
                // Docker gives back the other one too.
                Some(1..) => return Ok(()),
                Some(0) if self.give_back_ready(&known.port) => return Ok(()),
                _ => {}
            }
            let result = self.release_own(&known.port, subnet, address, known.made_here).await;
            match result {
                Err(Error::Cloud(error)) if error.is_not_found() || error.is_conflict() => {
                    tracing::info!(port = %known.port.id, %error, "is not what it was; asking Neutron");
                    self.memory.forget(known.port.id);
                }
                result => {
                    if result.is_err() {
                        self.memory.forget(known.port.id);
                    }
                    return result;
                }
            }
        }
        let mut ports = self.neutron.list::<Port>(&Query::new().fixed_ip(subnet.id, address)).await?;
        ports.retain(|port| holds(port, subnet, address));
        for port in ports {
            if owner_of(&port) == Owner::Kuryr {
                match self.ready.let_go(port.id, address) {
                    Some(1..) => {}
                    Some(0) => self.remove(&port).await?,
                    None => self.release_own(&port, subnet, address, false).await?,
                }
            } else if port.tags.contains(&existing_port_tag()) {
                self.release_existing(&port, address).await?;
            }
        }
        Ok(())
    }

    /// `all_asked_for`: Docker knows each of the port's addresses, and will give each back.
    async fn release_own(
        &self,
        port: &Port,
        subnet: &Subnet,
        address: IpAddr,
        all_asked_for: bool,
    ) -> Result<(), Error> {
        let released = FixedIp { subnet_id: subnet.id, ip_address: address };
        let others: Vec<&FixedIp> = port.fixed_ips.iter().filter(|ip| **ip != released).collect();
        if (all_asked_for && !others.is_empty()) || self.any_held(port, &others).await? {
            let update = PortUpdate { fixed_ips: Some(requests(others)), ..PortUpdate::default() };
            let now = self.neutron.update::<Port>(port.id, &update).await?;
            self.memory.seen(&now);
            return Ok(());
        }
        self.remove(port).await
    }

    pub(crate) async fn remove(&self, port: &Port) -> Result<(), Error> {
        let is_here = port.binding_host_id == self.host;
        let last = is_here && self.goes_unplugged_last(port);
        if let Some(driver) = self.binder.nested(port) {
            self.binder.unplug(port).await?;
            if driver != Driver::Vlan {
                self.expel(port, driver).await?;
            }
        } else if is_here && !last {
            // The endpoint may never have been taken down: its interface would stay for ever.
            self.binder.unplug(port).await?;
        }
        self.ready.forget(port.id);
        self.behind().cancel(port.id).await;
        self.delete_port(port).await?;
        if last {
            self.binder.unplug(port).await?;
        }
        self.memory.forget(port.id);
        Ok(())
    }

    /// True for a port that is deleted before it is unplugged. Where the cloud watches the switch, unplugging makes it
    /// write the port down, which meets the deletion half way: each wants the port as it was, and the deletion is tried
    /// again and again for most of a second.
    pub(crate) fn goes_unplugged_last(&self, port: &Port) -> bool {
        owner_of(port) == Owner::Kuryr && self.binder.is_watched(port)
    }

    /// Takes down and deletes a port of a network that goes, if it is Kuryr's and no endpoint uses it any more, or ever
    /// did. Any other stays.
    pub async fn remove_left_behind(&self, port: &Port) -> Result<(), Error> {
        if self.is_left_behind(port).await? { self.remove(port).await } else { Ok(()) }
    }

    /// True for a reservation, a port whose endpoint did not come, and one of this host whose interface is gone or is
    /// in no container, unless this process made it: an endpoint whose deletion was lost in a crash.
    async fn is_left_behind(&self, port: &Port) -> Result<bool, Error> {
        if owner_of(port) != Owner::Kuryr {
            return Ok(false);
        }
        if self.memory.was_left(port.id) {
            return Ok(true);
        }
        let ours = port.binding_host_id == self.host;
        if !ours {
            // Reserved, or waiting on nobody's host. What another host has bound may be on its way to a container there.
            let is_waiting = port.binding_host_id.is_empty() && port.device_id.is_empty();
            return Ok(is_waiting && !self.is_within_another_machine(port).await?);
        }
        match self.current_user(port).await? {
            User::Nobody | User::Ready => Ok(true),
            User::Device(_) => Ok(false),
            User::Endpoint(_) => {
                let made_here = self.memory.by_id(port.id).is_some_and(|known| known.made_here);
                // Docker sets a container's end up once it is inside.
                Ok(self.binder.interface(port).await?.is_none_or(|link| !link.carrier && !made_here))
            }
        }
    }

    async fn release_existing(&self, port: &Port, address: IpAddr) -> Result<(), Error> {
        let later: Vec<&FixedIp> =
            port.fixed_ips.iter().filter(|ip| address.is_ipv4() && ip.ip_address.is_ipv6()).collect();
        if self.any_held(port, &later).await? {
            // Docker gives IPv4 back first: the port is still the container's until IPv6 follows.
            return Ok(());
        }
        self.give_back(port).await
    }

    /// Makes a port of somebody else's what it was before a container had it.
    pub(crate) async fn give_back(&self, port: &Port) -> Result<(), Error> {
        let mut update = PortUpdate::default();
        if let Some(driver) = self.binder.nested(port) {
            self.expel(port, driver).await?;
        }
        if [DEVICE_OWNER, DEVICE_OWNER_SUBPORT].contains(&port.device_owner.as_str()) {
            update.device_owner = Some(String::new());
            update.binding_host_id = Some(HostId::default());
        }
        if port.device_id.parse::<DockerId>().is_ok() {
            update.device_id = Some(String::new());
        }
        if update != PortUpdate::default() {
            self.neutron.update::<Port>(port.id, &update).await?;
        }
        let keep = |tag: &&Tag| **tag != existing_port_tag() && !is_identity_tag(tag);
        let tags: Vec<Tag> = port.tags.iter().filter(keep).cloned().collect();
        self.neutron.set_tags::<Port>(port.id, &tags).await?;
        Ok(())
    }

    /// True when one of these addresses is from a subnet that Docker knows, so that Docker will give it back too.
    async fn any_held(&self, port: &Port, addresses: &[&FixedIp]) -> Result<bool, Error> {
        if addresses.is_empty() {
            return Ok(false);
        }
        let tagged = self.tagging().await?.resources;
        let subnets = self.neutron.list::<Subnet>(&Query::new().eq("network_id", port.network_id)).await?;
        let known = |subnet: &&Subnet| {
            if tagged { pool_tags(&subnet.tags).next().is_some() } else { subnet.name.starts_with(SUBNET_NAME_PREFIX) }
        };
        Ok(subnets.iter().filter(known).any(|subnet| addresses.iter().any(|ip| ip.subnet_id == subnet.id)))
    }
}
