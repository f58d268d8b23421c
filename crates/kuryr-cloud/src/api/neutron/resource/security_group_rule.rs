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
use kuryr_neutron::{
    Direction, Ethertype, Fault, NewSecurityGroupRule, ProjectId, Protocol, SecurityGroupRule, SecurityGroupRuleId,
    SecurityGroupRuleUpdate, Tag,
};
use serde_json::Value;

const DIRECTIONS: &[(&str, Direction)] = &[("ingress", Direction::Ingress), ("egress", Direction::Egress)];
const ETHERTYPES: &[(&str, Ethertype)] = &[("IPv4", Ethertype::IPv4), ("IPv6", Ethertype::IPv6)];

fn word<T: PartialEq>(words: &'static [(&'static str, T)], it: &T) -> Scalar<'static> {
    words.iter().find(|(_, known)| known == it).map_or(Scalar::Null, |(word, _)| Scalar::Text(word))
}

/// A name or a number, each as text or number.
fn protocol(value: &Value) -> Result<Protocol, Reason> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(value::not(other, "a protocol name or number")),
    };
    text.parse().map_err(|error: kuryr_neutron::ProtocolError| error.to_string())
}

impl Exposed for SecurityGroupRule {
    type Row = SecurityGroupRule;
    const NOT_FOUND: &'static str = "SecurityGroupRuleNotFound";
    const TITLE: &'static str = "Security group rule";
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
            security_group_id: body.required("security_group_id", value::uuid)?,
            direction: body.required("direction", value::one_of(DIRECTIONS))?,
            ethertype: body.take("ethertype", value::one_of(ETHERTYPES))?,
            project_id: body.project()?,
            protocol: body.nullable("protocol", protocol)?,
            port_range_min: body.nullable("port_range_min", value::narrow(0, 65535))?,
            port_range_max: body.nullable("port_range_max", value::narrow(0, 65535))?,
            remote_ip_prefix: body.nullable("remote_ip_prefix", value::cidr)?,
            remote_group_id: body.nullable("remote_group_id", value::uuid)?,
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
