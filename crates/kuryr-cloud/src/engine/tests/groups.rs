//! Security groups, their rules, and the security of ports.

use super::{admin, net, on, refused, txn, user};
use crate::engine::{Txn, default_rule, network, port, security_group, security_group_rule as rule};
use kuryr_neutron::{
    AddressPair, Direction, Ethertype, Fault, IpNetOrAddr, NetworkUpdate, NewPort, NewSecurityGroup,
    NewSecurityGroupRule, PortUpdate, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupUpdate,
};

fn group(txn: &mut Txn) -> SecurityGroup {
    security_group::create(txn, &admin(), NewSecurityGroup { name: "web".to_owned(), ..NewSecurityGroup::default() })
        .unwrap()
}

fn ingress(group: SecurityGroupId) -> NewSecurityGroupRule {
    NewSecurityGroupRule {
        security_group_id: group,
        direction: Direction::Ingress,
        ethertype: None,
        project_id: None,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_ip_prefix: None,
        remote_group_id: None,
        remote_address_group_id: None,
        description: None,
    }
}

fn ports(group: SecurityGroupId, protocol: &str, min: Option<u16>, max: Option<u16>) -> NewSecurityGroupRule {
    NewSecurityGroupRule {
        protocol: Some(Some(protocol.parse().unwrap())),
        port_range_min: Some(min),
        port_range_max: Some(max),
        ..ingress(group)
    }
}

fn create(txn: &mut Txn, new: NewSecurityGroupRule) -> Result<SecurityGroupRule, Fault> {
    rule::create(txn, &admin(), new)
}

#[test]
fn each_project_has_a_default_group_that_trusts_itself() {
    let mut txn = txn();
    let own = group(&mut txn);
    assert_eq!(own.security_group_rules.len(), 2, "everything out, in both IP versions");
    let default = txn.default_group(&admin().project_id).unwrap().id;
    let default = txn.group_with_rules(default).unwrap();
    let mut rules: Vec<_> =
        default.security_group_rules.iter().map(|r| (r.direction, r.ethertype, r.remote_group_id)).collect();
    rules.sort();
    let (inside, out) = ((Direction::Ingress, Some(default.id)), (Direction::Egress, None));
    let both = |(d, g)| [(d, Ethertype::IPv4, g), (d, Ethertype::IPv6, g)];
    assert_eq!(rules, [both(inside), both(out)].concat());
    let named = NewSecurityGroup { name: "default".to_owned(), ..NewSecurityGroup::default() };
    refused(security_group::create(&mut txn, &admin(), named), "SecurityGroupDefaultAlreadyExists", 409);
    let rename = SecurityGroupUpdate { name: Some("x".to_owned()), ..SecurityGroupUpdate::default() };
    let renamed = security_group::update(&mut txn, &admin(), default.id, rename, None);
    refused(renamed, "SecurityGroupCannotUpdateDefault", 409);
    let id = security_group::ensure_default(&mut txn, &user("u").project_id).unwrap();
    refused(security_group::delete(&mut txn, &user("u"), id), "SecurityGroupCannotRemoveDefault", 409);
}

#[test]
fn ports_get_the_default_group_unless_they_are_not_secured() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let secured = port::create(&mut txn, &admin(), on(id)).unwrap();
    let default = txn.default_group(&admin().project_id).unwrap().id;
    assert_eq!(secured.security_groups, [default]);
    let groups = |groups: &[SecurityGroupId], on| NewPort {
        security_groups: Some(groups.to_vec()),
        port_security_enabled: Some(on),
        ..super::on(id)
    };
    let bare = port::create(&mut txn, &admin(), groups(&[], true)).unwrap();
    assert!(bare.security_groups.is_empty() && bare.port_security_enabled);
    let both = port::create(&mut txn, &admin(), groups(&[default], false));
    refused(both, "PortSecurityAndIPRequiredForSecurityGroups", 400);
    let unknown = port::create(&mut txn, &admin(), groups(&[SecurityGroupId::random()], true));
    refused(unknown, "SecurityGroupNotFound", 404);
    let service = NewPort { device_owner: Some("network:dhcp".to_owned()), ..on(id) };
    let service = port::create(&mut txn, &admin(), service).unwrap();
    assert!(!service.port_security_enabled && service.security_groups.is_empty());
    let off = || PortUpdate { port_security_enabled: Some(false), ..PortUpdate::default() };
    let kept = port::update(&mut txn, &admin(), secured.id, off(), None);
    refused(kept, "PortSecurityPortHasSecurityGroup", 409);
    let both = PortUpdate { security_groups: Some(Vec::new()), ..off() };
    port::update(&mut txn, &admin(), secured.id, both, None).unwrap();
    let open = NetworkUpdate { port_security_enabled: Some(false), ..NetworkUpdate::default() };
    network::update(&mut txn, &admin(), id, open, None).unwrap();
    assert!(!port::create(&mut txn, &admin(), on(id)).unwrap().port_security_enabled);
    txn.assert_sound();
}

