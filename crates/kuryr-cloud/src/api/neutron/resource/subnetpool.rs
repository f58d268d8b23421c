//! Subnet pools.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, read_only},
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, State, Txn},
};
use kuryr_neutron::{Fault, NewSubnetPool, ProjectId, Shareable, SubnetPool, SubnetPoolId, SubnetPoolUpdate, Tag};
use serde_json::{Map, Value, json};

fn length(value: &Value) -> Result<u8, Reason> {
    value::narrow(0, 128)(value)
}

fn quota(value: &Value) -> Result<u64, Reason> {
    value::narrow(0, i64::MAX)(value)
}

impl Exposed for SubnetPool {
    type Row = SubnetPool;
    const NOT_FOUND: &'static str = "SubnetPoolNotFound";
    const TITLE: &'static str = "Subnet pool";
    const READ_ONLY: &'static [&'static str] = read_only!["ip_version", "address_scope_id"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id", "shared"];

    const DECORATED: bool = true;
    const SHAREABLE: Option<fn(SubnetPoolId) -> Shareable> = Some(Shareable::SubnetPool);

    fn of(row: &Self) -> &Self {
        row
    }

    fn shown(&self, state: &State, context: &Context) -> Self {
        let shared = state.is_shared_with(Shareable::SubnetPool(self.id), &context.project_id);
        Self { shared, ..self.clone() }
    }

    /// Neutron writes these numbers as texts, but to whoever changes the pool.
    fn decorate(answer: &mut Map<String, Value>) {
        for name in ["default_prefixlen", "min_prefixlen", "max_prefixlen"] {
            if let Some(length) = answer.get_mut(name) {
                *length = Value::String(length.to_string());
            }
        }
    }

    fn describe_decoration(schema: &mut Value) {
        for name in ["default_prefixlen", "min_prefixlen", "max_prefixlen"] {
            if let Some(length) = schema.pointer_mut(&format!("/properties/{name}")) {
                *length = json!({"anyOf": [length.take(), {"type": "string", "pattern": "^[0-9]{1,3}$"}]});
            }
        }
    }

    fn decorate_changed(_: &mut Map<String, Value>) {}

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(SubnetPool {
            "id": Id = |p| p.id.0,
            "name": Text = |p| &p.name,
            "project_id": Text = |p| &p.project_id.0,
            "description": Text = |p| &p.description,
            "ip_version": Number = |p| p.ip_version,
            "default_prefixlen": Number = |p| p.default_prefixlen,
            "min_prefixlen": Number = |p| p.min_prefixlen,
            "max_prefixlen": Number = |p| p.max_prefixlen,
            "shared": Bool = |p| p.shared,
            "is_default": Bool = |p| p.is_default,
            "default_quota": Number = |p| p.default_quota,
            "address_scope_id": Text = |p| p.address_scope_id.as_ref(),
            "revision_number": Number = |p| p.revision_number,
            "created_at": Time = |p| p.created_at,
            "updated_at": Time = |p| p.updated_at,
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

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewSubnetPool, Fault> {
        Ok(NewSubnetPool {
            name: body.required("name", value::name)?,
            prefixes: body.required("prefixes", value::list(value::cidr))?,
            project_id: body.project()?,
            default_prefixlen: body.take_unless_null("default_prefixlen", length)?,
            min_prefixlen: body.take_unless_null("min_prefixlen", length)?,
            max_prefixlen: body.take_unless_null("max_prefixlen", length)?,
            shared: body.admins_if("shared", value::boolean, |shared| *shared)?,
            is_default: body.admins_if("is_default", value::boolean, |is_default| *is_default)?,
            default_quota: body.nullable("default_quota", quota)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<SubnetPoolUpdate, Fault> {
        Ok(SubnetPoolUpdate {
            name: body.take("name", value::name)?,
            prefixes: body.take("prefixes", value::list(value::cidr))?,
            default_prefixlen: body.take("default_prefixlen", length)?,
            min_prefixlen: body.take("min_prefixlen", length)?,
            max_prefixlen: body.take("max_prefixlen", length)?,
            is_default: body.admins("is_default", value::boolean)?,
            default_quota: body.nullable("default_quota", quota)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewSubnetPool>) -> Result<Vec<Self>, Fault> {
        create_each!(subnetpool, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: SubnetPoolId,
        update: SubnetPoolUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::subnetpool::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: SubnetPoolId) -> Result<(), Fault> {
        engine::subnetpool::delete(txn, context, id)
    }
}
