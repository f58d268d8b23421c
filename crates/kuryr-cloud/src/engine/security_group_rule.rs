//! Rules of security groups.

use crate::engine::{
    Context, Txn,
    faults::{check_text, forbidden},
    quota::{self, Counted},
    row::{Row, expect_revision, find},
};
use kuryr_neutron::{
    AddressGroup, Ethertype, Fault, NewSecurityGroupRule, Protocol, SecurityGroup, SecurityGroupRule,
    SecurityGroupRuleId, SecurityGroupRuleUpdate,
};
use std::sync::Arc;

/// Protocols that exist for IPv6 alone.
const IPV6_PROTOCOLS: &[u8] = &[41, 43, 44, Protocol::ICMPV6, 59, 60];

/// Creates a rule.
pub fn create(txn: &mut Txn, context: &Context, new: NewSecurityGroupRule) -> Result<SecurityGroupRule, Fault> {
    check_text("description", new.description.as_deref())?;
    let Some(group) = txn.security_groups.get(&new.security_group_id).cloned() else {
        return Err(SecurityGroup::missing(new.security_group_id));
    };
    let project_id = new.project_id.unwrap_or_else(|| group.project_id.clone());
    if !context.may_change(&group.project_id) || !context.may_change(&project_id) {
        return Err(forbidden("create_security_group_rule"));
    }
    quota::check(txn, &project_id, Counted::SecurityGroupRule, 1)?;
    let ethertype = new.ethertype.unwrap_or_default();
    let mut rule = SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        security_group_id: group.id,
        project_id,
        direction: new.direction,
        ethertype,
        protocol: new.protocol.flatten().map(|p| canonical(p, ethertype)),
        port_range_min: new.port_range_min.flatten(),
        port_range_max: new.port_range_max.flatten(),
        remote_ip_prefix: new.remote_ip_prefix.flatten(),
        remote_group_id: new.remote_group_id.flatten(),
        remote_address_group_id: new.remote_address_group_id.flatten(),
        description: new.description.unwrap_or_default(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    check(&rule)?;
    if means_all_ports(&rule) {
        (rule.port_range_min, rule.port_range_max) = (None, None);
    }
    if let Some(remote) = rule.remote_group_id {
        find::<SecurityGroup>(txn, context, remote)?;
    }
    if let Some(remote) = rule.remote_address_group_id {
        find::<AddressGroup>(txn, context, remote)?;
    }
    if let Some(twin) = txn.rules_of_group(group.id).find(|r| meaning(r) == meaning(&rule)) {
        return Err(Fault::conflict(
            "SecurityGroupRuleExists",
            format!("Security group rule already exists. Rule id is {}.", twin.id),
        ));
    }
    let rule = txn.insert(rule);
    txn.touch::<SecurityGroup>(group.id);
    Ok(SecurityGroupRule::clone(&rule))
}

/// Changes a rule's description. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: SecurityGroupRuleId,
    update: SecurityGroupRuleUpdate,
    expected_revision: Option<u64>,
) -> Result<SecurityGroupRule, Fault> {
    let old = find_changeable(txn, context, id, "update_security_group_rule")?;
    expect_revision(&*old, expected_revision)?;
    check_text("description", update.description.as_deref())?;
    let mut rule = SecurityGroupRule::clone(&old);
    rule.description = update.description.unwrap_or(rule.description);
    Ok(SecurityGroupRule::clone(&txn.save(&old, rule)))
}

/// Deletes a rule.
pub fn delete(txn: &mut Txn, context: &Context, id: SecurityGroupRuleId) -> Result<(), Fault> {
    let rule = find_changeable(txn, context, id, "delete_security_group_rule")?;
    txn.remove::<SecurityGroupRule>(id);
    txn.touch::<SecurityGroup>(rule.security_group_id);
    Ok(())
}

/// The owner of a group may change its rules.
fn find_changeable(
    txn: &Txn,
    context: &Context,
    id: SecurityGroupRuleId,
    action: &str,
) -> Result<Arc<SecurityGroupRule>, Fault> {
    let rule = find::<SecurityGroupRule>(txn, context, id)?;
    let group = txn.security_groups.get(&rule.security_group_id);
    let may = group.is_some_and(|group| context.may_change(&group.project_id)) || context.may_change(&rule.project_id);
    if may { Ok(rule) } else { Err(forbidden(action)) }
}

