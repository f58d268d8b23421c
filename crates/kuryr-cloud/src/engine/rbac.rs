//! RBAC policies: what projects share with others. That a network or subnet pool is shared, and that all may have
//! gateways on an external network, is nothing but a policy for all.

use crate::engine::{
    Context, NetworkRecord, ROUTER_GATEWAY, State, Txn, Visible,
    faults::{forbidden, invalid_input},
    quota::{self, Counted},
    row::owner,
};
use kuryr_neutron::{
    Fault, FaultKind, NewRbacPolicy, ProjectId, RbacAction, RbacPolicy, RbacPolicyId, RbacPolicyUpdate, RbacTarget,
    Shareable,
};
use std::sync::Arc;

/// Creates a policy.
pub fn create(txn: &mut Txn, context: &Context, new: NewRbacPolicy) -> Result<RbacPolicy, Fault> {
    let project_id = owner(context, new.project_id, "create_rbac_policy")?;
    check_target(context, &new.target_tenant, "create_rbac_policy:target_tenant")?;
    quota::check(txn, &project_id, Counted::RbacPolicy, 1)?;
    check_owner(txn, context, new.object).map_err(invalid_input)?;
    if !new.object.actions().contains(&new.action) {
        return Err(no_such_action(new.object, new.action.word()));
    }
    check_new(txn, new.object, new.action, &new.target_tenant)?;
    let policy = RbacPolicy {
        id: RbacPolicyId::random(),
        project_id,
        object: new.object,
        action: new.action,
        target_tenant: new.target_tenant,
    };
    let policy = txn.put(policy);
    revise(txn, &policy);
    Ok(RbacPolicy::clone(&policy))
}

/// Gives what a policy allows to somebody else.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: RbacPolicyId,
    update: RbacPolicyUpdate,
) -> Result<RbacPolicy, Fault> {
    let old = find_own(txn, context, id, "update_rbac_policy")?;
    let target = update.target_tenant.unwrap_or_else(|| old.target_tenant.clone());
    check_target(context, &target, "update_rbac_policy:target_tenant")?;
    check_owner(txn, context, old.object).map_err(|reason| in_use(&old, &reason))?;
    if target == old.target_tenant {
        return Ok(RbacPolicy::clone(&old));
    }
    check_unused(txn, &old, Some(&target))?;
    check_new(txn, old.object, old.action, &target)?;
    let policy = txn.put(RbacPolicy { target_tenant: target, ..RbacPolicy::clone(&old) });
    revise(txn, &policy);
    Ok(RbacPolicy::clone(&policy))
}

/// Takes a policy back, unless somebody needs it.
pub fn delete(txn: &mut Txn, context: &Context, id: RbacPolicyId) -> Result<(), Fault> {
    let policy = find_own(txn, context, id, "delete_rbac_policy")?;
    check_unused(txn, &policy, None)?;
    txn.remove::<RbacPolicy>(id);
    revise(txn, &policy);
    Ok(())
}

/// 400: things of this kind know no such action.
pub fn no_such_action(object: Shareable, action: &str) -> Fault {
    let valid: Vec<String> = object.actions().iter().map(|action| format!("'{}'", action.word())).collect();
    let comma = if valid.len() == 1 { "," } else { "" };
    let (kind, valid) = (object.kind(), valid.join(", "));
    let message = format!("Invalid action '{action}' for object type '{kind}'. Valid actions: ({valid}{comma})");
    Fault::bad_request("InvalidActionForType", message)
}

/// Allows all projects something, if they are not allowed it yet.
pub(crate) fn allow_all(txn: &mut Txn, object: Shareable, action: RbacAction, project_id: &ProjectId) {
    if txn.policy(object, action, &RbacTarget::All).is_none() {
        let (id, project_id) = (RbacPolicyId::random(), project_id.clone());
        txn.put(RbacPolicy { id, project_id, object, action, target_tenant: RbacTarget::All });
    }
}

/// Allows all projects something no longer, unless somebody needs it.
pub(crate) fn withdraw_from_all(txn: &mut Txn, object: Shareable, action: RbacAction) -> Result<(), Fault> {
    if let Some(policy) = txn.policy(object, action, &RbacTarget::All).cloned() {
        check_unused(txn, &policy, None)?;
        txn.remove::<RbacPolicy>(policy.id);
    }
    Ok(())
}

/// Removes the policies about an object that are `meant`.
pub(crate) fn remove(txn: &mut Txn, object: Shareable, meant: impl Fn(&RbacPolicy) -> bool) {
    let ids: Vec<RbacPolicyId> = txn.policies_of(object).filter(|policy| meant(policy)).map(|p| p.id).collect();
    ids.into_iter().for_each(|id| txn.remove::<RbacPolicy>(id));
}

/// Why a policy cannot go, or be another's from now on (`instead`): somebody has only it to thank for what they use.
pub(crate) fn needed(state: &State, policy: &RbacPolicy, instead: Option<&RbacTarget>) -> Option<String> {
    let others = || state.policies_of(policy.object).filter(|p| p.action == policy.action && p.id != policy.id);
    let covered = |project: &ProjectId| {
        instead.is_some_and(|target| target.includes(project)) || others().any(|p| p.target_tenant.includes(project))
    };
    let depends = |project: &ProjectId| policy.target_tenant.includes(project) && !covered(project);
    match policy.action {
        RbacAction::AccessAsShared => users(state, policy.object)
            .iter()
            .any(depends)
            .then(|| format!("project_id={}", policy.target_tenant.as_str())),
        RbacAction::AccessAsExternal => {
            let is_last = instead.is_none() && others().next().is_none();
            let routers = gateways(state, policy.object);
            if policy.target_tenant == RbacTarget::All && is_default(state, policy.object) {
                Some("Default external networks must be shared to everyone.".to_owned())
            } else if routers.iter().any(|project| is_last || depends(project)) {
                Some("There are routers attached to this network that depend on this policy for access.".to_owned())
            } else {
                None
            }
        }
    }
}

