//! Opening a workload's exposed ports by a security group of its own, and closing them again.

use crate::{
    DockerId, EXPOSED_DESCRIPTION, Error, ExposedPort, Opening, Ports, Rollback, exposed_group_name, openings,
};
use kuryr_neutron::{
    NewSecurityGroup, NewSecurityGroupRule, Port, PortUpdate, SecurityGroup, SecurityGroupId, SecurityGroupRule,
};
use kuryr_openstack::Query;
use std::collections::BTreeSet;

impl Ports {
    /// Opens these ports of an endpoint. Asking again adds only what is new. No port, nothing to open.
    pub async fn expose(&self, endpoint: &DockerId, exposed: &[ExposedPort]) -> Result<(), Error> {
        let wanted = openings(exposed);
        if wanted.is_empty() {
            return Ok(());
        }
        // Its groups as they are now: an operator may have changed them.
        let Some(port) = self.current_port_of(endpoint).await? else { return Ok(()) };
        if !port.port_security_enabled {
            // Nothing is closed, and Neutron refuses groups on such a port.
            return Ok(());
        }
        let mut rollback = Rollback::new();
        let result = self.expose_port(&port, wanted, &mut rollback).await;
        self.memory.set_exposed(port.id, if result.is_ok() { Some(true) } else { None });
        if result.is_err() {
            self.memory.forget(port.id);
        }
        rollback.unless_ok(result).await
    }

    async fn expose_port(
        &self,
        port: &Port,
        mut wanted: BTreeSet<Opening>,
        rollback: &mut Rollback,
    ) -> Result<(), Error> {
        let group = match self.exposed_groups(port).await?.into_iter().next() {
            Some(group) => {
                for rule in &group.security_group_rules {
                    if let Some(opening) = Opening::of_rule(rule) {
                        wanted.remove(&opening);
                    }
                }
                group.id
            }
            None => self.create_exposed_group(port, rollback).await?,
        };
        let rules: Vec<NewSecurityGroupRule> = wanted.iter().map(|opening| opening.rule(group)).collect();
        let created = self.neutron.create_many::<SecurityGroupRule>(&rules).await?;
        let neutron = self.neutron.clone();
        rollback.push(format!("delete the new rules of security group {group}"), async move {
            for rule in created {
                neutron.delete_if_exists::<SecurityGroupRule>(rule.id).await?;
            }
            Ok::<_, kuryr_openstack::Error>(())
        });
        if !port.security_groups.contains(&group) {
            let mut groups = vec![group];
            groups.extend(&port.security_groups);
            let set = self.set_groups(port, groups).await;
            if matches!(&set, Err(Error::Cloud(error)) if error.may_have_happened()) {
                // A group that a port has cannot be deleted.
                let (neutron, id, before) = (self.neutron.clone(), port.id, port.security_groups.clone());
                let undo = PortUpdate { security_groups: Some(before), ..PortUpdate::default() };
                rollback.push(format!("restore the security groups of port {id}"), async move {
                    neutron.update::<Port>(id, &undo).await.map(drop)
                });
            }
            set?;
        }
        Ok(())
    }

    async fn create_exposed_group(&self, port: &Port, rollback: &mut Rollback) -> Result<SecurityGroupId, Error> {
        let new = NewSecurityGroup {
            name: exposed_group_name(port.id),
            description: Some(EXPOSED_DESCRIPTION.to_owned()),
            ..NewSecurityGroup::default()
        };
        let group = self.neutron.create::<SecurityGroup>(&new).await?.id;
        let neutron = self.neutron.clone();
        rollback.push(format!("delete security group {group}"), async move {
            neutron.delete_if_exists::<SecurityGroup>(group).await.map(drop)
        });
        Ok(group)
    }

    /// Closes what [`Ports::expose`] opened. Nothing open is done already.
    pub async fn conceal(&self, endpoint: &DockerId) -> Result<(), Error> {
        if self.memory.by_endpoint(endpoint).is_some_and(|known| known.exposed == Some(false)) {
            return Ok(());
        }
        match self.current_port_of(endpoint).await? {
            Some(port) => self.conceal_port(&port).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn conceal_port(&self, port: &Port) -> Result<(), Error> {
        let groups = self.exposed_groups(port).await?;
        let is_exposed = |id: &SecurityGroupId| groups.iter().any(|group| group.id == *id);
        if port.security_groups.iter().any(is_exposed) {
            let left = port.security_groups.iter().copied().filter(|id| !is_exposed(id)).collect();
            self.set_groups(port, left).await?;
        }
        for group in groups {
            self.neutron.delete_if_exists::<SecurityGroup>(group.id).await?;
        }
        self.memory.set_exposed(port.id, Some(false));
        Ok(())
    }

    async fn exposed_groups(&self, port: &Port) -> Result<Vec<SecurityGroup>, Error> {
        Ok(self.neutron.list::<SecurityGroup>(&Query::new().eq("name", exposed_group_name(port.id))).await?)
    }

    async fn set_groups(&self, port: &Port, groups: Vec<SecurityGroupId>) -> Result<(), Error> {
        let update = PortUpdate { security_groups: Some(groups), ..PortUpdate::default() };
        match self.neutron.update::<Port>(port.id, &update).await {
            Ok(now) => {
                self.memory.seen(&now);
                Ok(())
            }
            Err(error) => {
                self.memory.forget(port.id);
                Err(error.into())
            }
        }
    }
}
