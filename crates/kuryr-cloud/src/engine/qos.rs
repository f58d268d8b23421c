//! QoS policies: what limits and marks the packets of the ports and networks that have one. An operator makes them.

use crate::engine::{
    Context, State, Txn,
    faults::{check_text, forbidden},
    qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
    rbac,
    row::{expect_revision, find},
};
use kuryr_neutron::{
    Fault, NewQosPolicy, ProjectId, QosPolicy, QosPolicyId, QosPolicyUpdate, QosRule, QosRuleId, RbacAction, Shareable,
};
use std::sync::Arc;

/// Creates a policy.
pub fn create(txn: &mut Txn, context: &Context, new: NewQosPolicy) -> Result<QosPolicy, Fault> {
    if !context.is_admin {
        return Err(forbidden("create_policy"));
    }
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let policy = QosPolicy {
        id: QosPolicyId::random(),
        name: new.name,
        project_id: new.project_id.unwrap_or_else(|| context.project_id.clone()),
        shared: false,
        is_default: new.is_default.unwrap_or(false),
        rules: Vec::new(),
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    if policy.is_default {
        check_default(txn, &policy.project_id)?;
    }
    let policy = txn.insert(policy);
    if policy.is_default {
        // Neutron writes it twice.
        txn.touch::<QosPolicy>(policy.id);
    }
    if new.shared == Some(true) {
        rbac::allow_all(txn, Shareable::QosPolicy(policy.id), RbacAction::AccessAsShared, &policy.project_id);
    }
    found(txn, context, policy.id)
}

/// Changes a policy. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: QosPolicyId,
    update: QosPolicyUpdate,
    expected_revision: Option<u64>,
) -> Result<QosPolicy, Fault> {
    let old = find_as_operator(txn, context, id, "update_policy")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let mut policy = QosPolicy::clone(&old);
    policy.name = update.name.unwrap_or(policy.name);
    policy.description = update.description.unwrap_or(policy.description);
    policy.is_default = update.is_default.unwrap_or(policy.is_default);
    if policy.is_default && !old.is_default {
        check_default(txn, &policy.project_id)?;
    }
    let (object, action) = (Shareable::QosPolicy(id), RbacAction::AccessAsShared);
    match update.shared {
        Some(true) => rbac::allow_all(txn, object, action, &policy.project_id),
        Some(false) => rbac::withdraw_from_all(txn, object, action)?,
        None => {}
    }
    txn.save(&old, policy);
    found(txn, context, id)
}

/// Deletes a policy that no network and no port has, with its rules.
pub fn delete(txn: &mut Txn, context: &Context, id: QosPolicyId) -> Result<(), Fault> {
    find_as_operator(txn, context, id, "delete_policy")?;
    let network = txn.networks_of_qos_policy(id).next().map(|record| format!("network {}", record.network.id));
    let user = network.or_else(|| txn.ports_of_qos_policy(id).next().map(|port| format!("port {}", port.id)));
    if let Some(user) = user {
        return Err(Fault::conflict("QosPolicyInUse", format!("QoS Policy {id} is used by {user}.")));
    }
    let limits: Vec<QosRuleId> = txn.limits_of(id).map(|record| record.rule.id).collect();
    limits.into_iter().for_each(|rule| txn.remove::<BandwidthLimitRecord>(rule));
    let markings: Vec<QosRuleId> = txn.markings_of(id).map(|record| record.rule.id).collect();
    markings.into_iter().for_each(|rule| txn.remove::<DscpMarkingRecord>(rule));
    rbac::remove(txn, Shareable::QosPolicy(id), |_| true);
    txn.remove::<QosPolicy>(id);
    Ok(())
}

/// A policy as the API shows it: with its rules, and whether the asker may use it because all may.
pub fn shown(state: &State, context: &Context, policy: &QosPolicy) -> QosPolicy {
    let id = policy.id;
    let limits =
        state.limits_of(id).map(|record| QosRule::BandwidthLimit { rule: record.rule.clone(), qos_policy_id: id });
    let markings =
        state.markings_of(id).map(|record| QosRule::DscpMarking { rule: record.rule.clone(), qos_policy_id: id });
    let rules = limits.chain(markings).collect();
    QosPolicy { rules, shared: state.is_shared_with(Shareable::QosPolicy(id), &context.project_id), ..policy.clone() }
}

/// The policy that a port or network shall have: one that it has already, or that the asker may know of.
pub(crate) fn choose(
    txn: &Txn,
    context: &Context,
    has: Option<QosPolicyId>,
    wanted: Option<QosPolicyId>,
) -> Result<Option<QosPolicyId>, Fault> {
    match wanted {
        Some(id) if has != wanted => Ok(Some(find::<QosPolicy>(txn, context, id)?.id)),
        _ => Ok(wanted),
    }
}

/// A policy for who may change it: an administrator.
pub(crate) fn find_as_operator(
    state: &State,
    context: &Context,
    id: QosPolicyId,
    action: &'static str,
) -> Result<Arc<QosPolicy>, Fault> {
    let policy = find::<QosPolicy>(state, context, id)?;
    if context.is_admin { Ok(policy) } else { Err(forbidden(action)) }
}

fn found(txn: &Txn, context: &Context, id: QosPolicyId) -> Result<QosPolicy, Fault> {
    find::<QosPolicy>(txn, context, id).map(|policy| QosPolicy::clone(&policy))
}

fn check_default(txn: &Txn, project: &ProjectId) -> Result<(), Fault> {
    match txn.default_qos_policy(project) {
        Some(_) => {
            let message = format!("A default QoS policy exists for project {project}.");
            Err(Fault::conflict("QoSPolicyDefaultAlreadyExists", message))
        }
        None => Ok(()),
    }
}