fn check_unused(txn: &Txn, policy: &RbacPolicy, instead: Option<&RbacTarget>) -> Result<(), Fault> {
    needed(txn, policy, instead).map_or(Ok(()), |reason| Err(in_use(policy, &reason)))
}

fn in_use(policy: &RbacPolicy, reason: &str) -> Fault {
    let id = policy.object.id();
    let message =
        format!("RBAC policy on object {id} cannot be removed because other objects depend on it.\nDetails: {reason}");
    Fault::conflict("RbacPolicyInUse", message)
}

/// Projects other than the owner that use what is shared.
fn users(state: &State, object: Shareable) -> Vec<ProjectId> {
    let mut projects: Vec<ProjectId> = match object {
        Shareable::Network(id) => {
            let ports = state.ports_of_network(id).map(|port| port.project_id.clone());
            ports.chain(state.subnets_of_network(id).map(|subnet| subnet.project_id.clone())).collect()
        }
        Shareable::SecurityGroup(id) => state.ports_of_group(id).map(|port| port.project_id.clone()).collect(),
        Shareable::AddressGroup(id) => state.rules_naming_addresses(id).map(|rule| rule.project_id.clone()).collect(),
        Shareable::SubnetPool(id) => state.subnets_of_pool(id).map(|subnet| subnet.project_id.clone()).collect(),
        Shareable::QosPolicy(id) => {
            let networks = state.networks_of_qos_policy(id).map(|record| record.network.project_id.clone());
            networks.chain(state.ports_of_qos_policy(id).map(|port| port.project_id.clone())).collect()
        }
    };
    // Gateways and the ports of floating IPs belong to nobody.
    projects.retain(|project| !project.0.is_empty() && Some(project) != owner_of(state, object));
    projects
}

/// Owners of routers that have their gateway on a network.
fn gateways(state: &State, object: Shareable) -> Vec<ProjectId> {
    let Shareable::Network(id) = object else { return Vec::new() };
    let gateways = state.ports_of_network(id).filter(|port| port.device_owner == ROUTER_GATEWAY);
    let routers = gateways.filter_map(|port| state.routers.get(&port.device_id.parse().ok()?));
    routers.map(|router| router.project_id.clone()).collect()
}

fn is_default(state: &State, object: Shareable) -> bool {
    match object {
        Shareable::Network(id) => state.networks.get(&id).is_some_and(|record| record.network.is_default),
        _ => false,
    }
}

fn owner_of(state: &State, object: Shareable) -> Option<&ProjectId> {
    match object {
        Shareable::Network(id) => state.networks.get(&id).map(|record| &record.network.project_id),
        Shareable::SecurityGroup(id) => state.security_groups.get(&id).map(|group| &group.project_id),
        Shareable::AddressGroup(id) => state.address_groups.get(&id).map(|group| &group.project_id),
        Shareable::SubnetPool(id) => state.subnetpools.get(&id).map(|pool| &pool.project_id),
        Shareable::QosPolicy(id) => state.qos_policies.get(&id).map(|policy| &policy.project_id),
    }
}

/// Only its owner shares something, and an administrator; others do not even learn whether it is there.
fn check_owner(state: &State, context: &Context, object: Shareable) -> Result<(), String> {
    match owner_of(state, object) {
        Some(project) if context.may_change(project) => Ok(()),
        None if context.is_admin => Err(format!("There is no {} {}", object.kind(), object.id())),
        _ => Err("Only admins can manipulate policies on objects they do not own".to_owned()),
    }
}

fn check_target(context: &Context, target: &RbacTarget, action: &str) -> Result<(), Fault> {
    if *target == RbacTarget::All && !context.is_admin { Err(forbidden(action)) } else { Ok(()) }
}

fn check_new(state: &State, object: Shareable, action: RbacAction, target: &RbacTarget) -> Result<(), Fault> {
    match state.policy(object, action, target) {
        Some(_) => Err(Fault::conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.")),
        None => Ok(()),
    }
}

fn find_own(txn: &Txn, context: &Context, id: RbacPolicyId, action: &str) -> Result<Arc<RbacPolicy>, Fault> {
    let policy = txn.rbac_policies.get(&id).filter(|policy| policy.is_visible(txn, context)).ok_or_else(|| {
        let message = format!("RBAC policy of type unknown with ID {id} not found");
        Fault::new(FaultKind::NotFound, "RbacPolicyNotFound", message)
    })?;
    if context.may_change(&policy.project_id) { Ok(Arc::clone(policy)) } else { Err(forbidden(action)) }
}

/// A network has another revision when a policy about it changed; it is external while a policy says so.
fn revise(txn: &mut Txn, policy: &RbacPolicy) {
    let Shareable::Network(id) = policy.object else { return };
    let Some(old) = txn.networks.get(&id).cloned() else { return };
    let mut record = NetworkRecord::clone(&old);
    if policy.action == RbacAction::AccessAsExternal {
        record.network.router_external = txn.policies_of(policy.object).any(|p| p.action == policy.action);
    }
    if record == *old {
        txn.touch::<NetworkRecord>(id);
    } else {
        txn.save(&old, record);
    }
}
