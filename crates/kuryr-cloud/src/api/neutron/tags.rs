//! Tags of resources: all of them, or one by one.

use crate::{
    api::{
        Api, BodyError, answer, body,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            exposed::{Exposed, find},
            value::{self, Reason},
        },
        openapi::{Operation, Schemas, object},
        routes::Routes,
    },
    engine::{
        Txn,
        tags::{self, Kind},
    },
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use kuryr_neutron::{
    Fault, FaultKind, FloatingIp, FloatingIpId, Network, NetworkId, Port, PortId, QosPolicy, QosPolicyId,
    Router as NeutronRouter, RouterId, SecurityGroup, SecurityGroupId, Subnet, SubnetId, SubnetPool, SubnetPoolId, Tag,
    Trunk, TrunkId,
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A resource that can have tags.
trait Tagged: Exposed {
    const KIND: Kind;
    fn uuid(id: Self::Id) -> Uuid;
}

macro_rules! tagged {
    ($($type:ty, $id:ty, $kind:ident;)+) => {$(
        impl Tagged for $type {
            const KIND: Kind = Kind::$kind;
            fn uuid(id: $id) -> Uuid {
                id.0
            }
        }
    )+};
}

tagged! {
    Network, NetworkId, Network;
    Subnet, SubnetId, Subnet;
    SubnetPool, SubnetPoolId, SubnetPool;
    Port, PortId, Port;
    SecurityGroup, SecurityGroupId, SecurityGroup;
    NeutronRouter, RouterId, Router;
    FloatingIp, FloatingIpId, FloatingIp;
    QosPolicy, QosPolicyId, QosPolicy;
    Trunk, TrunkId, Trunk;
}

/// `/{PATH}/{id}/tags` and `/{PATH}/{id}/tags/{tag}`.
pub fn routes(base: &str) -> Routes {
    of::<Network>(base, "networks")
        .merge(of::<Subnet>(base, "subnets"))
        .merge(of::<SubnetPool>(base, "subnetpools"))
        .merge(of::<Port>(base, "ports"))
        .merge(of::<NeutronRouter>(base, "routers"))
        .merge(of::<FloatingIp>(base, "floatingips"))
        .merge(of::<QosPolicy>(base, "policies"))
        .merge(of::<Trunk>(base, "trunks"))
        .merge(of::<SecurityGroup>(base, "security-groups"))
        // Neutron's tag API spells this one with an underscore, its other calls do not.
        .merge(of::<SecurityGroup>(base, "security_groups"))
}

fn of<R: Tagged>(base: &str, path: &str) -> Routes {
    let all = format!("{base}/{path}/{{id}}/tags");
    let one = format!("{all}/{{tag}}");
    let operation = |summary: &'static str| Operation::neutron(summary).refuses(&[404]);
    let change = |summary| operation(summary).refuses(&[409, 503]);
    Routes::default()
        .get(&all, list::<R>, operation("List tags").answers(200, all_tags))
        .put(&all, replace::<R>, change("Replace all tags").takes(new_tags).answers(200, all_tags))
        .post(&all, extend::<R>, change("Add several tags").takes(new_tags).answers(200, all_tags))
        .delete(&all, clear::<R>, change("Remove all tags").answers_nothing(204))
        .get(&one, has::<R>, operation("Is there this tag?").answers_nothing(204).refuses(&[400]))
        .put(&one, add::<R>, change("Add a tag").answers_nothing(201).refuses(&[400]))
        .delete(&one, remove::<R>, change("Remove a tag").answers_nothing(204).refuses(&[400]))
}

fn all_tags(schemas: &mut Schemas) -> Value {
    let tag = schemas.written::<Tag>();
    object([("tags", json!({"type": "array", "items": tag}))])
}

fn new_tags(_: &mut Schemas) -> Value {
    let tag = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/\\u0000-\\u001f\\u007f-\\u009f]+$"});
    let tags = json!({"type": "array", "items": tag, "uniqueItems": true});
    json!({"type": "object", "required": ["tags"], "properties": {"tags": tags}})
}

async fn list<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tags = api.engine.read(|state| find::<R>(state, &context, id).map(|found| found.tags().to_vec()))?;
    Ok(answer::json(StatusCode::OK, &json!({ "tags": tags })))
}

async fn has<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((id, tag)): PathParts<(String, String)>,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tag = parse_tag(&tag)?;
    let found = api.engine.read(|state| find::<R>(state, &context, id).map(|found| found.tags().contains(&tag)))?;
    if found {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Fault::new(FaultKind::NotFound, "TagNotFound", format!("Tag {tag} could not be found.")).into())
}

async fn replace<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tags = read_tags(request).await?;
    let write = move |txn: &mut _| tags::replace(txn, &context, R::KIND, R::uuid(id), tags);
    let committed = api.engine.write(write).await?;
    Ok(answer::json(StatusCode::OK, &json!({"tags": committed.value})))
}

async fn extend<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tags = read_tags(request).await?;
    let shown = json!({ "tags": tags });
    let write =
        move |txn: &mut Txn| tags.into_iter().try_for_each(|tag| tags::add(txn, &context, R::KIND, R::uuid(id), tag));
    api.engine.write(write).await?;
    Ok(answer::json(StatusCode::OK, &shown))
}

/// `{"tags": […]}`, each once.
async fn read_tags(request: Request) -> Result<Vec<Tag>, Refusal> {
    let wrong = || invalid("Invalid tags body");
    let body = match body::read_object(request.into_body()).await {
        Err(BodyError::TooLarge) => return Err(Refusal::TooLarge),
        other => other.map_err(|_| wrong())?,
    };
    let tags = body.get("tags").ok_or_else(wrong)?;
    let tag = |value: &serde_json::Value| {
        let text = value::text(255)(value)?;
        text.parse::<Tag>().map_err(|error| error.to_string().into())
    };
    let tags = value::list(tag)(tags).map_err(invalid)?;
    if let Some(twin) = tags.iter().enumerate().find_map(|(i, tag)| tags[..i].contains(tag).then_some(tag)) {
        return Err(invalid(format!("Duplicate items in the list: '{twin}'")).into());
    }
    Ok(tags)
}

async fn clear<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    api.engine.write(move |txn| tags::replace(txn, &context, R::KIND, R::uuid(id), Vec::new())).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn add<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((id, tag)): PathParts<(String, String)>,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tag = parse_tag(&tag)?;
    api.engine.write(move |txn| tags::add(txn, &context, R::KIND, R::uuid(id), tag)).await?;
    Ok(StatusCode::CREATED.into_response())
}

async fn remove<R: Tagged>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((id, tag)): PathParts<(String, String)>,
) -> Result<Response, Refusal> {
    let id = parse_id::<R>(&id)?;
    let tag = parse_tag(&tag)?;
    api.engine.write(move |txn| tags::remove(txn, &context, R::KIND, R::uuid(id), &tag)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id<R: Tagged>(id: &str) -> Result<R::Id, Fault> {
    id.parse().map_err(|_| R::not_found(id))
}

fn parse_tag(tag: &str) -> Result<Tag, Fault> {
    tag.parse().map_err(|error: kuryr_neutron::TagError| invalid(error.to_string()))
}

/// Tags are checked by hand in Neutron, and all that is wrong with them is worded alike.
fn invalid(reason: impl Into<Reason>) -> Fault {
    reason.into().unconvertible().fault("tags")
}
