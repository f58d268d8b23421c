//! QoS policies: who makes them, who may use them, and that nobody loses one in use.

use super::{admin, invariants::some, new_network, on, refused, txn, user};
use crate::engine::{Context, NetworkRecord, State, Txn, network, port, qos, qos_rule, rbac, row};
use kuryr_neutron::{
    BandwidthLimitRuleUpdate, Direction, Fault, NetworkUpdate, NewBandwidthLimitRule, NewDscpMarkingRule, NewNetwork,
    NewPort, NewQosPolicy, NewRbacPolicy, PortUpdate, ProjectId, QosPolicy, QosPolicyId, QosPolicyUpdate, RbacAction,
    RbacTarget, Shareable,
};
use proptest::{prelude::*, sample::Index};

fn policy(txn: &mut Txn, new: NewQosPolicy) -> QosPolicyId {
    qos::create(txn, &admin(), new).unwrap().id
}

fn limit(policy: QosPolicyId, direction: Option<Direction>) -> NewBandwidthLimitRule {
    NewBandwidthLimitRule { qos_policy_id: Some(policy), max_kbps: 1000, max_burst_kbps: None, direction }
}

fn of_network(wanted: Option<QosPolicyId>) -> NetworkUpdate {
    NetworkUpdate { qos_policy_id: Some(wanted), ..NetworkUpdate::default() }
}

fn revision(txn: &Txn, id: QosPolicyId) -> u64 {
    row::find::<QosPolicy>(txn, &admin(), id).unwrap().revision_number
}

#[test]
fn only_operators_make_policies_and_rules() {
    let (mut txn, guest) = (txn(), user("guest"));
    refused(qos::create(&mut txn, &guest, NewQosPolicy::default()), "PolicyNotAuthorized", 403);
    let own = policy(&mut txn, NewQosPolicy { project_id: Some(guest.project_id.clone()), ..NewQosPolicy::default() });
    let other = policy(&mut txn, NewQosPolicy::default());
    let rename = || QosPolicyUpdate { name: Some("x".to_owned()), ..QosPolicyUpdate::default() };
    refused(qos::update(&mut txn, &guest, own, rename(), None), "PolicyNotAuthorized", 403);
    refused(qos::update(&mut txn, &guest, other, rename(), None), "QosPolicyNotFound", 404);
    refused(qos::update(&mut txn, &admin(), own, rename(), Some(9)), "RevisionNumberConstraintFailed", 412);
    refused(qos_rule::create_limit(&mut txn, &guest, limit(own, None)), "PolicyNotAuthorized", 403);
    let rule = qos_rule::create_limit(&mut txn, &admin(), limit(own, None)).unwrap().id;
    refused(qos_rule::delete_limit(&mut txn, &guest, rule), "PolicyNotAuthorized", 403);
    refused(qos::delete(&mut txn, &guest, own), "PolicyNotAuthorized", 403);
    qos::delete(&mut txn, &admin(), own).unwrap();
    assert!(txn.bandwidth_limits.is_empty(), "rules go with their policy");
    txn.assert_sound();
}

#[test]
fn a_policy_has_one_limit_for_each_direction_and_its_revision_tells_of_them() {
    let mut txn = txn();
    let id = policy(&mut txn, NewQosPolicy::default());
    let egress = qos_rule::create_limit(&mut txn, &admin(), limit(id, None)).unwrap();
    refused(qos_rule::create_limit(&mut txn, &admin(), limit(id, Some(Direction::Egress))), "QoSRulesConflict", 409);
    let ingress = qos_rule::create_limit(&mut txn, &admin(), limit(id, Some(Direction::Ingress))).unwrap();
    let turned = BandwidthLimitRuleUpdate { direction: Some(Direction::Egress), ..BandwidthLimitRuleUpdate::default() };
    refused(qos_rule::update_limit(&mut txn, &admin(), ingress.id, turned.clone()), "QoSRulesConflict", 409);
    assert_eq!(revision(&txn, id), 2);
    qos_rule::update_limit(&mut txn, &admin(), egress.id, turned).unwrap();
    assert_eq!(revision(&txn, id), 2, "nothing has changed");
    let mark = NewDscpMarkingRule { qos_policy_id: Some(id), dscp_mark: 8 };
    qos_rule::create_marking(&mut txn, &admin(), mark.clone()).unwrap();
    refused(qos_rule::create_marking(&mut txn, &admin(), mark), "QoSRulesConflict", 409);
    assert_eq!(revision(&txn, id), 3);
    let shown = qos::shown(&txn, &admin(), &txn.qos_policies[&id]);
    assert_eq!(shown.rules.len(), 3);
}

#[test]
fn new_networks_have_their_projects_default_policy() {
    let mut txn = txn();
    let default = || NewQosPolicy { is_default: Some(true), ..NewQosPolicy::default() };
    let id = policy(&mut txn, default());
    refused(qos::create(&mut txn, &admin(), default()), "QoSPolicyDefaultAlreadyExists", 409);
    assert_eq!(new_network(&mut txn).qos_policy_id, Some(id));
    let elsewhere = network::create(&mut txn, &user("guest"), NewNetwork::default()).unwrap();
    assert_eq!(elsewhere.qos_policy_id, None);
    let plain = QosPolicyUpdate { is_default: Some(false), ..QosPolicyUpdate::default() };
    qos::update(&mut txn, &admin(), id, plain, None).unwrap();
    assert_eq!(new_network(&mut txn).qos_policy_id, None);
    policy(&mut txn, default());
}

