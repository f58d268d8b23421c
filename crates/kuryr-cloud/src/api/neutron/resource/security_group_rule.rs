//! Rules of security groups.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::create_each,
        scalar::{Attribute, Scalar, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn},
};
use ipnet::IpNet;
use kuryr_neutron::{
    AddressGroup, AddressGroupId, Direction, Ethertype, Fault, NewSecurityGroupRule, ProjectId, Protocol,
    SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId, SecurityGroupRuleUpdate, Tag,
};
use serde_json::Value;

pub(super) const DIRECTIONS: &[(&str, Direction)] = &[("ingress", Direction::Ingress), ("egress", Direction::Egress)];
pub(super) const ETHERTYPES: &[(&str, Ethertype)] = &[("IPv4", Ethertype::IPv4), ("IPv6", Ethertype::IPv6)];

pub(super) fn word<T: PartialEq>(words: &'static [(&'static str, T)], it: &T) -> Scalar<'static> {
    words.iter().find(|(_, known)| known == it).map_or(Scalar::Null, |(word, _)| Scalar::Text(word))
}

/// A name or a number, each as text or number.
fn protocol(value: &Value) -> Result<Protocol, Reason> {
    let unknown = || {
        let message = format!(
            "Security group rule protocol {} not supported. Only protocol names such as 'tcp', 'udp', 'icmp' and 'sctp' \
             and integer representations [0 to 255] are supported.",
            value::printed(value)
        );
        Fault::bad_request("SecurityGroupRuleInvalidProtocol", message)
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(unknown().into()),
    };
    text.parse().map_err(|_: kuryr_neutron::ProtocolError| unknown().into())
}

/// `any` is as good as none.
pub(super) fn protocol_or_any(value: &Value) -> Result<Option<Protocol>, Reason> {
    if value.is_null() || value.as_str().is_some_and(|word| word.eq_ignore_ascii_case("any")) {
        return Ok(None);
    }
    protocol(value).map(Some)
}

pub(super) fn ethertype(value: &Value) -> Result<Ethertype, Reason> {
    value::one_of(ETHERTYPES)(value).map_err(|_| {
        let message = format!(
            "Security group rule for ethertype '{}' not supported. Allowed values are ['IPv4', 'IPv6'].",
            value::printed(value)
        );
        Fault::bad_request("SecurityGroupRuleInvalidEtherType", message).into()
    })
}

pub(super) fn port_number(value: &Value) -> Result<u16, Reason> {
    value::narrow(0, 65535)(value).map_err(|_| {
        let message = format!("Invalid value for port {}", value::printed(value));
        Fault::bad_request("SecurityGroupInvalidPortValue", message).into()
    })
}

pub(super) fn prefix(value: &Value) -> Result<IpNet, Reason> {
    value::cidr(value).map_err(|_| {
        let message = format!("Invalid CIDR {} given as IP prefix.", value::printed(value));
        Fault::bad_request("InvalidCIDR", message).into()
    })
}

/// What is no id names no group.
fn group(value: &Value) -> Result<SecurityGroupId, Reason> {
    value::uuid(value).map_err(|_| SecurityGroup::not_found(&value::printed(value)).into())
}

/// What is no id names no address group.
pub(super) fn addresses(value: &Value) -> Result<AddressGroupId, Reason> {
    value::uuid(value).map_err(|_| AddressGroup::not_found(&value::printed(value)).into())
}

impl Exposed for SecurityGroupRule {
    type Row = SecurityGroupRule;
    const NOT_FOUND: &'static str = "SecurityGroupRuleNotFound";
    const TITLE: &'static str = "Security group rule";
    const ABSENT: &'static str = "does not exist";
    const READ_ONLY: &'static [&'static str] = &["id", "revision_number", "created_at", "updated_at"];
    const CREATE_ONLY: &'static [&'static str] = &[
        "project_id",
        "tenant_id",
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
        "remote_address_group_id",
    ];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(SecurityGroupRule {
            "id": Id = |r| r.id.0,
            "project_id": Text = |r| &r.project_id.0,
            "description": Text = |r| &r.description,
            "security_group_id": Id = |r| r.security_group_id.0,
            "direction": Text = |r| word(DIRECTIONS, &r.direction),
            "ethertype": Text = |r| word(ETHERTYPES, &r.ethertype),
            "protocol": Protocol = |r| r.protocol.as_ref().map(Protocol::number),
            "port_range_min": Number = |r| r.port_range_min,
            "port_range_max": Number = |r| r.port_range_max,
            "remote_ip_prefix": Net = |r| r.remote_ip_prefix,
            "remote_group_id": Id = |r| r.remote_group_id.map(|id| id.0),
            "remote_address_group_id": Id = |r| r.remote_address_group_id.map(|id| id.0),
            "revision_number": Number = |r| r.revision_number,
            "created_at": Time = |r| r.created_at,
            "updated_at": Time = |r| r.updated_at,
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &self.project_id
    }

    fn revision(&self) -> u64 {
        self.revision_number
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewSecurityGroupRule, Fault> {
        Ok(NewSecurityGroupRule {
            security_group_id: body.required("security_group_id", group)?,
            direction: body.required("direction", value::one_of(DIRECTIONS))?,
            ethertype: body.take("ethertype", ethertype)?,
            project_id: body.project()?,
            protocol: body.take("protocol", protocol_or_any)?,
            port_range_min: body.nullable("port_range_min", port_number)?,
            port_range_max: body.nullable("port_range_max", port_number)?,
            remote_ip_prefix: body.nullable("remote_ip_prefix", prefix)?,
            remote_group_id: body.nullable("remote_group_id", group)?,
            remote_address_group_id: body.nullable("remote_address_group_id", addresses)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<SecurityGroupRuleUpdate, Fault> {
        Ok(SecurityGroupRuleUpdate { description: body.take("description", value::name)? })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewSecurityGroupRule>) -> Result<Vec<Self>, Fault> {
        create_each!(security_group_rule, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: SecurityGroupRuleId,
        update: SecurityGroupRuleUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::security_group_rule::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: SecurityGroupRuleId) -> Result<(), Fault> {
        engine::security_group_rule::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        before.is_none() || after.is_none()
    }
}
