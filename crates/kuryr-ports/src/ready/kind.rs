//! Ready ports that are alike: a container may get any of them.

use crate::{Error, Ports};
use kuryr_neutron::{
    DnsName, FixedIpRequest, Network, NetworkId, Port, ProjectId, SecurityGroup, SecurityGroupId, SubnetId,
};
use kuryr_openstack::Query;
use std::collections::HashMap;

/// What ready ports have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    /// Where their addresses are from; their IPv4 ones, if they have both.
    pub(crate) subnet: SubnetId,
    /// Where their IPv6 addresses are from, if they have both.
    pub(crate) beside: Option<SubnetId>,
    /// Their security groups, sorted; none: those that Neutron gives by itself.
    pub(crate) groups: Vec<SecurityGroupId>,
}

impl Kind {
    pub(crate) fn new(subnet: SubnetId, beside: Option<SubnetId>, groups: &[SecurityGroupId]) -> Self {
        let mut groups = groups.to_vec();
        groups.sort();
        groups.dedup();
        Self { subnet, beside, groups }
    }

    /// The kind of a port with these groups, by its addresses; `None`: no ready port has such ones.
    pub(super) fn of(port: &Port, groups: &[SecurityGroupId]) -> Option<Self> {
        match port.fixed_ips.as_slice() {
            [only] => Some(Self::new(only.subnet_id, None, groups)),
            [one, other] => {
                let (four, six) = if one.ip_address.is_ipv4() { (one, other) } else { (other, one) };
                let is_pair = four.ip_address.is_ipv4() && six.ip_address.is_ipv6();
                is_pair.then(|| Self::new(four.subnet_id, Some(six.subnet_id), groups))
            }
            _ => None,
        }
    }

    /// The addresses of a new one.
    pub(super) fn fixed_ips(&self) -> Vec<FixedIpRequest> {
        let any = |subnet| FixedIpRequest { subnet_id: Some(subnet), ip_address: None };
        std::iter::once(self.subnet).chain(self.beside).map(any).collect()
    }
}

/// What Neutron gives a port by itself, as far as it was asked.
#[derive(Debug, Default)]
pub(crate) struct Givens {
    secured: HashMap<NetworkId, bool>,
    default_groups: HashMap<ProjectId, Option<SecurityGroupId>>,
}

impl Ports {
    /// The kind of a port that an earlier process made; `None`: somebody changed it, and no container may get it.
    pub(super) async fn kind_of(&self, port: &Port, givens: &mut Givens) -> Result<Option<Kind>, Error> {
        let is_named = port.dns_name.as_ref().is_some_and(|name| *name != DnsName::none());
        let is_changed = !port.admin_state_up
            || port.qos_policy_id.is_some()
            || is_named
            || !port.allowed_address_pairs.is_empty()
            || port.port_security_enabled != self.is_secured(port.network_id, givens).await?;
        if is_changed {
            return Ok(None);
        }
        if !port.port_security_enabled {
            return Ok(Kind::of(port, &[]).filter(|_| port.security_groups.is_empty()));
        }
        let plain = self.default_group_of(&port.project_id, givens).await?;
        Ok(match port.security_groups.as_slice() {
            [] if plain.is_some() => None,
            groups if groups.iter().copied().eq(plain) => Kind::of(port, &[]),
            groups => Kind::of(port, groups),
        })
    }

    async fn is_secured(&self, network: NetworkId, givens: &mut Givens) -> Result<bool, Error> {
        if let Some(known) = givens.secured.get(&network) {
            return Ok(*known);
        }
        let secured = self.neutron.find::<Network>(network).await?.is_none_or(|network| network.port_security_enabled);
        givens.secured.insert(network, secured);
        Ok(secured)
    }

    /// The group of a project's ports that name none; none without the extension.
    async fn default_group_of(
        &self,
        project: &ProjectId,
        givens: &mut Givens,
    ) -> Result<Option<SecurityGroupId>, Error> {
        if let Some(known) = givens.default_groups.get(project) {
            return Ok(*known);
        }
        let query = Query::new().eq("name", "default").eq("project_id", project);
        let found = match self.neutron.list::<SecurityGroup>(&query).await {
            Err(error) if error.is_not_found() => None,
            groups => groups?.first().map(|group| group.id),
        };
        givens.default_groups.insert(project.clone(), found);
        Ok(found)
    }
}
