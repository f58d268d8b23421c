//! Which Docker network a subnet pool serves. Docker never says it when it asks for an address, and the security groups of a
//! network's ports are its own: only where it is certain does a container get a ready port.

use crate::{Error, Plugin};
use kuryr_neutron::{Network, NetworkId, Port, SecurityGroupId, Subnet, SubnetId, SubnetPoolId};
use kuryr_openstack::Query;
use kuryr_ports::{DockerId, SUBNET_NAME_PREFIX, identities_of, pool_tags};
use std::net::IpAddr;

/// The Docker network that has a pool.
#[derive(Debug)]
pub(crate) struct PoolUser {
    pub(crate) id: DockerId,
    pub(crate) network: Network,
    /// The security groups of its ports; none: Neutron's own choice.
    pub(crate) groups: Vec<SecurityGroupId>,
}

impl Plugin {
    /// The Docker network that has this pool. `None`: that is not known before one of its containers has started. Asks
    /// Neutron once, after a start of this process.
    pub(crate) async fn user_of(&self, pool: SubnetPoolId, subnet: &Subnet) -> Result<Option<PoolUser>, Error> {
        let user = match self.pool_users.get(&pool) {
            Some(user) => user,
            None => match self.handed.user_of(pool) {
                None => self.only_user_of(subnet.network_id).await?,
                user => user,
            },
        };
        let Some(user) = user else { return Ok(None) };
        let network = match self.known_networks.get(&user) {
            Some(network) => network,
            None => match self.ports.network_of(&user).await? {
                Some(network) => network,
                None => return Ok(None),
            },
        };
        if network.id != subnet.network_id {
            return Ok(None);
        }
        self.pool_users.put(pool, Some(user.clone()));
        self.known_networks.put(user.clone(), network.clone());
        let groups = user.security_groups_in(&network.tags);
        Ok(Some(PoolUser { id: user, network, groups }))
    }

    /// The subnet from which containers of this network get an IPv6 address beside the one from this subnet, if they do.
    /// `None`: that is not known before one of them has started. Asks Neutron once, after a start of this process.
    pub(crate) async fn beside(&self, user: &PoolUser, subnet: &Subnet) -> Result<Option<Option<SubnetId>>, Error> {
        if user.network.subnets.as_slice() == [subnet.id] {
            return Ok(Some(None));
        }
        if subnet.cidr.addr().is_ipv6() {
            return Ok(None);
        }
        if let Some(known) = self.known_beside.get(&user.id) {
            return Ok(Some(known));
        }
        if self.only_user(&user.network).await?.as_ref() != Some(&user.id) {
            return Ok(None);
        }
        let mut subnets: Vec<Subnet> =
            self.ports.neutron().list(&Query::new().eq("network_id", user.network.id)).await?;
        // Others on the network are of no concern to Docker.
        let is_dockers = |it: &Subnet| it.name.starts_with(SUBNET_NAME_PREFIX) || pool_tags(&it.tags).next().is_some();
        subnets.retain(|it| it.cidr.addr().is_ipv6() && is_dockers(it));
        let beside = match subnets.as_slice() {
            [] => None,
            [only] => Some(only.id),
            _ => return Ok(None),
        };
        self.known_beside.put(user.id.clone(), beside);
        Ok(Some(beside))
    }

    /// An endpoint of a Docker network has these addresses of a port: so have the next ones.
    pub(crate) fn learn_beside(&self, user: &DockerId, port: &Port, addresses: &[IpAddr]) {
        if addresses.iter().any(IpAddr::is_ipv4) {
            let six = port.fixed_ips.iter().find(|ip| ip.ip_address.is_ipv6() && addresses.contains(&ip.ip_address));
            self.known_beside.put(user.clone(), six.map(|ip| ip.subnet_id));
        }
    }

    async fn only_user_of(&self, id: NetworkId) -> Result<Option<DockerId>, Error> {
        match self.ports.neutron().find::<Network>(id).await? {
            Some(network) => self.only_user(&network).await,
            None => Ok(None),
        }
    }

    async fn only_user(&self, network: &Network) -> Result<Option<DockerId>, Error> {
        if !self.ports.tagging().await?.identity {
            return Ok(network.name.parse().ok());
        }
        let mut users = identities_of(&network.tags);
        // Two share a half, or more: which are there is not certain.
        let is_one = network.tags.iter().filter(|tag| kuryr_ports::is_identity_tag(tag)).count() == 2;
        Ok(users.pop().filter(|_| is_one && users.is_empty()))
    }

    /// What is taken for certain about an address is looked at again when its endpoint comes.
    pub(crate) fn assume(&self, network: NetworkId, address: IpAddr, assumed: Assumed) {
        self.assumed.put((network, address), assumed);
    }

    /// An endpoint of a Docker network has these addresses. True if their port got groups that this network does not have.
    pub(crate) fn learn_user(&self, user: &DockerId, network: &Network, addresses: &[IpAddr]) -> bool {
        let groups = user.security_groups_in(&network.tags);
        let mut is_wrong = false;
        for address in addresses {
            let Some(assumed) = self.assumed.get(&(network.id, *address)) else { continue };
            self.assumed.forget(&(network.id, *address));
            let known = self.pool_users.get(&assumed.pool);
            // A pool that Kuryr did not make may serve several Docker networks.
            let is_only = known.is_none_or(|known| known.as_ref() == Some(user));
            self.pool_users.put(assumed.pool, is_only.then(|| user.clone()));
            is_wrong |= groups.is_empty() && !assumed.groups.is_empty();
        }
        is_wrong
    }
}

/// What was taken for certain when an address was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Assumed {
    /// Where the address is from.
    pub(crate) pool: SubnetPoolId,
    /// The security groups of its network's ports.
    pub(crate) groups: Vec<SecurityGroupId>,
}
