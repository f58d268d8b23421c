//! `get_subports`, `add_subports` and `remove_subports` of trunks.

use crate::{
    api::{
        Api, answer,
        body::read_object,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            attributes::{Attributes, Purpose},
            exposed::{Exposed, changed, find},
            resource::{parse_added, parse_removed},
        },
        openapi::{Operation, Schemas, body, object},
        routes::Routes,
    },
    engine::{Context, Txn, trunk},
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use kuryr_neutron::{Fault, PortId, SubPort, Trunk, TrunkId};
use schemars::JsonSchema;
use serde_json::json;
use std::sync::Arc;

type Parse<T> = fn(&mut Attributes<'_>) -> Result<Vec<T>, Fault>;
type Change<T> = fn(&mut Txn, &Context, TrunkId, &[T]) -> Result<Trunk, Fault>;

/// The three calls.
pub fn routes(base: &str) -> Routes {
    let path = |verb: &str| format!("{base}/trunks/{{id}}/{verb}_subports");
    let told = |operation: Operation| operation.answers(200, Schemas::resource::<Trunk>).refuses(&[404, 409, 503]);
    let add = Operation::neutron("Let a trunk carry more ports").takes(|schemas| {
        body::<AddedSubPorts>(schemas, Purpose::Update, |attributes| parse_added(attributes).map(|_| ()))
    });
    let remove = Operation::neutron("Let a trunk carry ports no more").takes(|schemas| {
        body::<RemovedSubPorts>(schemas, Purpose::Update, |attributes| parse_removed(attributes).map(|_| ()))
    });
    let list = Operation::neutron("List the ports that a trunk carries").answers(200, |schemas| {
        let sub_port = schemas.written::<SubPort>();
        object([("sub_ports", json!({"type": "array", "items": sub_port}))])
    });
    Routes::default()
        .get(&path("get"), show, list.refuses(&[404]))
        .put(
            &path("add"),
            |state, asker, id, request| change(parse_added, trunk::add_subports, state, asker, id, request),
            told(add),
        )
        .put(
            &path("remove"),
            |state, asker, id, request| change(parse_removed, trunk::remove_subports, state, asker, id, request),
            told(remove),
        )
}

/// The shape of the body.
#[derive(JsonSchema)]
#[allow(dead_code)] // its parser is `parse_added`
struct AddedSubPorts {
    /// What the trunk is to carry.
    sub_ports: Vec<SubPort>,
}

/// The shape of the body.
#[derive(JsonSchema)]
#[allow(dead_code)] // its parser is `parse_removed`
struct RemovedSubPorts {
    /// What the trunk carries.
    sub_ports: Vec<Carried>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Carried {
    /// The port.
    port_id: PortId,
}

async fn show(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
) -> Result<Response, Refusal> {
    let id: TrunkId = id.parse().map_err(|_| Trunk::not_found(&id))?;
    let sub_ports = api.engine.read(|state| find::<Trunk>(state, &context, id).map(|found| found.sub_ports.clone()))?;
    Ok(answer::json(StatusCode::OK, &json!({ "sub_ports": sub_ports })))
}

async fn change<T: Send + Sync + 'static>(
    parse: Parse<T>,
    operation: Change<T>,
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id: TrunkId = id.parse().map_err(|_| Trunk::not_found(&id))?;
    let body = read_object(request.into_body()).await?;
    let mut attributes = Attributes::new(body, Purpose::Update, "trunk", context.is_admin, &context.project_id);
    let sub_ports = parse(&mut attributes)?;
    attributes.finish(&[])?;
    let asking = context.clone();
    let committed = api.engine.write(move |txn| operation(txn, &asking, id, &sub_ports)).await?;
    // Committed either way; the data plane tries again what it could not do.
    let _ = api.wait(committed.revision).await;
    // Neutron puts nothing around this one.
    Ok(answer::json(StatusCode::OK, &changed(&committed.value, &context)))
}
