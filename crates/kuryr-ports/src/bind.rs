//! Giving a port to a workload: bound to this host, marked with the endpoint, plugged; or nothing at all.

use crate::{
    DEVICE_OWNER, DockerId, Error, Owner, PortSettings, Ports, Rollback, User, existing_port_tag, is_identity_tag,
    owner_of,
};
use kuryr_neutron::{
    DnsName, FixedIp, FixedIpRequest, HostId, MacAddr, Network, NewPort, Port, PortUpdate, SecurityGroupId, Status,
    Tag, VIF_TYPE_UNBOUND,
};
use std::{net::IpAddr, time::Duration};

/// An endpoint that wants a port.
#[derive(Debug, Clone)]
pub struct Attachment<'a> {
    /// The endpoint.
    pub endpoint: &'a DockerId,
    /// Its network.
    pub network: &'a Network,
    /// Its addresses, at most one of each IP version.
    pub addresses: Vec<IpAddr>,
    /// Its MAC, if it is fixed already.
    pub mac: Option<MacAddr>,
    /// What it wants of its port beside that.
    pub settings: PortSettings,
    /// The security groups of its network's ports; empty: the project's default one.
    pub default_groups: Vec<SecurityGroupId>,
}

impl Attachment<'_> {
    pub(crate) fn wording(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        format!("address {}", addresses.join(" and "))
    }
}

impl Ports {
    /// Binds and plugs the port that holds the endpoint's addresses. Asking again changes nothing.
    pub async fn bind(&self, attachment: &Attachment<'_>) -> Result<Port, Error> {
        if let Some(port) = self.waiting_for(attachment) {
            let id = port.id;
            match self.bind_found(attachment, Some(port)).await {
                Err(Error::Cloud(error)) if error.is_not_found() || error.is_conflict() => {
                    tracing::info!(port = %id, %error, "is not what it was; asking Neutron");
                }
                result => return result,
            }
        }
        let found = self.port_for(attachment).await?;
        self.bind_found(attachment, found).await
    }

    /// The port that was made for these addresses a moment ago, and still waits.
    fn waiting_for(&self, attachment: &Attachment<'_>) -> Option<Port> {
        let mut found: Option<Port> = None;
        for address in &attachment.addresses {
            let known = self.memory.by_address(attachment.network.id, *address)?;
            let same = found.as_ref().is_none_or(|port| port.id == known.port.id);
            let free = known.user() == User::Nobody && known.port.binding_host_id == self.home(&known.port);
            if !same || !free || attachment.mac.is_some_and(|mac| mac != known.port.mac_address) {
                return None;
            }
            found = Some(known.port);
        }
        found
    }

    async fn bind_found(&self, attachment: &Attachment<'_>, found: Option<Port>) -> Result<Port, Error> {
        let mut rollback = Rollback::new();
        let id = found.as_ref().map(|port| port.id);
        id.iter().for_each(|id| self.memory.taken(*id));
        let result = self.bind_steps(attachment, found, &mut rollback).await;
        if let (Err(_), Some(id)) = (&result, id) {
            self.memory.forget(id);
        }
        rollback.unless_ok(result).await
    }

    async fn bind_steps(
        &self,
        attachment: &Attachment<'_>,
        found: Option<Port>,
        rollback: &mut Rollback,
    ) -> Result<Port, Error> {
        let tagging = self.tagging().await?;
        let mtu = attachment.network.mtu;
        let is_missing = found.is_none();
        let found = match found {
            None if self.are_nested() => Some(self.create_unbound(attachment, rollback).await?),
            found => found,
        };
        let (mut port, made_here) = match found {
            None => {
                let port = self.neutron.create::<Port>(&self.new_bound(attachment)).await?;
                let (neutron, id) = (self.neutron.clone(), port.id);
                rollback.push(format!("delete port {id}"), async move {
                    neutron.delete_if_exists::<Port>(id).await.map(drop)
                });
                self.unplug_later(&port, rollback);
                self.binder.plug(&port, mtu, attachment.endpoint.as_str()).await?;
                (port, true)
            }
            Some(port) if let Some(driver) = self.binder.nested(&port) => {
                (self.bind_nested(port, driver, attachment, rollback).await?, is_missing)
            }
            Some(port) => {
                let own = self.current_user(&port).await? == User::Endpoint(attachment.endpoint.clone());
                if !own {
                    self.unplug_later(&port, rollback);
                }
                let mut update = self.update_for(&port, attachment, !tagging.resources)?;
                match owner_of(&port) {
                    Owner::Other => attachment.settings.require_on(&port)?,
                    // It has had its settings; what was opened or changed since stays.
                    Owner::Kuryr if own => {}
                    Owner::Kuryr => attachment.settings.ask(&port, &attachment.default_groups, &mut update),
                }
                // One that was seen before Neutron had bound it is wired as the answer to the update says.
                let rebound = update.binding_host_id.is_some()
                    || update.mac_address.is_some()
                    || port.binding_vif_type == VIF_TYPE_UNBOUND;
                if owner_of(&port) == Owner::Other {
                    let port = self.mark_existing(port, attachment, rollback).await?;
                    let port = self.apply(port, update, rollback).await?;
                    self.binder.plug(&port, mtu, attachment.endpoint.as_str()).await?;
                    (port, false)
                } else if rebound {
                    let mut port = port;
                    if update.mac_address.is_some() && !port.binding_host_id.is_empty() {
                        // A bound port keeps its MAC.
                        let unbound = PortUpdate { binding_host_id: Some(HostId::default()), ..PortUpdate::default() };
                        port = self.apply(port, unbound, rollback).await?;
                        update.binding_host_id = Some(self.host.clone());
                    }
                    let port = self.apply(port, update, rollback).await?;
                    self.binder.plug(&port, mtu, attachment.endpoint.as_str()).await?;
                    (port, false)
                } else if self.binder.remembers(&port) && is_about_endpoint(&update) {
                    // Bound already. The kernel remembers whose it is from here on; Neutron is told behind.
                    self.binder.plug(&port, mtu, attachment.endpoint.as_str()).await?;
                    (port, false)
                } else {
                    // Bound already: nothing of the interface depends on the answer. Both run to their end, so that
                    // undoing never meets one of them half way.
                    let plugged = self.binder.plug(&port, mtu, attachment.endpoint.as_str());
                    let (bound, plugged) = tokio::join!(self.apply(port.clone(), update, rollback), plugged);
                    plugged?;
                    (bound?, false)
                }
            }
        };
        if self.wait.is_fatal && self.becomes_active(&port) {
            self.wait_until_active(&port).await?;
        }
        if owner_of(&port) == Owner::Kuryr {
            self.ready.hold(port.id, &attachment.addresses);
            if made_here {
                self.memory.made(&port);
            }
            self.memory.given(&port, attachment.endpoint);
            self.write_behind(&port, attachment.endpoint, tagging);
            port.device_id = attachment.endpoint.to_string();
        }
        Ok(port)
    }