#[test]
fn a_group_in_use_stays_and_takes_its_rules_with_it() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let (web, db) = (group(&mut txn), group(&mut txn));
    let from_web = NewSecurityGroupRule { remote_group_id: Some(Some(web.id)), ..ingress(db.id) };
    let from_web = create(&mut txn, from_web).unwrap();
    let member = NewPort { security_groups: Some(vec![web.id, web.id]), ..on(id) };
    let member = port::create(&mut txn, &admin(), member).unwrap();
    assert_eq!(member.security_groups, [web.id]);
    assert_eq!(txn.ports_of_group(web.id).count(), 1);
    refused(security_group::delete(&mut txn, &admin(), web.id), "SecurityGroupInUse", 409);
    let stateless = SecurityGroupUpdate { stateful: Some(false), ..SecurityGroupUpdate::default() };
    refused(security_group::update(&mut txn, &admin(), web.id, stateless, None), "HTTPBadRequest", 400);
    port::delete(&mut txn, &admin(), member.id).unwrap();
    security_group::delete(&mut txn, &admin(), web.id).unwrap();
    assert!(!txn.security_group_rules.contains_key(&from_web.id), "it named a group that is gone");
    assert_eq!(txn.rules_of_group(db.id).count(), 2);
    txn.assert_sound();
}

#[test]
fn ranges_of_ports_need_a_protocol_that_has_them() {
    let mut txn = txn();
    let id = group(&mut txn).id;
    let cases = [
        (ports(id, "tcp", Some(2), Some(1)), "SecurityGroupInvalidPortRange"),
        (ports(id, "tcp", Some(1), None), "SecurityGroupInvalidPortRange"),
        (ports(id, "udp", None, Some(1)), "SecurityGroupInvalidPortRange"),
        (ports(id, "sctp", Some(0), Some(1)), "SecurityGroupInvalidPortValue"),
        (ports(id, "gre", Some(1), Some(1)), "SecurityGroupInvalidProtocolForPort"),
        (ports(id, "icmp", Some(256), None), "SecurityGroupInvalidIcmpValue"),
        (ports(id, "icmp", Some(8), Some(256)), "SecurityGroupInvalidIcmpValue"),
        (ports(id, "icmp", None, Some(0)), "SecurityGroupMissingIcmpType"),
        (ports(id, "ipv6-icmp", None, None), "SecurityGroupEthertypeConflictWithProtocol"),
    ];
    for (new, error_type) in cases {
        refused(create(&mut txn, new), error_type, 400);
    }
    let mut without = ports(id, "tcp", Some(1), Some(1));
    without.protocol = Some(None);
    refused(create(&mut txn, without), "SecurityGroupProtocolRequiredWithPorts", 400);
    for right in
        [ports(id, "tcp", Some(80), Some(80)), ports(id, "icmp", Some(8), Some(0)), ports(id, "icmp", Some(0), None)]
    {
        create(&mut txn, right).unwrap();
    }
}

#[test]
fn the_other_side_is_a_range_or_a_group_of_the_same_ip_version() {
    let mut txn = txn();
    let own = group(&mut txn);
    let range =
        |cidr: &str| NewSecurityGroupRule { remote_ip_prefix: Some(Some(cidr.parse().unwrap())), ..ingress(own.id) };
    let fault = refused(create(&mut txn, range("fd00::/8")), "SecurityGroupRuleParameterConflict", 400);
    assert_eq!(fault.message, "Conflicting value ethertype IPv4 for CIDR fd00::/8");
    let both = NewSecurityGroupRule { remote_group_id: Some(Some(own.id)), ..range("10.0.0.0/8") };
    refused(create(&mut txn, both), "SecurityGroupMultipleRemoteEntites", 400);
    let nobody = NewSecurityGroupRule { remote_group_id: Some(Some(SecurityGroupId::random())), ..ingress(own.id) };
    refused(create(&mut txn, nobody), "SecurityGroupNotFound", 404);
    refused(create(&mut txn, ingress(SecurityGroupId::random())), "SecurityGroupNotFound", 404);
    let made = create(&mut txn, range("10.1.2.3/8")).unwrap();
    assert_eq!(made.remote_ip_prefix.unwrap().to_string(), "10.1.2.3/8");
    refused(create(&mut txn, range("10.9.9.9/8")), "SecurityGroupRuleExists", 409);
    let revision = |txn: &Txn| txn.security_groups[&own.id].revision_number;
    let before = revision(&txn);
    rule::delete(&mut txn, &admin(), made.id).unwrap();
    assert_eq!(revision(&txn), before + 1);
    refused(rule::delete(&mut txn, &admin(), made.id), "SecurityGroupRuleNotFound", 404);
}

