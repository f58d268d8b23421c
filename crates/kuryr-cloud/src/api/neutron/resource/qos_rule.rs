//! Rules of QoS policies: limits of bandwidth, and marks on packets.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        nested::Nested,
        scalar::{Attribute, Scalar, attributes},
        value::{self, Reason, none_of_them, printed},
    },
    engine::{
        self, Context, Txn,
        qos_rule::{BandwidthLimitRecord, DscpMarkingRecord},
    },
};
use kuryr_neutron::{
    BandwidthLimitRule, BandwidthLimitRuleUpdate, DSCP_MARKS, Direction, DscpMarkingRule, DscpMarkingRuleUpdate, Fault,
    NewBandwidthLimitRule, NewDscpMarkingRule, ProjectId, QosPolicy, QosPolicyId, QosRuleId, Tag,
};
use serde_json::{Map, Value};

/// Rules are their policy's.
static NOBODY: ProjectId = ProjectId(String::new());
/// The largest number of Neutron's database.
pub const MOST_KBPS: u32 = i32::MAX.cast_unsigned();
/// The ways of traffic, seen from a port.
pub const DIRECTIONS: &[(&str, Direction)] = &[("ingress", Direction::Ingress), ("egress", Direction::Egress)];

fn kbps(value: &Value) -> Result<u32, Reason> {
    let number = value::integer(i64::MIN, i64::MAX)(value)?;
    match u32::try_from(number) {
        Ok(kbps) if kbps <= MOST_KBPS => Ok(kbps),
        _ if number < 0 => Err(format!("'{number}' is too small - must be at least '0'").into()),
        _ => Err(format!("'{number}' is too large - must be no larger than '{MOST_KBPS}'").into()),
    }
}

fn dscp_mark(value: &Value) -> Result<u8, Reason> {
    let number = value::integer(i64::MIN, i64::MAX)(value)?;
    let known = DSCP_MARKS.into_iter().find(|mark| i64::from(*mark) == number);
    known.ok_or_else(|| format!("{} is not in valid_values", printed(value)).into())
}

fn direction(value: &Value) -> Result<Direction, Reason> {
    let found = DIRECTIONS.iter().find(|(word, _)| value.as_str() == Some(*word));
    found.map(|(_, way)| *way).ok_or_else(|| none_of_them(value, DIRECTIONS.iter().map(|(word, _)| *word)))
}

fn word(direction: Direction) -> Scalar<'static> {
    Scalar::Text(match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    })
}

impl Exposed for BandwidthLimitRule {
    type Row = BandwidthLimitRecord;
    const NOT_FOUND: &'static str = "QosRuleNotFound";
    const TITLE: &'static str = "QoS rule";
    const READ_ONLY: &'static [&'static str] = &["id"];
    const DECORATED: bool = true;

    fn of(row: &BandwidthLimitRecord) -> &Self {
        &row.rule
    }

    /// Neutron tells no owner.
    fn decorate(answer: &mut Map<String, Value>) {
        answer.remove("tenant_id");
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(BandwidthLimitRule {
            "id": Id = |r| r.id.0,
            "max_kbps": Number = |r| r.max_kbps,
            "max_burst_kbps": Number = |r| r.max_burst_kbps,
            "direction": Text = |r| word(r.direction),
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &NOBODY
    }

    fn revision(&self) -> u64 {
        0
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewBandwidthLimitRule, Fault> {
        Ok(NewBandwidthLimitRule {
            qos_policy_id: None,
            max_kbps: body.required("max_kbps", kbps)?,
            max_burst_kbps: body.take("max_burst_kbps", kbps)?,
            direction: body.take("direction", direction)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<BandwidthLimitRuleUpdate, Fault> {
        Ok(BandwidthLimitRuleUpdate {
            max_kbps: body.take("max_kbps", kbps)?,
            max_burst_kbps: body.take("max_burst_kbps", kbps)?,
            direction: body.take("direction", direction)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewBandwidthLimitRule>) -> Result<Vec<Self>, Fault> {
        new.into_iter().map(|new| engine::qos_rule::create_limit(txn, context, new)).collect()
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: QosRuleId,
        update: BandwidthLimitRuleUpdate,
        _: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::qos_rule::update_limit(txn, context, id, update)
    }

    fn delete(txn: &mut Txn, context: &Context, id: QosRuleId) -> Result<(), Fault> {
        engine::qos_rule::delete_limit(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        before != after
    }
}

impl Nested for BandwidthLimitRule {
    type Parent = QosPolicy;

    fn parent(row: &BandwidthLimitRecord) -> QosPolicyId {
        row.qos_policy_id
    }

    fn place(new: NewBandwidthLimitRule, parent: QosPolicyId) -> NewBandwidthLimitRule {
        NewBandwidthLimitRule { qos_policy_id: Some(parent), ..new }
    }

    fn absent(parent: QosPolicyId, id: &str) -> Fault {
        engine::qos_rule::not_found(parent, id)
    }
}

impl Exposed for DscpMarkingRule {
    type Row = DscpMarkingRecord;
    const NOT_FOUND: &'static str = "QosRuleNotFound";
    const TITLE: &'static str = "QoS rule";
    const READ_ONLY: &'static [&'static str] = &["id"];
    const DECORATED: bool = true;

    fn of(row: &DscpMarkingRecord) -> &Self {
        &row.rule
    }

    /// Neutron tells no owner.
    fn decorate(answer: &mut Map<String, Value>) {
        answer.remove("tenant_id");
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(DscpMarkingRule {
            "id": Id = |r| r.id.0,
            "dscp_mark": Number = |r| r.dscp_mark,
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &NOBODY
    }

    fn revision(&self) -> u64 {
        0
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewDscpMarkingRule, Fault> {
        Ok(NewDscpMarkingRule { qos_policy_id: None, dscp_mark: body.required("dscp_mark", dscp_mark)? })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<DscpMarkingRuleUpdate, Fault> {
        Ok(DscpMarkingRuleUpdate { dscp_mark: body.take("dscp_mark", dscp_mark)? })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewDscpMarkingRule>) -> Result<Vec<Self>, Fault> {
        new.into_iter().map(|new| engine::qos_rule::create_marking(txn, context, new)).collect()
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: QosRuleId,
        update: DscpMarkingRuleUpdate,
        _: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::qos_rule::update_marking(txn, context, id, update)
    }

    fn delete(txn: &mut Txn, context: &Context, id: QosRuleId) -> Result<(), Fault> {
        engine::qos_rule::delete_marking(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        before != after
    }
}

impl Nested for DscpMarkingRule {
    type Parent = QosPolicy;

    fn parent(row: &DscpMarkingRecord) -> QosPolicyId {
        row.qos_policy_id
    }

    fn place(new: NewDscpMarkingRule, parent: QosPolicyId) -> NewDscpMarkingRule {
        NewDscpMarkingRule { qos_policy_id: Some(parent), ..new }
    }

    fn absent(parent: QosPolicyId, id: &str) -> Fault {
        engine::qos_rule::not_found(parent, id)
    }
}