    fn unplug_later(&self, port: &Port, rollback: &mut Rollback) {
        let (binder, plugged) = (self.binder.clone(), port.clone());
        rollback.push(format!("unplug port {}", port.id), async move { binder.unplug(&plugged).await });
    }

    /// Marks a port of somebody else's, before anything else is done to it: it is never to be deleted.
    pub(crate) async fn mark_existing(
        &self,
        port: Port,
        attachment: &Attachment<'_>,
        rollback: &mut Rollback,
    ) -> Result<Port, Error> {
        self.require_tags(&format!("port {}", port.id)).await?;
        let mut tags = port.tags.clone();
        if !tags.contains(&existing_port_tag()) {
            tags.push(existing_port_tag());
        }
        let tags = with_identity(&tags, attachment.endpoint);
        if tags != port.tags {
            let (neutron, id, before) = (self.neutron.clone(), port.id, port.tags.clone());
            rollback.push(format!("restore the tags of port {id}"), async move {
                neutron.set_tags::<Port>(id, &before).await
            });
            self.neutron.set_tags::<Port>(port.id, &tags).await?;
        }
        Ok(Port { tags, ..port })
    }

    fn new_bound(&self, attachment: &Attachment<'_>) -> NewPort {
        let wish = |address: &IpAddr| FixedIpRequest { subnet_id: None, ip_address: Some(*address) };
        let mut new = NewPort {
            network_id: Some(attachment.network.id),
            name: attachment.endpoint.port_name(),
            admin_state_up: Some(true),
            mac_address: attachment.mac,
            fixed_ips: Some(attachment.addresses.iter().map(wish).collect()),
            device_owner: Some(DEVICE_OWNER.to_owned()),
            device_id: Some(attachment.endpoint.to_string()),
            binding_host_id: Some(self.host.clone()),
            ..NewPort::default()
        };
        attachment.settings.ask_new(attachment.network.port_security_enabled, &attachment.default_groups, &mut new);
        new
    }

    /// One update with all that differs: host, owner and MAC must travel together, a bound port keeps its MAC.
    pub(crate) fn update_for(
        &self,
        port: &Port,
        attachment: &Attachment<'_>,
        rename: bool,
    ) -> Result<PortUpdate, Error> {
        let missing: Vec<_> =
            attachment.addresses.iter().filter(|a| !port.fixed_ips.iter().any(|ip| ip.ip_address == **a)).collect();
        if let Some(address) = missing.first() {
            return Err(Error::Missing(format!("Neutron port {} does not have address {address}", port.id)));
        }
        fn differs<T: PartialEq>(now: &T, wanted: T) -> Option<T> {
            if *now == wanted { None } else { Some(wanted) }
        }
        Ok(PortUpdate {
            binding_host_id: differs(&port.binding_host_id, self.home(port)),
            device_owner: differs(&port.device_owner, self.owner_in_use(port).to_owned()),
            device_id: differs(&port.device_id, attachment.endpoint.to_string()),
            admin_state_up: differs(&port.admin_state_up, true),
            mac_address: attachment.mac.and_then(|mac| differs(&port.mac_address, mac)),
            name: if rename { differs(&port.name, attachment.endpoint.port_name()) } else { None },
            ..PortUpdate::default()
        })
    }

