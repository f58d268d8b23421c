//! Rules of QoS policies. Their changes count as changes of their policy.

use crate::engine::{
    Context, Txn,
    faults::{forbidden, required},
    qos::find_as_operator,
};
use kuryr_neutron::{
    BandwidthLimitRule, BandwidthLimitRuleUpdate, Direction, DscpMarkingRule, DscpMarkingRuleUpdate, Fault, FaultKind,
    NewBandwidthLimitRule, NewDscpMarkingRule, QosPolicy, QosPolicyId, QosRuleId,
};
use serde::{Deserialize, Serialize};
use std::{fmt::Display, sync::Arc};

/// A bandwidth limit and its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthLimitRecord {
    /// As the API shows it.
    #[serde(flatten)]
    pub rule: BandwidthLimitRule,
    /// Its policy.
    pub qos_policy_id: QosPolicyId,
}

/// A marking and its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DscpMarkingRecord {
    /// As the API shows it.
    #[serde(flatten)]
    pub rule: DscpMarkingRule,
    /// Its policy.
    pub qos_policy_id: QosPolicyId,
}

/// 404, in Neutron's words.
pub fn not_found(policy: impl Display, rule: impl Display) -> Fault {
    let message = format!("QoS rule {rule} for policy {policy} could not be found.");
    Fault::new(FaultKind::NotFound, "QosRuleNotFound", message)
}

/// Creates a bandwidth limit; a policy has at most one for each direction.
pub fn create_limit(txn: &mut Txn, context: &Context, new: NewBandwidthLimitRule) -> Result<BandwidthLimitRule, Fault> {
    let policy = parent(txn, context, new.qos_policy_id, "create_policy_bandwidth_limit_rule")?;
    let rule = BandwidthLimitRule {
        id: QosRuleId::random(),
        max_kbps: new.max_kbps,
        max_burst_kbps: new.max_burst_kbps.unwrap_or(0),
        direction: new.direction.unwrap_or(Direction::Egress),
    };
    put_limit(txn, policy, rule)
}

/// Changes a bandwidth limit.
pub fn update_limit(
    txn: &mut Txn,
    context: &Context,
    id: QosRuleId,
    update: BandwidthLimitRuleUpdate,
) -> Result<BandwidthLimitRule, Fault> {
    let old = txn.bandwidth_limits.get(&id).cloned().ok_or_else(|| not_found("None", id))?;
    find_as_operator(txn, context, old.qos_policy_id, "update_policy_bandwidth_limit_rule")?;
    let rule = BandwidthLimitRule {
        id,
        max_kbps: update.max_kbps.unwrap_or(old.rule.max_kbps),
        max_burst_kbps: update.max_burst_kbps.unwrap_or(old.rule.max_burst_kbps),
        direction: update.direction.unwrap_or(old.rule.direction),
    };
    if rule == old.rule { Ok(rule) } else { put_limit(txn, old.qos_policy_id, rule) }
}

/// Deletes a bandwidth limit.
pub fn delete_limit(txn: &mut Txn, context: &Context, id: QosRuleId) -> Result<(), Fault> {
    let old = txn.bandwidth_limits.get(&id).cloned().ok_or_else(|| not_found("None", id))?;
    find_as_operator(txn, context, old.qos_policy_id, "delete_policy_bandwidth_limit_rule")?;
    txn.remove::<BandwidthLimitRecord>(id);
    txn.touch::<QosPolicy>(old.qos_policy_id);
    Ok(())
}

/// Creates a marking; a policy has at most one.
pub fn create_marking(txn: &mut Txn, context: &Context, new: NewDscpMarkingRule) -> Result<DscpMarkingRule, Fault> {
    let policy = parent(txn, context, new.qos_policy_id, "create_policy_dscp_marking_rule")?;
    if let Some(other) = txn.markings_of(policy).next() {
        return Err(conflict("dscp_marking", other.rule.id, policy));
    }
    put_marking(txn, policy, DscpMarkingRule { id: QosRuleId::random(), dscp_mark: new.dscp_mark })
}

/// Changes a marking.
pub fn update_marking(
    txn: &mut Txn,
    context: &Context,
    id: QosRuleId,
    update: DscpMarkingRuleUpdate,
) -> Result<DscpMarkingRule, Fault> {
    let old = txn.dscp_markings.get(&id).cloned().ok_or_else(|| not_found("None", id))?;
    find_as_operator(txn, context, old.qos_policy_id, "update_policy_dscp_marking_rule")?;
    let rule = DscpMarkingRule { id, dscp_mark: update.dscp_mark.unwrap_or(old.rule.dscp_mark) };
    if rule == old.rule { Ok(rule) } else { put_marking(txn, old.qos_policy_id, rule) }
}

/// Deletes a marking.
pub fn delete_marking(txn: &mut Txn, context: &Context, id: QosRuleId) -> Result<(), Fault> {
    let old = txn.dscp_markings.get(&id).cloned().ok_or_else(|| not_found("None", id))?;
    find_as_operator(txn, context, old.qos_policy_id, "delete_policy_dscp_marking_rule")?;
    txn.remove::<DscpMarkingRecord>(id);
    txn.touch::<QosPolicy>(old.qos_policy_id);
    Ok(())
}

/// The policy that gets a rule.
fn parent(
    txn: &Txn,
    context: &Context,
    policy: Option<QosPolicyId>,
    action: &'static str,
) -> Result<QosPolicyId, Fault> {
    if !context.is_admin {
        return Err(forbidden(action));
    }
    let policy: Arc<QosPolicy> =
        find_as_operator(txn, context, policy.ok_or_else(|| required("qos_policy_id"))?, action)?;
    Ok(policy.id)
}

fn put_limit(txn: &mut Txn, policy: QosPolicyId, rule: BandwidthLimitRule) -> Result<BandwidthLimitRule, Fault> {
    let same_way = |other: &BandwidthLimitRule| other.direction == rule.direction && other.id != rule.id;
    if let Some(other) = txn.limits_of(policy).find(|record| same_way(&record.rule)) {
        return Err(conflict("bandwidth_limit", other.rule.id, policy));
    }
    let record = txn.put(BandwidthLimitRecord { rule, qos_policy_id: policy });
    txn.touch::<QosPolicy>(policy);
    Ok(record.rule.clone())
}

fn put_marking(txn: &mut Txn, policy: QosPolicyId, rule: DscpMarkingRule) -> Result<DscpMarkingRule, Fault> {
    let record = txn.put(DscpMarkingRecord { rule, qos_policy_id: policy });
    txn.touch::<QosPolicy>(policy);
    Ok(record.rule.clone())
}

fn conflict(kind: &str, other: QosRuleId, policy: QosPolicyId) -> Fault {
    let message = format!("Rule {kind} conflicts with rule {other} which already exists in QoS Policy {policy}.");
    Fault::conflict("QoSRulesConflict", message)
}