#[test]
fn a_rule_that_says_the_same_again_is_refused() {
    let mut txn = txn();
    let id = group(&mut txn).id;
    let first = create(&mut txn, ports(id, "tcp", Some(80), Some(80))).unwrap();
    let fault = refused(create(&mut txn, ports(id, "6", Some(80), Some(80))), "SecurityGroupRuleExists", 409);
    assert_eq!(fault.message, format!("Security group rule already exists. Rule id is {}.", first.id));
    let mut described = ports(id, "tcp", Some(80), Some(80));
    described.description = Some("again".to_owned());
    described.remote_ip_prefix = "0.0.0.0/0".parse().ok().map(Some);
    refused(create(&mut txn, described), "SecurityGroupRuleExists", 409);
    let v6 =
        |protocol: &str| NewSecurityGroupRule { ethertype: Some(Ethertype::IPv6), ..ports(id, protocol, None, None) };
    assert_eq!(create(&mut txn, v6("icmp")).unwrap().protocol.unwrap().to_string(), "ipv6-icmp");
    refused(create(&mut txn, v6("58")), "SecurityGroupRuleExists", 409);
}

#[test]
fn address_pairs_default_to_the_ports_mac_and_follow_it() {
    let mut txn = txn();
    let (id, _) = net(&mut txn, "10.0.0.0/24");
    let pair = |ip: &str| AddressPair { ip_address: IpNetOrAddr::Addr(ip.parse().unwrap()), mac_address: None };
    let with = |pairs: Vec<AddressPair>| NewPort { allowed_address_pairs: Some(pairs), ..on(id) };
    let made = port::create(&mut txn, &admin(), with(vec![pair("10.0.0.99")])).unwrap();
    assert_eq!(made.allowed_address_pairs[0].mac_address, Some(made.mac_address));
    refused(port::create(&mut txn, &admin(), with(vec![pair("10.0.0.99"); 2])), "DuplicateAddressPairInRequest", 400);
    let many = (0..11).map(|n| pair(&format!("10.0.1.{n}"))).collect();
    refused(port::create(&mut txn, &admin(), with(many)), "AddressPairExhausted", 400);
    let open = NewPort { port_security_enabled: Some(false), ..with(vec![pair("10.0.0.99")]) };
    refused(port::create(&mut txn, &admin(), open), "AddressPairAndPortSecurityRequired", 409);
    let mac = "02:00:00:00:00:01".parse().unwrap();
    let update = PortUpdate { mac_address: Some(mac), ..PortUpdate::default() };
    let changed = port::update(&mut txn, &admin(), made.id, update, None).unwrap();
    assert_eq!(changed.allowed_address_pairs[0].mac_address, Some(mac));
    txn.assert_sound();
}

#[test]
fn the_operator_says_with_which_rules_groups_are_born() {
    let mut txn = txn();
    let new = |more: serde_json::Value| -> kuryr_neutron::NewDefaultRule { serde_json::from_value(more).unwrap() };
    let ssh = new(serde_json::json!({
        "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
        "used_in_default_sg": true, "used_in_non_default_sg": true,
    }));
    refused(default_rule::create(&mut txn, &user("p"), ssh.clone()), "PolicyNotAuthorized", 403);
    let before = group(&mut txn);
    let ssh = default_rule::create(&mut txn, &admin(), ssh).unwrap();
    let own = new(serde_json::json!({
        "direction": "ingress", "ethertype": "IPv6", "remote_group_id": "PARENT", "used_in_default_sg": false,
        "used_in_non_default_sg": true,
    }));
    default_rule::create(&mut txn, &admin(), own).unwrap();
    let opens =
        |txn: &Txn, group: SecurityGroupId| txn.rules_of_group(group).filter(|r| r.port_range_min == Some(22)).count();
    let trusts = |txn: &Txn, group: SecurityGroupId| txn.rules_naming_group(group).count();
    let after = group(&mut txn);
    assert_eq!((opens(&txn, after.id), trusts(&txn, after.id), after.security_group_rules.len()), (1, 1, 4));
    assert_eq!((opens(&txn, before.id), trusts(&txn, before.id)), (0, 0), "groups that are there stay as they are");
    let default = security_group::ensure_default(&mut txn, &kuryr_neutron::ProjectId("new".to_owned())).unwrap();
    assert_eq!((opens(&txn, default), trusts(&txn, default)), (1, 2));

    refused(default_rule::delete(&mut txn, &user("p"), ssh.id), "PolicyNotAuthorized", 403);
    default_rule::delete(&mut txn, &admin(), ssh.id).unwrap();
    let last = group(&mut txn);
    assert_eq!(opens(&txn, last.id), 0);
    refused(default_rule::delete(&mut txn, &admin(), ssh.id), "DefaultSecurityGroupRuleNotFound", 404);
}
