//! Security groups.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, read_only},
        scalar::{Attribute, attributes},
        value,
    },
    engine::{self, Context, State, Txn},
};
use kuryr_neutron::{
    Fault, NewSecurityGroup, ProjectId, SecurityGroup, SecurityGroupId, SecurityGroupUpdate, Shareable, Tag,
};
use serde_json::{Map, Value};

impl Exposed for SecurityGroup {
    type Row = SecurityGroup;
    const NOT_FOUND: &'static str = "SecurityGroupNotFound";
    const TITLE: &'static str = "Security group";
    const ABSENT: &'static str = "does not exist";
    const READ_ONLY: &'static [&'static str] = read_only!["security_group_rules", "shared"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id"];
    const DECORATED: bool = true;
    const SHAREABLE: Option<fn(SecurityGroupId) -> Shareable> = Some(Shareable::SecurityGroup);

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(SecurityGroup {
            "id": Id = |g| g.id.0,
            "name": Text = |g| &g.name,
            "project_id": Text = |g| &g.project_id.0,
            "description": Text = |g| &g.description,
            "stateful": Bool = |g| g.stateful,
            "shared": Bool = |g| g.shared,
            "revision_number": Number = |g| g.revision_number,
            "created_at": Time = |g| g.created_at,
            "updated_at": Time = |g| g.updated_at,
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

    fn shown(&self, state: &State, context: &Context) -> Self {
        let shared = state.is_shared_with(Shareable::SecurityGroup(self.id), &context.project_id);
        Self { shared, ..state.group_with_rules(self.id).unwrap_or_else(|| self.clone()) }
    }

    /// As in Neutron, a project has its default group as soon as it looks.
    fn wants_seed(state: &State, context: &Context) -> bool {
        !context.project_id.0.is_empty() && state.default_group(&context.project_id).is_none()
    }

    fn seed(txn: &mut Txn, context: &Context) -> Result<(), Fault> {
        engine::security_group::ensure_default(txn, &context.project_id).map(|_| ())
    }

    /// Rules inside a group have their owner under the older name too.
    fn decorate(answer: &mut Map<String, Value>) {
        let rules = answer.get_mut("security_group_rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
            let owner = rule.get("project_id").cloned().unwrap_or_default();
            rule.insert("tenant_id".to_owned(), owner);
        }
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewSecurityGroup, Fault> {
        Ok(NewSecurityGroup {
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            description: body.take("description", value::name)?,
            stateful: body.take("stateful", value::boolean)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<SecurityGroupUpdate, Fault> {
        Ok(SecurityGroupUpdate {
            name: body.take("name", value::name)?,
            description: body.take("description", value::name)?,
            stateful: body.take("stateful", value::boolean)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewSecurityGroup>) -> Result<Vec<Self>, Fault> {
        create_each!(security_group, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: SecurityGroupId,
        update: SecurityGroupUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::security_group::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: SecurityGroupId) -> Result<(), Fault> {
        engine::security_group::delete(txn, context, id)
    }
}
