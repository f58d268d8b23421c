//! Address groups.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::create_each,
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn},
};
use ipnet::IpNet;
use kuryr_neutron::{AddressGroup, AddressGroupId, AddressGroupUpdate, Fault, NewAddressGroup, ProjectId, Tag};
use serde_json::Value;
use std::collections::BTreeSet;

/// A range with its length; host bits are forgotten.
fn net(value: &Value) -> Result<IpNet, Reason> {
    let net = value.as_str().and_then(|text| text.parse::<IpNet>().ok());
    net.map(|net| net.trunc()).ok_or_else(|| value::not(value, "a valid IP subnet"))
}

fn nets(value: &Value) -> Result<BTreeSet<IpNet>, Reason> {
    let mut all = BTreeSet::new();
    for net in value::list(net)(value)? {
        if !all.insert(net) {
            return Err(format!("Duplicate items in the list: '{net}'").into());
        }
    }
    Ok(all)
}

/// The body of `add_addresses` and `remove_addresses`.
pub fn parse_addresses(body: &mut Attributes<'_>) -> Result<BTreeSet<IpNet>, Fault> {
    body.required("addresses", |value| match value {
        Value::Array(items) => items
            .iter()
            .map(|item| {
                net(item).map_err(|_| {
                    let message = format!("invalid IPNetwork {}", value::printed(item));
                    Reason::Refused(Fault::bad_request("AddrFormatError", message))
                })
            })
            .collect(),
        other => Err(value::not(other, "a list")),
    })
}

impl Exposed for AddressGroup {
    type Row = AddressGroup;
    const NOT_FOUND: &'static str = "AddressGroupNotFound";
    const TITLE: &'static str = "Address group";
    const READ_ONLY: &'static [&'static str] = &["id", "shared", "revision_number", "created_at", "updated_at"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id", "addresses"];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(AddressGroup {
            "id": Id = |g| g.id.0,
            "name": Text = |g| &g.name,
            "project_id": Text = |g| &g.project_id.0,
            "description": Text = |g| &g.description,
            "revision_number": Number = |g| g.revision_number,
            "created_at": Time = |g| g.created_at,
            "updated_at": Time = |g| g.updated_at,
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

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewAddressGroup, Fault> {
        Ok(NewAddressGroup {
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            description: body.take("description", value::name)?,
            addresses: body.take("addresses", nets)?.unwrap_or_default(),
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<AddressGroupUpdate, Fault> {
        Ok(AddressGroupUpdate {
            name: body.take("name", value::name)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewAddressGroup>) -> Result<Vec<Self>, Fault> {
        create_each!(address_group, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: AddressGroupId,
        update: AddressGroupUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::address_group::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: AddressGroupId) -> Result<(), Fault> {
        engine::address_group::delete(txn, context, id)
    }
}
