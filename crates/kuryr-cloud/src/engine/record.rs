//! The kinds of rows a state is made of, and changes of them.

use crate::engine::{
    AddressGiven, ForwardingRecord, NetworkRecord, State,
    qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
    quota::{Quota, QuotaId},
};
use kuryr_neutron::{
    AddressGroup, AddressGroupId, DefaultRule, DefaultRuleId, FloatingIp, FloatingIpId, NetworkId, Port,
    PortForwardingId, PortId, QosPolicy, QosPolicyId, QosRuleId, RbacPolicy, RbacPolicyId, Router, RouterId,
    SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId, Subnet, SubnetId, SubnetPool, SubnetPoolId,
    Trunk, TrunkId,
};
use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    sync::Arc,
};

/// A kind of row.
pub trait Record: Debug + Clone + PartialEq + Sized + Send + Sync + 'static {
    /// Its key.
    type Id: Copy + Ord + Debug + Display;
    /// Its key.
    fn key(&self) -> Self::Id;
    /// The table of this kind.
    fn table(state: &State) -> &BTreeMap<Self::Id, Arc<Self>>;
    /// The table of this kind, to be changed by [`State::apply`] alone.
    #[doc(hidden)]
    fn table_mut(state: &mut State) -> &mut BTreeMap<Self::Id, Arc<Self>>;
    /// The change that puts or removes one.
    fn change(id: Self::Id, row: Option<Arc<Self>>) -> Change;
}

macro_rules! records {
    ($($variant:ident($type:ty, $id:ty, $table:ident, $($key:tt).+);)+) => {
        /// One row put in place of what was there, or removed (`None`).
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Change {
            $($variant($id, Option<Arc<$type>>),)+
        }

        $(impl Record for $type {
            type Id = $id;
            fn key(&self) -> $id {
                self.$($key).+
            }
            fn table(state: &State) -> &BTreeMap<$id, Arc<Self>> {
                &state.$table
            }
            fn table_mut(state: &mut State) -> &mut BTreeMap<$id, Arc<Self>> {
                &mut state.$table
            }
            fn change(id: $id, row: Option<Arc<Self>>) -> Change {
                Change::$variant(id, row)
            }
        })+
    };
}

records! {
    Network(NetworkRecord, NetworkId, networks, network.id);
    Subnet(Subnet, SubnetId, subnets, id);
    AddressGiven(AddressGiven, SubnetId, addresses_given, subnet_id);
    SubnetPool(SubnetPool, SubnetPoolId, subnetpools, id);
    Port(Port, PortId, ports, id);
    SecurityGroup(SecurityGroup, SecurityGroupId, security_groups, id);
    SecurityGroupRule(SecurityGroupRule, SecurityGroupRuleId, security_group_rules, id);
    Router(Router, RouterId, routers, id);
    Trunk(Trunk, TrunkId, trunks, id);
    AddressGroup(AddressGroup, AddressGroupId, address_groups, id);
    DefaultRule(DefaultRule, DefaultRuleId, default_rules, id);
    FloatingIp(FloatingIp, FloatingIpId, floating_ips, id);
    PortForwarding(ForwardingRecord, PortForwardingId, port_forwardings, forwarding.id);
    Quota(Quota, QuotaId, quotas, id);
    RbacPolicy(RbacPolicy, RbacPolicyId, rbac_policies, id);
    QosPolicy(QosPolicy, QosPolicyId, qos_policies, id);
    BandwidthLimit(BandwidthLimitRecord, QosRuleId, bandwidth_limits, rule.id);
    DscpMarking(DscpMarkingRecord, QosRuleId, dscp_markings, rule.id);
}
