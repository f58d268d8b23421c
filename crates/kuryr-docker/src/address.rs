//! Addresses: `RequestAddress` and `ReleaseAddress`.

use crate::{
    Plugin,
    answer::Error,
    pool_user::{Assumed, PoolUser},
    request::ipam::{Purpose, ReleaseAddress, RequestAddress},
};
use axum::body::Bytes;
use ipnet::IpNet;
use kuryr_neutron::{SecurityGroupId, Subnet, SubnetId, SubnetPool, SubnetPoolId};
use kuryr_openstack::if_there;
use kuryr_ports::Wanted;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Plugin {
    pub(crate) async fn request_address(self, body: Bytes) -> Result<Value, Error> {
        let request = RequestAddress::read(&body)?;
        self.keep_known();
        let known = match request.purpose {
            Purpose::Endpoint(_) => self.known_subnets.get(&request.pool),
            Purpose::Reservation if self.is_for_endpoint(&request) => self.known_subnets.get(&request.pool),
            Purpose::Gateway | Purpose::Reservation => None,
        };
        if let Some(subnet) = known {
            match self.answer_address(&request, Some(subnet.clone())).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    // Perhaps only because the subnet is not what it was.
                    self.known_subnets.forget(&request.pool);
                    let now = self.subnet_for(request.pool, request.address).await?;
                    return if now.as_ref() == Some(&subnet) {
                        Err(error)
                    } else {
                        self.answer_address(&request, now).await
                    };
                }
            }
        }
        let subnet = self.subnet_for(request.pool, request.address).await?;
        self.answer_address(&request, subnet).await
    }

    async fn answer_address(&self, request: &RequestAddress, subnet: Option<Subnet>) -> Result<Value, Error> {
        if let (Some(subnet), Some(address), true) = (&subnet, request.address, self.is_for_endpoint(request)) {
            within(address, subnet.cidr)?;
            if subnet.gateway_ip == Some(address) {
                return Err(Error::refused(format!("Address {address} is the gateway of subnet {}", subnet.id)));
            }
        }
        let address = match (request.purpose, subnet) {
            (Purpose::Gateway, Some(subnet)) => gateway_of(&subnet, request.address)?,
            (Purpose::Gateway, None) => self.future_gateway(request.pool, request.address).await?,
            (Purpose::Endpoint(mac), Some(subnet)) => {
                let _mac = self.macs.lock(mac).await;
                let reserved = match request.address {
                    // A Swarm's manager has given it to a task of this host.
                    Some(address) if !self.is_local() => self.ports.take_over(&subnet, address, mac).await?,
                    _ => None,
                };
                let address = match reserved {
                    Some(address) => address,
                    None => self.ports.acquire(&subnet, request.address, mac).await?,
                };
                within(address, subnet.cidr)?
            }
            (Purpose::Reservation, Some(subnet)) if self.is_for_endpoint(request) => {
                within(self.acquire(request, &subnet).await?, subnet.cidr)?
            }
            (Purpose::Reservation, Some(subnet)) => match request.address {
                Some(address) if Some(address) == subnet.gateway_ip => within(address, subnet.cidr)?,
                address => within(self.ports.reserve(&subnet, address).await?, subnet.cidr)?,
            },
            // The subnet is yet to come; creating the network reserves auxiliary addresses.
            (Purpose::Reservation, None) if request.address.is_some() && self.reservations.holds(request.pool) => {
                self.future_gateway(request.pool, request.address).await?
            }
            (Purpose::Endpoint(_) | Purpose::Reservation, None) => {
                return Err(Error::refused(format!("Subnet with pool {} does not exist.", request.pool)));
            }
        };
        if request.purpose == Purpose::Gateway {
            self.handed.gateway(request.pool, address.addr());
        }
        Ok(json!({"Address": address}))
    }

    /// An address for a container whose MAC is not known.
    async fn acquire(&self, request: &RequestAddress, subnet: &Subnet) -> Result<IpAddr, Error> {
        let (address, groups) = match self.user_of(request.pool, subnet).await? {
            Some(user) => self.acquire_for(&user, subnet, request.address).await?,
            None => (self.ports.acquire_new(subnet, request.address, &[]).await?, Vec::new()),
        };
        self.assume(subnet.network_id, address, Assumed { pool: request.pool, groups });
        Ok(address)
    }

    /// An address for a container of this Docker network, and the security groups that its port got for it.
    async fn acquire_for(
        &self,
        user: &PoolUser,
        subnet: &Subnet,
        address: Option<IpAddr>,
    ) -> Result<(IpAddr, Vec<SecurityGroupId>), Error> {
        let PoolUser { id, groups, .. } = user;
        // Docker asks for the addresses of both IP versions one by one, the IPv4 one first.
        if subnet.cidr.addr().is_ipv6()
            && let Some(address) = self.ports.acquire_beside(id, subnet, address).await?
        {
            return Ok((address, groups.clone()));
        }
        match self.beside(user, subnet).await? {
            Some(beside) => {
                let wanted = Wanted { network: id, subnet, address, beside, groups };
                let acquired = self.ports.acquire_ready(&wanted).await;
                if let Err(kuryr_ports::Error::Cloud(error)) = &acquired
                    && matches!(error.status(), Some(400 | 404))
                {
                    // Perhaps because the other subnet is not what it was.
                    self.known_beside.forget(id);
                }
                Ok((acquired?, groups.clone()))
            }
            // It is joined with the one of the other version when the endpoint comes.
            None if subnet.cidr.addr().is_ipv6() => {
                Ok((self.ports.acquire_new(subnet, address, &[]).await?, Vec::new()))
            }
            None => Ok((self.ports.acquire_new(subnet, address, groups).await?, groups.clone())),
        }
    }

    /// True when a container wants the address. Where ports are kept ready Docker says no MAC, and what it does not ask
    /// while it makes the network is for a container.
    fn is_for_endpoint(&self, request: &RequestAddress) -> bool {
        match request.purpose {
            Purpose::Endpoint(_) => true,
            Purpose::Reservation => self.ports.keeps_ready() && !self.reservations.holds(request.pool),
            Purpose::Gateway => false,
        }
    }

    /// The one subnet that Docker means by a pool, and by an address if it has one already.
    async fn subnet_for(&self, pool: SubnetPoolId, address: Option<IpAddr>) -> Result<Option<Subnet>, Error> {
        let mut subnets = self.subnets_of(pool).await?;
        if let [only] = subnets.as_slice() {
            self.known_subnets.put(pool, only.clone());
        }
        if let Some(address) = address
            && subnets.len() > 1
        {
            subnets.retain(|subnet| subnet.cidr.contains(&address));
        }
        if subnets.len() > 1 {
            let texts: Vec<String> = subnets.iter().map(|s| format!("{} ({})", s.id, s.cidr)).collect();
            return Err(Error::refused(format!(
                "Subnet pool {pool} serves several subnets, {}, and Docker does not say which it means: create the Docker \
                 networks again, each will get a pool of its own",
                texts.join(" and ")
            )));
        }
        Ok(subnets.pop())
    }

    /// The subnets of a pool: served by it, or chosen by the user when the pool was requested.
    pub(crate) async fn subnets_of(&self, pool: SubnetPoolId) -> Result<Vec<Subnet>, Error> {
        let unserved = self.reservations.is_unserved(pool);
        let mut subnets = if unserved { Vec::new() } else { self.subnets_served(pool).await? };
        if subnets.is_empty()
            && let Some(chosen) = self.reservations.subnet_of(pool)
        {
            subnets.extend(self.ports.neutron().find::<Subnet>(chosen).await?);
        }
        if unserved {
            return Ok(subnets);
        }
        if subnets.is_empty()
            && self.ports.tagging().await?.resources
            && let Some(pool) = self.ports.neutron().find::<SubnetPool>(pool).await?
        {
            for tag in &pool.tags {
                if let Ok(id) = tag.as_str().parse::<SubnetId>() {
                    subnets.extend(self.ports.neutron().find::<Subnet>(id).await?);
                }
            }
        }
        Ok(subnets)
    }

    /// The gateway of a subnet that will be created: the wanted address, or the first usable one.
    async fn future_gateway(&self, pool: SubnetPoolId, wanted: Option<IpAddr>) -> Result<IpNet, Error> {
        let range = match self.reservations.range_of(pool) {
            Some(range) => range,
            None => {
                let missing = || Error::refused(format!("No subnetpools with {{'id': '{pool}'}} is found."));
                let pool = self.ports.neutron().find::<SubnetPool>(pool).await?.ok_or_else(missing)?;
                *pool.prefixes.first().ok_or_else(missing)?
            }
        };
        let first = || range.hosts().find(|address| range.prefix_len() >= 127 || *address != range.network());
        let address = wanted.or_else(first).unwrap_or(range.addr());
        within(address, range)
    }

    pub(crate) async fn release_address(self, body: Bytes) -> Result<Value, Error> {
        let request = ReleaseAddress::read(&body)?;
        if self.handed.is_gateway(request.pool, request.address) {
            return Ok(json!({}));
        }
        self.done_or_left(if_there(self.release_port(&request)).await)?;
        Ok(json!({}))
    }

    async fn release_port(&self, request: &ReleaseAddress) -> Result<(), Error> {
        let known = self.known_subnets.get(&request.pool);
        let subnets = match known {
            Some(subnet) => vec![subnet],
            None => self.subnets_of(request.pool).await?,
        };
        for subnet in subnets {
            if subnet.cidr.contains(&request.address) {
                self.ports.release(&subnet, request.address).await?;
            }
        }
        Ok(())
    }
}

/// The answer to a gateway request on a subnet that is there.
fn gateway_of(subnet: &Subnet, wanted: Option<IpAddr>) -> Result<IpNet, Error> {
    match (wanted, subnet.gateway_ip) {
        (None, Some(gateway)) => within(gateway, subnet.cidr),
        // Docker takes no empty answer; this one says "none".
        (None, None) => Ok(match subnet.cidr {
            IpNet::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
            IpNet::V6(_) => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
        }),
        (Some(wanted), Some(gateway)) if wanted == gateway => within(gateway, subnet.cidr),
        (Some(wanted), gateway) => {
            let gateway = gateway.map_or_else(|| "None".to_owned(), |g| g.to_string());
            Err(Error::refused(format!(
                "Requested gateway {wanted} does not match with gateway {gateway} in existed network."
            )))
        }
    }
}

/// An address with the prefix length of its range, in which it must be.
pub(crate) fn within(address: IpAddr, range: IpNet) -> Result<IpNet, Error> {
    if !range.contains(&address) {
        return Err(Error::refused(format!("Address {address} is not in the range {range}")));
    }
    IpNet::new(address, range.prefix_len()).map_err(|e| Error::refused(format!("{address}: {e}")))
}
