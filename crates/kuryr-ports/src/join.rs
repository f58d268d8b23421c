//! Bringing the addresses of one endpoint together on one port: Docker asks for them one by one.

use crate::{Attachment, Error, Owner, Ports, User, acquire::in_use, bind::requests, owner_of};
use kuryr_neutron::{FixedIp, Port, PortUpdate};
use kuryr_openstack::Query;

impl Ports {
    /// The port that holds the addresses, checked to be free or this endpoint's own.
    pub(crate) async fn port_for(&self, attachment: &Attachment<'_>) -> Result<Option<Port>, Error> {
        // Two starts may have each other's addresses: whoever comes first puts both right.
        let _nothing_is_moved = if attachment.addresses.len() > 1 { Some(self.ready.moving().await) } else { None };
        let query =
            attachment.addresses.iter().fold(Query::new().eq("network_id", attachment.network.id), |query, address| {
                query.fixed_ip(None, *address)
            });
        let mut ports = self.neutron.list::<Port>(&query).await?;
        ports.retain(|port| port.fixed_ips.iter().any(|ip| attachment.addresses.contains(&ip.ip_address)));
        for port in &ports {
            match self.current_user(port).await? {
                User::Nobody => {}
                User::Ready if port.binding_host_id == self.host => {
                    self.ready.claim(port, &attachment.default_groups, &attachment.addresses);
                }
                User::Endpoint(endpoint) if endpoint == *attachment.endpoint => {}
                user => return Err(in_use(attachment.wording(), port, &user)),
            }
        }
        // The addresses were requested one by one, and without a MAC to bring them together.
        let first = |port: &Port| port.fixed_ips.iter().any(|ip| attachment.addresses.first() == Some(&ip.ip_address));
        ports.sort_by_key(|port| (!first(port), port.id));
        let mut ports = ports.into_iter();
        let Some(mut port) = ports.next() else { return Ok(None) };
        for other in ports {
            port = self.join(port, other, attachment).await?;
        }
        Ok(Some(port))
    }

    /// Moves the endpoint's addresses from the other port to the first.
    ///
    /// What else the other one has was promised to another start, which then has what is the first one's: it gets that.
    async fn join(&self, port: Port, other: Port, attachment: &Attachment<'_>) -> Result<Port, Error> {
        if owner_of(&port) == Owner::Other || owner_of(&other) == Owner::Other {
            return Err(Error::Conflict(format!(
                "{} are on two Neutron ports, {} and {}, and not both are Kuryr's: give both addresses to one port",
                attachment.wording(),
                port.id,
                other.id
            )));
        }
        let is_wanted = |ip: &FixedIp| attachment.addresses.contains(&ip.ip_address);
        let (moved, kept): (Vec<FixedIp>, Vec<FixedIp>) = other.fixed_ips.iter().partition(|ip| is_wanted(ip));
        let is_replaced = |ip: &FixedIp| !is_wanted(ip) && moved.iter().any(|moved| moved.subnet_id == ip.subnet_id);
        let (replaced, own): (Vec<FixedIp>, Vec<FixedIp>) = port.fixed_ips.iter().partition(|ip| is_replaced(ip));
        if kept.is_empty() {
            self.neutron.delete_if_exists::<Port>(other.id).await?;
            self.memory.forget(other.id);
            self.ready.forget(other.id);
        } else {
            tracing::info!(port = %port.id, other = %other.id, "two starts have each other's addresses; they are moved");
            self.give_addresses(&other, &kept).await?;
        }
        let joined = self.give_addresses(&port, own.iter().chain(&moved)).await?;
        if !kept.is_empty() && !replaced.is_empty() {
            self.give_addresses(&other, kept.iter().chain(&replaced)).await?;
        }
        self.ready.moved(&moved, other.id, port.id);
        self.ready.moved(&replaced, port.id, other.id);
        Ok(joined)
    }

    async fn give_addresses<'a>(
        &self,
        port: &Port,
        addresses: impl IntoIterator<Item = &'a FixedIp>,
    ) -> Result<Port, Error> {
        let update = PortUpdate { fixed_ips: Some(requests(addresses)), ..PortUpdate::default() };
        let now = self.promised(self.neutron.update::<Port>(port.id, &update).await?);
        self.memory.seen(&now);
        Ok(now)
    }
}
