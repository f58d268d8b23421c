//! RBAC policies.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::create_each,
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn, rbac::no_such_action},
};
use kuryr_neutron::{
    Fault, NewRbacPolicy, ProjectId, RbacAction, RbacPolicy, RbacPolicyId, RbacPolicyUpdate, RbacTarget, Shareable, Tag,
};
use serde_json::Value;
use uuid::Uuid;

/// `*` or the id of a project, which nobody looks up.
fn target(value: &Value) -> Result<RbacTarget, Reason> {
    match value.as_str() {
        Some(text) if text == "*" || Uuid::try_parse(text).is_ok() => Ok(RbacTarget::from(text.to_owned())),
        _ => {
            let given = value::printed(value);
            let reason = format!("'{given}' is not a valid target project ID; expected a UUID or '*'");
            Err(Reason::Refused(refused(&reason)))
        }
    }
}

fn refused(reason: &str) -> Fault {
    Fault::bad_request("InvalidInput", format!("Invalid input for operation: {reason}."))
}

impl Exposed for RbacPolicy {
    type Row = RbacPolicy;
    const NOT_FOUND: &'static str = "RbacPolicyNotFound";
    const TITLE: &'static str = "RBAC policy of type unknown with ID";
    const ABSENT: &'static str = "not found";
    const READ_ONLY: &'static [&'static str] = &["id"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id", "object_type", "object_id", "action"];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(RbacPolicy {
            "id": Id = |p| p.id.0,
            "project_id": Text = |p| &p.project_id.0,
            "object_type": Text = |p| p.object.kind(),
            "object_id": Id = |p| p.object.id(),
            "action": Text = |p| p.action.word(),
            "target_tenant": Text = |p| p.target_tenant.as_str(),
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &self.project_id
    }

    /// Neutron counts none.
    fn revision(&self) -> u64 {
        0
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewRbacPolicy, Fault> {
        let id: Uuid = body.required("object_id", value::uuid)?;
        let target_tenant = body.required("target_tenant", target)?;
        let action = body.required("action", value::name)?;
        let kind = body.required("object_type", value::name)?;
        let object = Shareable::new(&kind.trim().to_lowercase(), id)
            .ok_or_else(|| refused(&format!("'{kind}' is not a valid RBAC object type")))?;
        let known = [RbacAction::AccessAsShared, RbacAction::AccessAsExternal];
        let action = known.into_iter().find(|known| known.word() == action).ok_or(action);
        Ok(NewRbacPolicy {
            project_id: body.project()?,
            object,
            action: action.map_err(|unknown| no_such_action(object, &unknown))?,
            target_tenant,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<RbacPolicyUpdate, Fault> {
        Ok(RbacPolicyUpdate { target_tenant: body.take("target_tenant", target)? })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewRbacPolicy>) -> Result<Vec<Self>, Fault> {
        create_each!(rbac, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: RbacPolicyId,
        update: RbacPolicyUpdate,
        _: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::rbac::update(txn, context, id, update)
    }

    fn delete(txn: &mut Txn, context: &Context, id: RbacPolicyId) -> Result<(), Fault> {
        engine::rbac::delete(txn, context, id)
    }
}
