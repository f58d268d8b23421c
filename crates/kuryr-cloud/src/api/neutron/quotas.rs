//! `/quotas`: how many of each kind a project may have, and has.

use crate::{
    api::{
        Api, answer, body,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            attributes::{Attributes, Purpose},
            value,
        },
        openapi::{Operation, object},
        routes::Routes,
    },
    engine::{
        Context, State as Everything,
        quota::{self, Counted, UNLIMITED},
    },
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use kuryr_neutron::{Fault, FaultKind, ProjectId};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// All calls about quotas.
pub fn routes(base: &str) -> Routes {
    let one = format!("{base}/quotas/{{project}}");
    let text = || json!({"type": "string"});
    let listed = Operation::neutron("List the quotas that differ from the default").answers(200, move |_| {
        let mut quota = limits(&json!({"type": "integer"}));
        if let Some(members) = quota.pointer_mut("/properties").and_then(Value::as_object_mut) {
            members.extend(["project_id", "tenant_id"].map(|name| (name.to_owned(), text())));
        }
        object([("quotas", json!({"type": "array", "items": quota}))])
    });
    let quota =
        |operation: Operation| operation.answers(200, |_| object([("quota", limits(&json!({"type": "integer"})))]));
    let detailed = || {
        let number = || json!({"type": "integer"});
        Operation::neutron("What a project may have, and has").answers(200, move |_| {
            let detail = object([("limit", number()), ("used", number()), ("reserved", number())]);
            object([("quota", limits(&detail))])
        })
    };
    let of_whom = |kind: &'static str, key: &'static str| {
        Operation::neutron("The asker's own project")
            .answers(200, move |_| object([(kind, object([(key, json!({"type": "string"}))]))]))
    };
    let change = quota(Operation::neutron("Say how many of each kind a project may have; -1: any number"))
        .takes(|_| {
            let least = UNLIMITED;
            let most = i32::MAX;
            let mut change = limits(&json!({"anyOf": [
                {"type": "integer", "minimum": least, "maximum": most}, {"$ref": "#/components/schemas/Digits"},
            ]}));
            if let Some(change) = change.as_object_mut() {
                change.remove("required");
            }
            if let Some(members) = change.pointer_mut("/properties").and_then(Value::as_object_mut) {
                let truth = || json!({"$ref": "#/components/schemas/Boolean"});
                members.extend(["force", "check_limit"].map(|name| (name.to_owned(), truth())));
            }
            json!({"type": "object", "required": ["quota"], "properties": {"quota": change}})
        })
        .refuses(&[503]);
    Routes::default()
        .get(&format!("{base}/quotas"), list, listed)
        .get(&format!("{base}/quotas/tenant"), own_tenant, of_whom("tenant", "tenant_id"))
        .get(&format!("{base}/quotas/project"), own_project, of_whom("project", "project_id"))
        .get(&one, show, quota(Operation::neutron("How many of each kind a project may have")))
        .put(&one, update, change)
        .delete(&one, remove, Operation::neutron("Back to the default").answers_nothing(204).refuses(&[404, 503]))
        .get(&format!("{one}/default"), default, quota(Operation::neutron("The default")))
        .get(&format!("{one}/details"), details, detailed())
        .get(&format!("{one}/details.json"), details, detailed())
}

/// An object with one of these for each kind that is counted.
fn limits(schema: &Value) -> Value {
    let names: Vec<&str> = Counted::ALL.iter().map(|kind| kind.name()).collect();
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": names, "properties": properties, "additionalProperties": false})
}

/// A project's limits as the API shows them.
fn shown(state: &Everything, project: &ProjectId) -> Map<String, Value> {
    let limit = |kind: &Counted| (kind.name().to_owned(), quota::limit(state, project, *kind).into());
    Counted::ALL.iter().map(limit).collect()
}

fn forbidden(rule: &str) -> Fault {
    let message = format!("rule:{rule} is disallowed by policy");
    Fault::new(FaultKind::Forbidden, "PolicyNotAuthorized", message)
}

/// One's own quota can be looked at, and administrators look at all.
fn check_own(context: &Context, project: &ProjectId) -> Result<(), Fault> {
    if context.owns(project) { Ok(()) } else { Err(forbidden("get_quota")) }
}

