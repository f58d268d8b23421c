//! Rules that new security groups are born with: the operator's.

use crate::engine::{
    Context, Txn,
    faults::{check_text, forbidden},
    row::{Row, expect_revision, find},
    security_group_rule::{check, means_all_ports},
};
use kuryr_neutron::{
    AddressGroup, DefaultRemote, DefaultRule, DefaultRuleId, DefaultRuleUpdate, Direction, Ethertype, Fault,
    NewDefaultRule, ProjectId, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId,
};
use std::sync::Arc;
use uuid::Uuid;

/// What an operator who changed nothing has, as Neutron: everything out, and into the group `default` what comes from its
/// own members. The database's migration has the same.
pub(crate) fn initial() -> [DefaultRule; 4] {
    let rule = |n: u128, direction, ethertype| DefaultRule {
        id: DefaultRuleId(Uuid::from_u128(0x5ecd_efa0_0000_4000_8000_0000_0000_0000 | n)),
        direction,
        ethertype,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_ip_prefix: None,
        remote_group_id: (direction == Direction::Ingress).then_some(DefaultRemote::Parent),
        remote_address_group_id: None,
        description: String::new(),
        used_in_default_sg: true,
        used_in_non_default_sg: direction == Direction::Egress,
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    [
        rule(1, Direction::Egress, Ethertype::IPv4),
        rule(2, Direction::Egress, Ethertype::IPv6),
        rule(3, Direction::Ingress, Ethertype::IPv4),
        rule(4, Direction::Ingress, Ethertype::IPv6),
    ]
}

fn for_operators(context: &Context, action: &str) -> Result<(), Fault> {
    if context.is_admin { Ok(()) } else { Err(forbidden(action)) }
}

/// Creates one. Groups that are there stay as they are.
pub fn create(txn: &mut Txn, context: &Context, new: NewDefaultRule) -> Result<DefaultRule, Fault> {
    for_operators(context, "create_default_security_group_rule")?;
    check_text("description", new.description.as_deref())?;
    let mut rule = DefaultRule {
        id: DefaultRuleId::random(),
        direction: new.direction,
        ethertype: new.ethertype.unwrap_or_default(),
        protocol: new.protocol,
        port_range_min: new.port_range_min,
        port_range_max: new.port_range_max,
        remote_ip_prefix: new.remote_ip_prefix,
        remote_group_id: new.remote_group_id,
        remote_address_group_id: new.remote_address_group_id,
        description: new.description.unwrap_or_default(),
        used_in_default_sg: new.used_in_default_sg,
        used_in_non_default_sg: new.used_in_non_default_sg,
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    let copy = copy(&rule, SecurityGroupId::random(), &ProjectId::default());
    check(&copy)?;
    if means_all_ports(&copy) {
        (rule.port_range_min, rule.port_range_max) = (None, None);
    }
    if let Some(DefaultRemote::Group(group)) = rule.remote_group_id {
        find::<SecurityGroup>(txn, context, group)?;
    }
    if let Some(addresses) = rule.remote_address_group_id {
        find::<AddressGroup>(txn, context, addresses)?;
    }
    Ok(DefaultRule::clone(&txn.insert(rule)))
}

/// Nothing of it can be changed.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: DefaultRuleId,
    _: DefaultRuleUpdate,
    expected_revision: Option<u64>,
) -> Result<DefaultRule, Fault> {
    for_operators(context, "update_default_security_group_rule")?;
    let rule = find::<DefaultRule>(txn, context, id)?;
    expect_revision(&*rule, expected_revision)?;
    Ok(DefaultRule::clone(&rule))
}

/// Deletes one. Groups that are there stay as they are.
pub fn delete(txn: &mut Txn, context: &Context, id: DefaultRuleId) -> Result<(), Fault> {
    for_operators(context, "delete_default_security_group_rule")?;
    txn.default_rules.get(&id).ok_or_else(|| DefaultRule::missing(id))?;
    txn.remove::<DefaultRule>(id);
    Ok(())
}

/// Gives a new group its rules.
pub(crate) fn apply(txn: &mut Txn, group: SecurityGroupId, project: &ProjectId, is_default: bool) {
    let wanted = |rule: &&Arc<DefaultRule>| {
        if is_default { rule.used_in_default_sg } else { rule.used_in_non_default_sg }
    };
    // What it names may have been deleted since.
    let is_whole = |rule: &SecurityGroupRule| {
        rule.remote_group_id.is_none_or(|id| txn.security_groups.contains_key(&id))
            && rule.remote_address_group_id.is_none_or(|id| txn.address_groups.contains_key(&id))
    };
    let copies = txn.default_rules.values().filter(wanted).map(|rule| copy(rule, group, project));
    let copies: Vec<SecurityGroupRule> = copies.filter(is_whole).collect();
    for rule in copies {
        txn.insert(rule);
    }
}

fn copy(rule: &DefaultRule, group: SecurityGroupId, project: &ProjectId) -> SecurityGroupRule {
    SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        security_group_id: group,
        project_id: project.clone(),
        direction: rule.direction,
        ethertype: rule.ethertype,
        protocol: rule.protocol.clone(),
        port_range_min: rule.port_range_min,
        port_range_max: rule.port_range_max,
        remote_ip_prefix: rule.remote_ip_prefix,
        remote_group_id: rule.remote_group_id.map(|remote| match remote {
            DefaultRemote::Parent => group,
            DefaultRemote::Group(id) => id,
        }),
        remote_address_group_id: rule.remote_address_group_id,
        description: String::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    }
}
