//! Trunks, and the bodies of the calls that change their subports.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, network::status, read_only},
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn, trunk::SEGMENTATION_INHERIT},
};
use kuryr_neutron::{Fault, NewTrunk, PortId, ProjectId, SEGMENTATION_VLAN, SubPort, Tag, Trunk, TrunkId, TrunkUpdate};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const KEYS: [&str; 3] = ["port_id", "segmentation_type", "segmentation_id"];

/// Neutron says the same of a subport's shape in two ways: of one in a new trunk as of an attribute, of others so.
fn of_call(reason: String) -> Reason {
    Fault::bad_request("InvalidInput", format!("Invalid input for operation: {reason}.")).into()
}

/// A subport's port, and all that is said of it.
type Shape<'a> = (PortId, &'a Map<String, Value>);

/// A list of subports. `wrong` makes a refusal.
fn shapes(value: &Value, wrong: fn(String) -> Reason) -> Result<Vec<Shape<'_>>, Reason> {
    let shown = value::printed;
    let all = value.as_array();
    let all =
        all.ok_or_else(|| wrong(format!("Invalid data format for subports: '{}' is not a list", shown(value))))?;
    let (mut ports, mut numbers, mut found) = (BTreeSet::new(), Vec::new(), Vec::new());
    for item in all {
        let record = item.as_object();
        let record =
            record.ok_or_else(|| wrong(format!("Invalid data format for subport: '{}' is not a dict", shown(item))))?;
        let id = record.get("port_id").ok_or_else(|| wrong("A valid port UUID must be specified".to_owned()))?;
        let port = id.as_str().and_then(|id| id.parse::<PortId>().ok());
        let port = port.ok_or_else(|| wrong(format!("Invalid UUID for subport: '{}'", shown(id))))?;
        if !ports.insert(port) {
            return Err(wrong(format!("Non unique UUID for subport: '{port}'")));
        }
        value::record(item, &KEYS)?;
        if !inherits(record) && record.len() > 1 {
            let (_, number) = segmentation(record).ok_or_else(|| wrong(incomplete(record)))?;
            if numbers.contains(&shown(number)) {
                return Err(wrong(format!("Segmentation ID '{}' for '{port}' is not unique", shown(number))));
            }
            numbers.push(shown(number));
        }
        found.push((port, record));
    }
    Ok(found)
}

fn inherits(record: &Map<String, Value>) -> bool {
    record.get("segmentation_type").is_some_and(|kind| kind == SEGMENTATION_INHERIT)
}

/// A subport's kind of segmentation and its number, if both are there.
fn segmentation(record: &Map<String, Value>) -> Option<(&Value, &Value)> {
    let given = |key| record.get(key).filter(|value| !value.is_null() && *value != "");
    Some((given("segmentation_type")?, given("segmentation_id")?))
}

fn incomplete(record: &Map<String, Value>) -> String {
    let record = value::printed(&Value::Object(record.clone()));
    format!(
        "Invalid subport details '{record}': missing segmentation information. Must specify both segmentation_id and \
         segmentation_type"
    )
}

/// Subports for a trunk to carry.
fn carried(value: &Value, wrong: fn(String) -> Reason) -> Result<Vec<SubPort>, Reason> {
    let carried = |(port, record): Shape<'_>| {
        if inherits(record) {
            return engine::trunk::check_segmentation(SEGMENTATION_INHERIT, 0)
                .map(|vlan| SubPort::on_vlan(port, vlan))
                .map_err(Reason::from);
        }
        let (kind, number) = segmentation(record).ok_or_else(|| of_call(incomplete(record)))?;
        let id = value::integer(i64::MIN, i64::MAX)(number).map_err(|_| {
            let number = value::printed(number);
            of_call(format!("Invalid subport details: segmentation_id '{number}' is not an integer"))
        })?;
        let vlan = engine::trunk::check_segmentation(&value::printed(kind), id)?;
        Ok(SubPort { port_id: port, segmentation_type: SEGMENTATION_VLAN.to_owned(), segmentation_id: vlan })
    };
    shapes(value, wrong)?.into_iter().map(carried).collect()
}

/// The body of `add_subports`.
pub fn parse_added(body: &mut Attributes<'_>) -> Result<Vec<SubPort>, Fault> {
    body.required("sub_ports", |value| carried(value, of_call))
}

/// The body of `remove_subports`.
pub fn parse_removed(body: &mut Attributes<'_>) -> Result<Vec<PortId>, Fault> {
    let ports = |value: &Value| Ok(shapes(value, of_call)?.into_iter().map(|(port, _)| port).collect());
    body.required("sub_ports", ports)
}

impl Exposed for Trunk {
    type Row = Trunk;
    const NOT_FOUND: &'static str = "TrunkNotFound";
    const TITLE: &'static str = "Trunk";
    const READ_ONLY: &'static [&'static str] = read_only!["status"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id", "port_id", "sub_ports"];
    const BULK: bool = false;

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(Trunk {
            "id": Id = |t| t.id.0,
            "name": Text = |t| &t.name,
            "project_id": Text = |t| &t.project_id.0,
            "description": Text = |t| &t.description,
            "port_id": Id = |t| t.port_id.0,
            "admin_state_up": Bool = |t| t.admin_state_up,
            "status": Text = |t| status(t.status),
            "revision_number": Number = |t| t.revision_number,
            "created_at": Time = |t| t.created_at,
            "updated_at": Time = |t| t.updated_at,
        })
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    fn project(&self) -> &ProjectId {
        &self.project_id
    }

    fn revision(&self) -> u64 {
        self.revision_number
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewTrunk, Fault> {
        Ok(NewTrunk {
            name: body.take("name", value::name)?.unwrap_or_default(),
            port_id: Some(body.required("port_id", value::uuid)?),
            project_id: body.project()?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            sub_ports: body.take("sub_ports", |value| carried(value, Reason::Invalid))?.unwrap_or_default(),
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<TrunkUpdate, Fault> {
        Ok(TrunkUpdate {
            name: body.take("name", value::name)?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewTrunk>) -> Result<Vec<Self>, Fault> {
        create_each!(trunk, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: TrunkId,
        update: TrunkUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::trunk::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: TrunkId) -> Result<(), Fault> {
        engine::trunk::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        let carried = |trunk: Option<&Self>| trunk.map(|trunk| trunk.sub_ports.clone()).unwrap_or_default();
        carried(before) != carried(after)
    }
}