async fn list(State(api): State<Arc<Api>>, Asker(context): Asker) -> Result<Response, Refusal> {
    if !context.is_admin {
        return Err(forbidden("get_quota").into());
    }
    let quotas: Vec<Value> = api.engine.read(|state| {
        let one = |project: &ProjectId| {
            let mut shown = shown(state, project);
            shown.insert("project_id".to_owned(), project.0.as_str().into());
            shown.insert("tenant_id".to_owned(), project.0.as_str().into());
            Value::Object(shown)
        };
        state.quotas.values().map(|quota| one(&quota.project_id)).collect()
    });
    Ok(answer::json(StatusCode::OK, &json!({ "quotas": quotas })))
}

async fn own_tenant(Asker(context): Asker) -> Response {
    answer::json(StatusCode::OK, &json!({"tenant": {"tenant_id": context.project_id}}))
}

async fn own_project(Asker(context): Asker) -> Response {
    answer::json(StatusCode::OK, &json!({"project": {"project_id": context.project_id}}))
}

async fn show(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(project): PathParts<String>,
) -> Result<Response, Refusal> {
    let project = ProjectId(project);
    check_own(&context, &project)?;
    let quota = api.engine.read(|state| shown(state, &project));
    Ok(answer::json(StatusCode::OK, &json!({ "quota": quota })))
}

async fn default(Asker(context): Asker, PathParts(project): PathParts<String>) -> Result<Response, Refusal> {
    check_own(&context, &ProjectId(project))?;
    let quota: Map<String, Value> =
        Counted::ALL.iter().map(|kind| (kind.name().to_owned(), UNLIMITED.into())).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "quota": quota })))
}

async fn details(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(project): PathParts<String>,
) -> Result<Response, Refusal> {
    let project = ProjectId(project);
    if !context.owns(&project) {
        let message =
            "User does not have admin privileges: Only admin is authorized to access quotas for another project.";
        return Err(Fault::new(FaultKind::Forbidden, "AdminRequired", message).into());
    }
    let quota: Map<String, Value> = api.engine.read(|state| {
        let detail = |kind: &Counted| {
            let (limit, used) = (quota::limit(state, &project, *kind), state.used_of(&project, *kind));
            (kind.name().to_owned(), json!({"limit": limit, "used": used, "reserved": 0}))
        };
        Counted::ALL.iter().map(detail).collect()
    });
    Ok(answer::json(StatusCode::OK, &json!({ "quota": quota })))
}

async fn update(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(project): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let project = ProjectId(project);
    if !context.is_admin {
        return Err(forbidden("update_quota").into());
    }
    let mut body = body::read_object(request.into_body()).await?;
    let Some(Value::Object(object)) = body.remove("quota") else {
        return Err(Fault::bad_request("HTTPBadRequest", "Unable to find 'quota' in request body").into());
    };
    let mut attributes = Attributes::new(object, Purpose::Update, "quota", true, &context.project_id);
    let mut limits = BTreeMap::new();
    for kind in Counted::ALL {
        if let Some(limit) = attributes.take(kind.name(), value::integer(i64::MIN, i64::MAX))? {
            limits.insert(kind, bounded(kind, limit)?);
        }
    }
    let force = attributes.take("force", value::boolean)?.unwrap_or(false);
    // Asks for what is done anyway, unless forced.
    attributes.take("check_limit", value::boolean)?;
    attributes.finish(&[])?;
    let changed = project.clone();
    api.engine.write(move |txn| quota::update(txn, &context, &changed, limits, force)).await?;
    let quota = api.engine.read(|state| shown(state, &project));
    Ok(answer::json(StatusCode::OK, &json!({ "quota": quota })))
}

fn bounded(kind: Counted, limit: i64) -> Result<i32, Fault> {
    let wrong = |reason: String| {
        let message = format!("Invalid input for {}. Reason: '{limit}' is too {reason}.", kind.name());
        Fault::bad_request("HTTPBadRequest", message)
    };
    if limit < i64::from(UNLIMITED) {
        return Err(wrong(format!("small - must be at least '{UNLIMITED}'")));
    }
    i32::try_from(limit).map_err(|_| wrong(format!("large - must be no larger than '{}'", i32::MAX)))
}

async fn remove(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(project): PathParts<String>,
) -> Result<Response, Refusal> {
    api.engine.write(move |txn| quota::delete(txn, &context, &ProjectId(project))).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
