//! Security groups.

use crate::engine::{
    Context, Txn, default_rule,
    faults::check_text,
    index::DEFAULT_GROUP,
    quota::{self, Counted},
    rbac,
    row::{Row, expect_revision, find_own, owner},
};
use kuryr_neutron::{
    Fault, NewSecurityGroup, ProjectId, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupUpdate,
    Shareable,
};

/// Creates a security group with the rules that groups are born with: usually it lets everything out and nothing in.
pub fn create(txn: &mut Txn, context: &Context, new: NewSecurityGroup) -> Result<SecurityGroup, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    if new.name == DEFAULT_GROUP {
        return Err(Fault::conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists."));
    }
    check_stateful(new.stateful)?;
    let project = owner(context, new.project_id, "create_security_group")?;
    ensure_default(txn, &project)?;
    quota::check(txn, &project, Counted::SecurityGroup, 1)?;
    quota::check(txn, &project, Counted::SecurityGroupRule, 2)?;
    let blank = blank(new.name, project.clone(), new.description);
    let id = txn.insert(blank).id;
    default_rule::apply(txn, id, &project, false);
    shown(txn, id)
}

/// The data plane lets the replies of every allowed connection through.
fn check_stateful(stateful: Option<bool>) -> Result<(), Fault> {
    if stateful == Some(false) {
        return Err(Fault::invalid("stateful", "'False' is not offered by this cloud, whose groups are all stateful"));
    }
    Ok(())
}

fn blank(name: String, project_id: ProjectId, description: Option<String>) -> SecurityGroup {
    SecurityGroup {
        id: SecurityGroupId::random(),
        name,
        project_id,
        description: description.unwrap_or_default(),
        stateful: true,
        security_group_rules: Vec::new(),
        shared: false,
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    }
}

fn shown(txn: &Txn, id: SecurityGroupId) -> Result<SecurityGroup, Fault> {
    txn.group_with_rules(id).ok_or_else(|| SecurityGroup::missing(id))
}

/// Changes a security group. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: SecurityGroupId,
    update: SecurityGroupUpdate,
    expected_revision: Option<u64>,
) -> Result<SecurityGroup, Fault> {
    let old = find_own::<SecurityGroup>(txn, context, id, "update_security_group")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let renamed = update.name.as_ref().is_some_and(|name| *name != old.name);
    if renamed && old.name == DEFAULT_GROUP {
        return Err(Fault::conflict(
            "SecurityGroupCannotUpdateDefault",
            "Updating default security group not allowed.",
        ));
    }
    if renamed && update.name.as_deref() == Some(DEFAULT_GROUP) {
        return Err(Fault::conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists."));
    }
    check_stateful(update.stateful)?;
    let mut group = SecurityGroup::clone(&old);
    group.name = update.name.unwrap_or(group.name);
    group.description = update.description.unwrap_or(group.description);
    txn.save(&old, group);
    shown(txn, id)
}

/// Deletes a security group that no port uses, with its rules and all rules that name it.
pub fn delete(txn: &mut Txn, context: &Context, id: SecurityGroupId) -> Result<(), Fault> {
    let group = find_own::<SecurityGroup>(txn, context, id, "delete_security_group")?;
    check_unused(txn, id)?;
    if group.name == DEFAULT_GROUP && !context.is_admin {
        return Err(Fault::conflict(
            "SecurityGroupCannotRemoveDefault",
            "Insufficient rights for removing default security group.",
        ));
    }
    let rules: Vec<_> = txn.rules_of_group(id).chain(txn.rules_naming_group(id)).cloned().collect();
    for rule in rules {
        if txn.security_group_rules.contains_key(&rule.id) {
            txn.remove::<SecurityGroupRule>(rule.id);
            if rule.security_group_id != id {
                txn.touch::<SecurityGroup>(rule.security_group_id);
            }
        }
    }
    rbac::remove(txn, Shareable::SecurityGroup(id), |_| true);
    txn.remove::<SecurityGroup>(id);
    Ok(())
}

fn check_unused(txn: &Txn, id: SecurityGroupId) -> Result<(), Fault> {
    match txn.ports_of_group(id).next() {
        Some(_) => Err(Fault::conflict("SecurityGroupInUse", format!("Security Group {id} in use."))),
        None => Ok(()),
    }
}

/// A project's group `default`; made, with the rules it is born with, if the project has none yet.
pub fn ensure_default(txn: &mut Txn, project: &ProjectId) -> Result<SecurityGroupId, Fault> {
    if let Some(group) = txn.default_group(project) {
        return Ok(group.id);
    }
    let group = blank(DEFAULT_GROUP.to_owned(), project.clone(), Some("Default security group".to_owned()));
    let id = txn.insert(group).id;
    default_rule::apply(txn, id, project, true);
    Ok(id)
}