/// ICMP of an IPv6 rule is ICMPv6, however it is spelled.
fn canonical(protocol: Protocol, ethertype: Ethertype) -> Protocol {
    match (ethertype, protocol.number()) {
        (Ethertype::IPv6, Protocol::ICMP | Protocol::ICMPV6) => Protocol::from(Protocol::ICMPV6),
        _ => protocol,
    }
}

/// As Neutron keeps it: all ports are no restriction.
pub(crate) fn means_all_ports(rule: &SecurityGroupRule) -> bool {
    rule.protocol.as_ref().is_some_and(Protocol::has_ports)
        && (rule.port_range_min, rule.port_range_max) == (Some(1), Some(65535))
}

/// The parts of a rule must fit together.
pub(crate) fn check(rule: &SecurityGroupRule) -> Result<(), Fault> {
    check_ports(rule)?;
    if let Some(prefix) = rule.remote_ip_prefix
        && prefix.addr().is_ipv4() != (rule.ethertype == Ethertype::IPv4)
    {
        return Err(Fault::bad_request(
            "SecurityGroupRuleParameterConflict",
            format!("Conflicting value ethertype {:?} for CIDR {prefix}", rule.ethertype),
        ));
    }
    if let Some(protocol) = rule.protocol.as_ref().filter(|p| IPV6_PROTOCOLS.contains(&p.number()))
        && rule.ethertype == Ethertype::IPv4
    {
        return Err(Fault::bad_request(
            "SecurityGroupEthertypeConflictWithProtocol",
            format!("Invalid ethertype {:?} for protocol {protocol}.", rule.ethertype),
        ));
    }
    let remotes =
        [rule.remote_ip_prefix.is_some(), rule.remote_group_id.is_some(), rule.remote_address_group_id.is_some()];
    if remotes.into_iter().filter(|given| *given).count() > 1 {
        return Err(Fault::bad_request(
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
        ));
    }
    Ok(())
}

/// `port_range_*` are ports of protocols with ports, and type and code of ICMP.
fn check_ports(rule: &SecurityGroupRule) -> Result<(), Fault> {
    let (min, max) = (rule.port_range_min, rule.port_range_max);
    if min.is_none() && max.is_none() {
        return Ok(());
    }
    let Some(protocol) = &rule.protocol else {
        return Err(Fault::bad_request(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        ));
    };
    if protocol.is_icmp() {
        return check_icmp(min, max);
    }
    if !protocol.has_ports() {
        return Err(Fault::bad_request(
            "SecurityGroupInvalidProtocolForPort",
            format!("Invalid protocol {protocol} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."),
        ));
    }
    match (min, max) {
        (Some(0), _) | (_, Some(0)) => {
            Err(Fault::bad_request("SecurityGroupInvalidPortValue", "Invalid value for port 0"))
        }
        (Some(min), Some(max)) if min <= max => Ok(()),
        _ => Err(Fault::bad_request(
            "SecurityGroupInvalidPortRange",
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        )),
    }
}

fn check_icmp(kind: Option<u16>, code: Option<u16>) -> Result<(), Fault> {
    for (value, field, attribute) in [(kind, "type", "port_range_min"), (code, "code", "port_range_max")] {
        if let Some(value) = value.filter(|v| *v > 255) {
            return Err(Fault::bad_request(
                "SecurityGroupInvalidIcmpValue",
                format!("Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255."),
            ));
        }
    }
    match (kind, code) {
        (None, Some(code)) => Err(Fault::bad_request(
            "SecurityGroupMissingIcmpType",
            format!("ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."),
        )),
        _ => Ok(()),
    }
}

/// What a rule allows: two rules of one group that allow the same are one too many.
fn meaning(rule: &SecurityGroupRule) -> impl PartialEq + use<> {
    (
        rule.direction,
        rule.ethertype,
        rule.protocol.as_ref().map(Protocol::number),
        rule.port_range_min,
        rule.port_range_max,
        rule.remote_ip_prefix.filter(|net| net.prefix_len() != 0).map(|net| net.trunc()),
        rule.remote_group_id,
        rule.remote_address_group_id,
    )
}
