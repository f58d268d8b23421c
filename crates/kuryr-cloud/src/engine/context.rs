//! Who asks, and what they may see.

use crate::engine::{
    ForwardingRecord, NetworkRecord, State,
    qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
};
use kuryr_neutron::{
    AddressGroup, BandwidthLimitRule, DefaultRule, DscpMarkingRule, FloatingIp, Network, NetworkId, Port,
    PortForwarding, ProjectId, QosPolicy, QosPolicyId, RbacAction, RbacPolicy, Router, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, Shareable, Subnet, SubnetPool, Trunk,
};

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The project of the token.
    pub project_id: ProjectId,
    /// The user of the token.
    pub user_id: String,
    /// May see and change everything.
    pub is_admin: bool,
    /// May look at what its project has, and change nothing.
    pub read_only: bool,
    /// Of the request, for logs.
    pub request_id: String,
}

impl Context {
    /// What this project has is the asker's too, to look at.
    pub fn owns(&self, project: &ProjectId) -> bool {
        self.is_admin || self.project_id == *project
    }

    /// May do anything in this project's name.
    pub fn may_change(&self, project: &ProjectId) -> bool {
        self.is_admin || (self.project_id == *project && !self.read_only)
    }
}

/// What can be hidden from other projects.
pub trait Visible {
    /// True when the asker may know of it.
    fn is_visible(&self, state: &State, context: &Context) -> bool;
}

/// True when the asker may know of the resource; what is not visible is answered like what does not exist.
pub fn visible<R: Visible>(state: &State, context: &Context, resource: &R) -> bool {
    resource.is_visible(state, context)
}

fn owns_network(state: &State, context: &Context, id: NetworkId) -> bool {
    state.networks.get(&id).is_some_and(|n| context.owns(&n.network.project_id))
}

fn owns_group(state: &State, context: &Context, id: SecurityGroupId) -> bool {
    state.security_groups.get(&id).is_some_and(|g| context.owns(&g.project_id))
}

impl Visible for Network {
    /// Shared networks are to be used by those with whom they are shared, external ones by their routers.
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        let allows = |action| state.is_allowed(Shareable::Network(self.id), action, &context.project_id);
        context.owns(&self.project_id) || allows(RbacAction::AccessAsShared) || allows(RbacAction::AccessAsExternal)
    }
}

impl Visible for NetworkRecord {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        self.network.is_visible(state, context)
    }
}

impl Visible for Subnet {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
            || state.networks.get(&self.network_id).is_some_and(|network| network.is_visible(state, context))
    }
}

impl Visible for SubnetPool {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || state.is_shared_with(Shareable::SubnetPool(self.id), &context.project_id)
    }
}

impl Visible for Port {
    /// The owner of a network sees all its ports.
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || owns_network(state, context, self.network_id)
    }
}

impl Visible for SecurityGroup {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || state.is_shared_with(Shareable::SecurityGroup(self.id), &context.project_id)
    }
}

impl Visible for SecurityGroupRule {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || owns_group(state, context, self.security_group_id)
    }
}

impl Visible for Router {
    fn is_visible(&self, _: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
    }
}

impl Visible for Trunk {
    fn is_visible(&self, _: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
    }
}

impl Visible for FloatingIp {
    fn is_visible(&self, _: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
    }
}

impl Visible for ForwardingRecord {
    fn is_visible(&self, _: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
    }
}

impl Visible for PortForwarding {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        state.port_forwardings.get(&self.id).is_some_and(|record| record.is_visible(state, context))
    }
}

impl Visible for AddressGroup {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || state.is_shared_with(Shareable::AddressGroup(self.id), &context.project_id)
    }
}

impl Visible for QosPolicy {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        context.owns(&self.project_id) || state.is_shared_with(Shareable::QosPolicy(self.id), &context.project_id)
    }
}

/// With whom a policy is shared, sees its rules in it and not one by one.
fn owns_qos_policy(state: &State, context: &Context, id: QosPolicyId) -> bool {
    state.qos_policies.get(&id).is_some_and(|policy| context.owns(&policy.project_id))
}

impl Visible for BandwidthLimitRecord {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        owns_qos_policy(state, context, self.qos_policy_id)
    }
}

impl Visible for DscpMarkingRecord {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        owns_qos_policy(state, context, self.qos_policy_id)
    }
}

impl Visible for BandwidthLimitRule {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        state.bandwidth_limits.get(&self.id).is_some_and(|record| record.is_visible(state, context))
    }
}

impl Visible for DscpMarkingRule {
    fn is_visible(&self, state: &State, context: &Context) -> bool {
        state.dscp_markings.get(&self.id).is_some_and(|record| record.is_visible(state, context))
    }
}

impl Visible for RbacPolicy {
    /// Who gains by it is told by what it gives.
    fn is_visible(&self, _: &State, context: &Context) -> bool {
        context.owns(&self.project_id)
    }
}

impl Visible for DefaultRule {
    fn is_visible(&self, _: &State, _: &Context) -> bool {
        true
    }
}