    pub(crate) async fn apply(&self, port: Port, update: PortUpdate, rollback: &mut Rollback) -> Result<Port, Error> {
        if update == PortUpdate::default() {
            return Ok(port);
        }
        let undo = PortUpdate {
            binding_host_id: update.binding_host_id.as_ref().map(|_| port.binding_host_id.clone()),
            device_owner: update.device_owner.as_ref().map(|_| port.device_owner.clone()),
            device_id: update.device_id.as_ref().map(|_| port.device_id.clone()),
            admin_state_up: update.admin_state_up.map(|_| port.admin_state_up),
            name: update.name.as_ref().map(|_| port.name.clone()),
            description: update.description.as_ref().map(|_| port.description.clone()),
            security_groups: update.security_groups.as_ref().map(|_| port.security_groups.clone()),
            port_security_enabled: update.port_security_enabled.map(|_| port.port_security_enabled),
            qos_policy_id: update.qos_policy_id.map(|_| port.qos_policy_id),
            dns_name: update.dns_name.as_ref().map(|_| port.dns_name.clone().unwrap_or_else(DnsName::none)),
            ..PortUpdate::default()
        };
        // A bound port keeps its MAC: it gets its own one back once it is free.
        let mac = update.mac_address.map(|_| port.mac_address);
        let bound = self.neutron.update::<Port>(port.id, &update).await;
        // A change that was refused is not taken back: the port may be somebody else's by now.
        if bound.as_ref().err().is_none_or(kuryr_openstack::Error::may_have_happened) {
            let (neutron, id) = (self.neutron.clone(), port.id);
            rollback.push(format!("unbind port {id}"), async move {
                neutron.update::<Port>(id, &undo).await?;
                if mac.is_some() {
                    let undo = PortUpdate { mac_address: mac, ..PortUpdate::default() };
                    neutron.update::<Port>(id, &undo).await?;
                }
                Ok::<_, kuryr_openstack::Error>(())
            });
        }
        Ok(Port { tags: port.tags, ..bound? })
    }

    async fn wait_until_active(&self, port: &Port) -> Result<(), Error> {
        let mut pause = Duration::from_millis(50);
        let active = async {
            while self.neutron.get::<Port>(port.id).await?.status != Status::Active {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Ok(())
        };
        match tokio::time::timeout(self.wait.timeout, active).await {
            Ok(result) => result,
            Err(_) => Err(Error::NotActive { port: port.id, name: port.name.clone(), waited: self.wait.timeout }),
        }
    }

    /// Takes the port from its endpoint: unplugged, and closed. An endpoint without a port is done already.
    ///
    /// Kuryr's own port stays as it is until its addresses are released, which deletes it. It is not deleted here: its
    /// address would be free for another container, and the release of it, which names nothing but the address, would
    /// then meet that one. If the release never comes, the port is left bound to this host without an interface, or
    /// with one that is in no container, and goes with its network.
    pub async fn unbind(&self, endpoint: &DockerId) -> Result<(), Error> {
        let Some(port) = self.port_of(endpoint).await? else {
            tracing::info!(%endpoint, "has no port, nothing to unplug");
            return Ok(());
        };
        let taken_down = self.take_down(&port).await;
        self.memory.ended(port.id);
        taken_down
    }

    async fn take_down(&self, port: &Port) -> Result<(), Error> {
        if self.goes_unplugged_last(port) {
            self.memory.left(port.id);
        } else {
            self.binder.unplug(port).await?;
        }
        if let Some(driver) = self.binder.nested(port) {
            self.expel(port, driver).await?;
        }
        // Exposed ports are normally closed before; after a crash of Docker they are not.
        let exposed = self.memory.by_id(port.id).and_then(|known| known.exposed);
        if exposed.unwrap_or(port.security_groups.len() > 1) {
            self.conceal_port(port).await?;
        }
        if owner_of(port) == Owner::Other && port.tags.iter().any(is_identity_tag) {
            let tags: Vec<Tag> = port.tags.iter().filter(|tag| !is_identity_tag(tag)).cloned().collect();
            self.neutron.set_tags::<Port>(port.id, &tags).await?;
        }
        Ok(())
    }

    /// The host that ports are bound to.
    pub fn host(&self) -> &HostId {
        &self.host
    }
}

/// True for a change that says whose the port is, and nothing else.
fn is_about_endpoint(update: &PortUpdate) -> bool {
    let PortUpdate { device_id, name, .. } = update.clone();
    *update == PortUpdate { device_id, name, ..PortUpdate::default() }
}

/// Wishes for exactly these addresses.
pub(crate) fn requests<'a>(addresses: impl IntoIterator<Item = &'a FixedIp>) -> Vec<FixedIpRequest> {
    addresses.into_iter().copied().map(Into::into).collect()
}

/// These tags, with the endpoint's instead of any other's.
pub(crate) fn with_identity(tags: &[Tag], endpoint: &DockerId) -> Vec<Tag> {
    let mut tags: Vec<Tag> = tags.iter().filter(|tag| !is_identity_tag(tag)).cloned().collect();
    tags.extend(endpoint.tags());
    tags
}
