//! Changes of a state, with which its indexes go, and the rows it is made of.

use super::State;
use crate::{
    engine::{
        Change,
        index::move_pair,
        qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
        quota::Counted,
        row::Row,
    },
    store::Rows,
};
use kuryr_neutron::ProjectId;
use std::{collections::BTreeMap, sync::Arc};

impl State {
    /// Makes one change, and keeps the indexes right.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Network(id, row) => {
                let old = replace(&mut self.networks, *id, row);
                self.index.network(old.as_deref(), row.as_deref());
                self.index.count(Counted::Network, owner(&old), owner(row));
            }
            Change::Subnet(id, row) => {
                let old = replace(&mut self.subnets, *id, row);
                self.index.subnet(old.as_deref(), row.as_deref());
                self.index.count(Counted::Subnet, owner(&old), owner(row));
            }
            Change::AddressGiven(id, row) => {
                replace(&mut self.addresses_given, *id, row);
            }
            Change::SubnetPool(id, row) => {
                let old = replace(&mut self.subnetpools, *id, row);
                self.index.count(Counted::SubnetPool, owner(&old), owner(row));
            }
            Change::Port(id, row) => {
                let old = replace(&mut self.ports, *id, row);
                self.index.port(old.as_deref(), row.as_deref());
                self.index.count(Counted::Port, owner(&old), owner(row));
            }
            Change::SecurityGroup(id, row) => {
                let old = replace(&mut self.security_groups, *id, row);
                self.index.group(old.as_deref(), row.as_deref());
                self.index.count(Counted::SecurityGroup, owner(&old), owner(row));
            }
            Change::SecurityGroupRule(id, row) => {
                let old = replace(&mut self.security_group_rules, *id, row);
                self.index.rule(old.as_deref(), row.as_deref());
                self.index.count(Counted::SecurityGroupRule, owner(&old), owner(row));
            }
            Change::Router(id, row) => {
                let old = replace(&mut self.routers, *id, row);
                self.index.count(Counted::Router, owner(&old), owner(row));
            }
            Change::Trunk(id, row) => {
                let old = replace(&mut self.trunks, *id, row);
                self.index.trunk(old.as_deref(), row.as_deref());
                self.index.count(Counted::Trunk, owner(&old), owner(row));
            }
            Change::RbacPolicy(id, row) => {
                let old = replace(&mut self.rbac_policies, *id, row);
                self.index.rbac_policy(old.as_deref(), row.as_deref());
                self.index.count(
                    Counted::RbacPolicy,
                    old.as_deref().map(|policy| &policy.project_id),
                    row.as_deref().map(|policy| &policy.project_id),
                );
            }
            Change::QosPolicy(id, row) => {
                let old = replace(&mut self.qos_policies, *id, row);
                self.index.qos_policy(old.as_deref(), row.as_deref());
            }
            Change::BandwidthLimit(id, row) => {
                let old = replace(&mut self.bandwidth_limits, *id, row);
                let pair = |record: &BandwidthLimitRecord| (record.qos_policy_id, record.rule.id);
                move_pair(&mut self.index.qos_limits, old.as_deref().map(pair), row.as_deref().map(pair));
            }
            Change::DscpMarking(id, row) => {
                let old = replace(&mut self.dscp_markings, *id, row);
                let pair = |record: &DscpMarkingRecord| (record.qos_policy_id, record.rule.id);
                move_pair(&mut self.index.qos_markings, old.as_deref().map(pair), row.as_deref().map(pair));
            }
            Change::Quota(id, row) => {
                replace(&mut self.quotas, *id, row);
            }
            Change::AddressGroup(id, row) => {
                replace(&mut self.address_groups, *id, row);
            }
            Change::DefaultRule(id, row) => {
                replace(&mut self.default_rules, *id, row);
            }
            Change::FloatingIp(id, row) => {
                let old = replace(&mut self.floating_ips, *id, row);
                self.index.floating_ip(old.as_deref(), row.as_deref());
                self.index.count(Counted::FloatingIp, owner(&old), owner(row));
            }
            Change::PortForwarding(id, row) => {
                let old = replace(&mut self.port_forwardings, *id, row);
                self.index.forwarding(old.as_deref(), row.as_deref());
            }
        }
    }

    /// The rows this state is made of.
    pub fn to_rows(&self) -> Rows {
        fn all<K, T: Clone>(table: &BTreeMap<K, Arc<T>>) -> Vec<T> {
            table.values().map(|row| T::clone(row)).collect()
        }
        Rows {
            networks: all(&self.networks),
            subnets: all(&self.subnets),
            addresses_given: all(&self.addresses_given),
            subnetpools: all(&self.subnetpools),
            ports: all(&self.ports),
            security_groups: all(&self.security_groups),
            security_group_rules: all(&self.security_group_rules),
            routers: all(&self.routers),
            trunks: all(&self.trunks),
            default_rules: all(&self.default_rules),
            address_groups: all(&self.address_groups),
            floating_ips: all(&self.floating_ips),
            port_forwardings: all(&self.port_forwardings),
            qos_policies: all(&self.qos_policies),
            bandwidth_limits: all(&self.bandwidth_limits),
            dscp_markings: all(&self.dscp_markings),
            quotas: all(&self.quotas),
            rbac_policies: all(&self.rbac_policies),
        }
    }
}

fn replace<K: Ord, T>(table: &mut BTreeMap<K, Arc<T>>, id: K, row: &Option<Arc<T>>) -> Option<Arc<T>> {
    match row {
        Some(row) => table.insert(id, Arc::clone(row)),
        None => table.remove(&id),
    }
}

fn owner<R: Row>(row: &Option<Arc<R>>) -> Option<&ProjectId> {
    row.as_deref().map(Row::project)
}
