//! Rules that new security groups are born with.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{
            create_each,
            security_group_rule::{
                DIRECTIONS, ETHERTYPES, addresses, ethertype, port_number, prefix, protocol_or_any, word,
            },
        },
        scalar::{Attribute, attributes},
        value,
    },
    engine::{self, Context, Txn},
};
use kuryr_neutron::{DefaultRule, DefaultRuleId, DefaultRuleUpdate, Fault, NewDefaultRule, ProjectId, Protocol, Tag};
use serde_json::{Map, Value};

static NOBODY: ProjectId = ProjectId(String::new());

impl Exposed for DefaultRule {
    type Row = DefaultRule;
    const NOT_FOUND: &'static str = "DefaultSecurityGroupRuleNotFound";
    const TITLE: &'static str = "Default Security Group rule";
    const ABSENT: &'static str = "does not exist";
    const READ_ONLY: &'static [&'static str] = &["id"];
    const CREATE_ONLY: &'static [&'static str] = &[
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
        "remote_address_group_id",
        "description",
        "used_in_default_sg",
        "used_in_non_default_sg",
    ];
    const DECORATED: bool = true;

    fn of(row: &Self) -> &Self {
        row
    }

    /// Neutron tells neither owner nor history.
    fn decorate(answer: &mut Map<String, Value>) {
        for name in ["tenant_id", "revision_number", "created_at", "updated_at"] {
            answer.remove(name);
        }
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(DefaultRule {
            "id": Id = |r| r.id.0,
            "description": Text = |r| &r.description,
            "direction": Text = |r| word(DIRECTIONS, &r.direction),
            "ethertype": Text = |r| word(ETHERTYPES, &r.ethertype),
            "protocol": Protocol = |r| r.protocol.as_ref().map(Protocol::number),
            "port_range_min": Number = |r| r.port_range_min,
            "port_range_max": Number = |r| r.port_range_max,
            "remote_ip_prefix": Net = |r| r.remote_ip_prefix,
            "remote_address_group_id": Id = |r| r.remote_address_group_id.map(|id| id.0),
            "used_in_default_sg": Bool = |r| r.used_in_default_sg,
            "used_in_non_default_sg": Bool = |r| r.used_in_non_default_sg,
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &NOBODY
    }

    fn revision(&self) -> u64 {
        self.revision_number
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewDefaultRule, Fault> {
        Ok(NewDefaultRule {
            direction: body.required("direction", value::one_of(DIRECTIONS))?,
            ethertype: body.take("ethertype", ethertype)?,
            protocol: body.take("protocol", protocol_or_any)?.flatten(),
            port_range_min: body.take_unless_null("port_range_min", port_number)?,
            port_range_max: body.take_unless_null("port_range_max", port_number)?,
            remote_ip_prefix: body.take_unless_null("remote_ip_prefix", prefix)?,
            remote_group_id: body.take_unless_null("remote_group_id", value::uuid)?,
            remote_address_group_id: body.take_unless_null("remote_address_group_id", addresses)?,
            description: body.take("description", value::name)?,
            used_in_default_sg: body.required("used_in_default_sg", value::boolean)?,
            used_in_non_default_sg: body.required("used_in_non_default_sg", value::boolean)?,
        })
    }

    fn parse_update(_: &mut Attributes<'_>) -> Result<DefaultRuleUpdate, Fault> {
        Ok(DefaultRuleUpdate {})
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewDefaultRule>) -> Result<Vec<Self>, Fault> {
        create_each!(default_rule, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: DefaultRuleId,
        update: DefaultRuleUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::default_rule::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: DefaultRuleId) -> Result<(), Fault> {
        engine::default_rule::delete(txn, context, id)
    }
}
