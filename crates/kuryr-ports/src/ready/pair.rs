//! Ports with an IPv4 and an IPv6 address. Docker asks for the two one after the other, and does not say that they belong
//! together: while one start asks for its addresses, it keeps the others on its network waiting.

use super::{Kind, Ready};
use crate::{DockerId, Error, Ports, UNBOUND_PORT_NAME, acquire::address_on};
use kuryr_neutron::{FixedIp, FixedIpRequest, Port, PortId, PortUpdate, SecurityGroupId, Subnet, SubnetId};
use std::{
    net::IpAddr,
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Docker asks for the second address as soon as it has the first; who has not asked by now never will.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// What a container wants of its first address.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The Docker network.
    pub network: &'a DockerId,
    /// Where the address is from.
    pub subnet: &'a Subnet,
    /// The address, if it may not be any.
    pub address: Option<IpAddr>,
    /// Where its IPv6 address will be from, if it gets one beside this.
    pub beside: Option<SubnetId>,
    /// The security groups of the network's ports; none: Neutron's own choice.
    pub groups: &'a [SecurityGroupId],
}

/// The second address of a port.
#[derive(Debug)]
pub(super) struct Promise {
    network: DockerId,
    address: FixedIp,
    since: Instant,
}

impl Ready {
    /// A start on this network has the other address of this port, and is about to ask for its second one.
    fn promise(&self, network: &DockerId, port: &Port, first: IpAddr) {
        let second = port.fixed_ips.iter().find(|ip| ip.ip_address != first);
        let since = Instant::now();
        self.promises().extend(second.map(|ip| Promise { network: network.clone(), address: *ip, since }));
    }

    /// What the last start on this network was promised: one before it that has not come for it will hardly come any more.
    fn promised(&self, network: &DockerId) -> Option<FixedIp> {
        let mut promises = self.promises();
        promises.retain(|promise| promise.since.elapsed() < FORGOTTEN_AFTER);
        let last = promises.iter().rposition(|promise| promise.network == *network)?;
        Some(promises.remove(last).address)
    }

    fn promises(&self) -> MutexGuard<'_, Vec<Promise>> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Docker has exactly these addresses of a lent port.
    pub(crate) fn hold(&self, id: PortId, addresses: &[IpAddr]) {
        if let Some(held) = self.shelves().values_mut().find_map(|shelf| shelf.held(id)) {
            *held = addresses.iter().copied().collect();
        }
    }

    /// Docker has one more address of a lent port.
    fn hold_too(&self, id: PortId, address: IpAddr) {
        if let Some(held) = self.shelves().values_mut().find_map(|shelf| shelf.held(id)) {
            held.insert(address);
        }
    }

    /// Docker has given back an address of a lent port. How many it has still; `None`: the port is not lent.
    pub(crate) fn let_go(&self, id: PortId, address: IpAddr) -> Option<usize> {
        let mut shelves = self.shelves();
        let held = shelves.values_mut().find_map(|shelf| shelf.held(id))?;
        held.remove(&address);
        Some(held.len())
    }

    /// Addresses went from one port to another: whoever has them still has them.
    pub(crate) fn moved(&self, addresses: &[FixedIp], from: PortId, to: PortId) {
        let mut shelves = self.shelves();
        for address in addresses.iter().map(|ip| ip.ip_address) {
            let was_held =
                shelves.values_mut().find_map(|shelf| shelf.held(from)).is_some_and(|it| it.remove(&address));
            if was_held && let Some(held) = shelves.values_mut().find_map(|shelf| shelf.held(to)) {
                held.insert(address);
            }
        }
    }
}

impl Ports {
    /// The first address of a container whose MAC is not known: a ready port's, or a new one's.
    pub async fn acquire_ready(&self, wanted: &Wanted<'_>) -> Result<IpAddr, Error> {
        let Wanted { network, subnet, address, groups, .. } = *wanted;
        if self.keeps_ready() {
            self.tagging().await?;
            self.start_filler();
            let kind = Kind::new(subnet.id, wanted.beside, groups);
            if let Some(port) = self.take_ready(subnet.network_id, &kind, address).await? {
                self.memory.made(&port);
                let address = address_on(&port, subnet, address)?;
                self.ready.promise(network, &port, address);
                return Ok(address);
            }
            if let Some(beside) = wanted.beside {
                match self.create_waiting(subnet, address, Some(beside), None, groups).await {
                    Ok(port) => {
                        let address = address_on(&port, subnet, address)?;
                        self.ready.claim(&port, groups, &[address]);
                        self.ready.promise(network, &port, address);
                        return Ok(address);
                    }
                    // A port that somebody prepared, perhaps.
                    Err(Error::Cloud(error)) if error.is_conflict() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.acquire_new(subnet, address, groups).await
    }

    /// A port as Neutron tells it. One that was ready and is lent has another name here: it waits for its endpoint.
    pub(crate) fn promised(&self, port: Port) -> Port {
        if port.device_id.is_empty() && self.ready.has_lent(port.id) {
            return Port { name: UNBOUND_PORT_NAME.to_owned(), ..port };
        }
        port
    }

    /// The second address of the container that has just got its first one on this Docker network, on the same port.
    /// `None`: there is no such container, or somebody's port has the wanted address.
    pub async fn acquire_beside(
        &self,
        network: &DockerId,
        subnet: &Subnet,
        address: Option<IpAddr>,
    ) -> Result<Option<IpAddr>, Error> {
        let Some(promised) = self.ready.promised(network) else { return Ok(None) };
        let known = self.memory.by_address(subnet.network_id, promised.ip_address);
        let Some(port) = known.map(|known| known.port).filter(|port| self.ready.has_lent(port.id)) else {
            return Ok(None);
        };
        if promised.subnet_id == subnet.id && address.is_none_or(|address| address == promised.ip_address) {
            self.ready.hold_too(port.id, promised.ip_address);
            return Ok(Some(promised.ip_address));
        }
        if let Some(address) = address {
            self.make_room(subnet.id, address).await?;
        }
        let mut fixed_ips: Vec<FixedIpRequest> =
            port.fixed_ips.iter().filter(|ip| **ip != promised).copied().map(Into::into).collect();
        fixed_ips.push(FixedIpRequest { subnet_id: Some(subnet.id), ip_address: address });
        let update = PortUpdate { fixed_ips: Some(fixed_ips), ..PortUpdate::default() };
        let port = match self.neutron.update::<Port>(port.id, &update).await {
            Err(error) if error.is_conflict() => return Ok(None),
            port => self.promised(port?),
        };
        self.memory.seen(&port);
        let address = address_on(&port, subnet, address)?;
        self.ready.hold_too(port.id, address);
        Ok(Some(address))
    }
}