#[test]
fn a_policy_in_use_stays_and_stays_shared() {
    let (mut txn, guest) = (txn(), user("guest"));
    let id = policy(&mut txn, NewQosPolicy::default());
    let network = network::create(&mut txn, &guest, NewNetwork::default()).unwrap().id;
    let unseen = NewPort { qos_policy_id: Some(id), ..on(network) };
    refused(port::create(&mut txn, &guest, unseen), "QosPolicyNotFound", 404);
    refused(network::update(&mut txn, &guest, network, of_network(Some(id)), None), "QosPolicyNotFound", 404);
    let sharing = NewRbacPolicy {
        project_id: None,
        object: Shareable::QosPolicy(id),
        action: RbacAction::AccessAsShared,
        target_tenant: RbacTarget::Project(ProjectId("guest".to_owned())),
    };
    let sharing = rbac::create(&mut txn, &admin(), sharing).unwrap().id;
    network::update(&mut txn, &guest, network, of_network(Some(id)), None).unwrap();
    refused(rbac::delete(&mut txn, &admin(), sharing), "RbacPolicyInUse", 409);
    let told = refused(qos::delete(&mut txn, &admin(), id), "QosPolicyInUse", 409);
    assert_eq!(told.message, format!("QoS Policy {id} is used by network {network}."));
    let member = port::create(&mut txn, &guest, NewPort { qos_policy_id: Some(id), ..on(network) }).unwrap().id;
    network::update(&mut txn, &guest, network, of_network(None), None).unwrap();
    let told = refused(qos::delete(&mut txn, &admin(), id), "QosPolicyInUse", 409);
    assert_eq!(told.message, format!("QoS Policy {id} is used by port {member}."));
    let none = PortUpdate { qos_policy_id: Some(None), ..PortUpdate::default() };
    port::update(&mut txn, &guest, member, none, None).unwrap();
    qos::delete(&mut txn, &admin(), id).unwrap();
    assert!(txn.rbac_policies.is_empty());
    txn.assert_sound();
}

/// One operation with rows picked at random; what cannot be asked yet is left out.
pub(super) fn anything(txn: &mut Txn, what: u8, [a, b, c]: [Index; 3]) -> Result<(), Fault> {
    let admin: &Context = &admin();
    let (id, network, port) = (some(&txn.qos_policies, a), some(&txn.networks, b), some(&txn.ports, c));
    match (what, id, network, port) {
        (0, ..) => {
            let [is_default, shared] = [a, b].map(|index| Some(index.index(2) == 0));
            qos::create(txn, admin, NewQosPolicy { is_default, shared, ..NewQosPolicy::default() }).map(drop)
        }
        (1, Some(id), ..) => qos::delete(txn, admin, id),
        (2, Some(id), ..) => {
            let [is_default, shared] = [b, c].map(|index| Some(index.index(2) == 0));
            let update = QosPolicyUpdate { is_default, shared, ..QosPolicyUpdate::default() };
            qos::update(txn, admin, id, update, None).map(drop)
        }
        (3, Some(id), ..) => {
            let direction = if b.index(2) == 0 { Direction::Egress } else { Direction::Ingress };
            qos_rule::create_limit(txn, admin, limit(id, Some(direction))).map(drop)
        }
        (4, ..) => some(&txn.bandwidth_limits, a).map_or(Ok(()), |rule| qos_rule::delete_limit(txn, admin, rule)),
        (5, Some(id), ..) => {
            let new = NewDscpMarkingRule { qos_policy_id: Some(id), dscp_mark: 8 };
            qos_rule::create_marking(txn, admin, new).map(drop)
        }
        (6, ..) => some(&txn.dscp_markings, a).map_or(Ok(()), |rule| qos_rule::delete_marking(txn, admin, rule)),
        (7, id, Some(network), _) => {
            let wanted = id.filter(|_| c.index(3) > 0);
            network::update(txn, admin, network, of_network(wanted), None).map(drop)
        }
        (_, id, _, Some(port)) => {
            let qos_policy_id = Some(id.filter(|_| b.index(3) > 0));
            port::update(txn, admin, port, PortUpdate { qos_policy_id, ..PortUpdate::default() }, None).map(drop)
        }
        _ => Ok(()),
    }
}

/// What must hold between rows at any time.
pub(super) fn check(state: &State) -> Result<(), TestCaseError> {
    let is_there = |id: QosPolicyId| state.qos_policies.contains_key(&id);
    let of_networks = |record: &NetworkRecord| record.network.qos_policy_id.is_none_or(is_there);
    prop_assert!(state.networks.values().all(|record| of_networks(record)));
    prop_assert!(state.ports.values().all(|port| port.qos_policy_id.is_none_or(is_there)));
    prop_assert!(state.bandwidth_limits.values().all(|record| is_there(record.qos_policy_id)));
    prop_assert!(state.dscp_markings.values().all(|record| is_there(record.qos_policy_id)));
    for id in state.qos_policies.keys() {
        let mut directions: Vec<Direction> = state.limits_of(*id).map(|record| record.rule.direction).collect();
        directions.sort_unstable();
        let count = directions.len();
        directions.dedup();
        prop_assert_eq!(count, directions.len());
        prop_assert!(state.markings_of(*id).count() <= 1);
    }
    let mut defaults: Vec<&ProjectId> =
        state.qos_policies.values().filter(|policy| policy.is_default).map(|policy| &policy.project_id).collect();
    defaults.sort_unstable();
    let count = defaults.len();
    defaults.dedup();
    prop_assert_eq!(count, defaults.len());
    Ok(())
}
