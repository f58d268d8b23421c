//! QoS policies.

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
use kuryr_neutron::{Fault, NewQosPolicy, ProjectId, QosPolicy, QosPolicyId, QosPolicyUpdate, Shareable, Tag};

impl Exposed for QosPolicy {
    type Row = QosPolicy;
    const NOT_FOUND: &'static str = "QosPolicyNotFound";
    const TITLE: &'static str = "QoS policy";
    const READ_ONLY: &'static [&'static str] = read_only!["rules"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id"];
    const SHAREABLE: Option<fn(QosPolicyId) -> Shareable> = Some(Shareable::QosPolicy);

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(QosPolicy {
            "id": Id = |p| p.id.0,
            "name": Text = |p| &p.name,
            "project_id": Text = |p| &p.project_id.0,
            "description": Text = |p| &p.description,
            "shared": Bool = |p| p.shared,
            "is_default": Bool = |p| p.is_default,
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

    fn shown(&self, state: &State, context: &Context) -> Self {
        engine::qos::shown(state, context, self)
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewQosPolicy, Fault> {
        Ok(NewQosPolicy {
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            shared: body.take("shared", value::boolean)?,
            is_default: body.take("is_default", value::boolean)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<QosPolicyUpdate, Fault> {
        Ok(QosPolicyUpdate {
            name: body.take("name", value::name)?,
            shared: body.take("shared", value::boolean)?,
            is_default: body.take("is_default", value::boolean)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewQosPolicy>) -> Result<Vec<Self>, Fault> {
        create_each!(qos, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: QosPolicyId,
        update: QosPolicyUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::qos::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: QosPolicyId) -> Result<(), Fault> {
        engine::qos::delete(txn, context, id)
    }
}
