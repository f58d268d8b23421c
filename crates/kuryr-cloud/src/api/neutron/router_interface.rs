//! `add_router_interface` and `remove_router_interface`.

use crate::{
    api::{
        Api, answer,
        body::read_object,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            attributes::{Attributes, Purpose},
            exposed::Exposed,
            resource::parse_interface,
        },
        openapi::{Operation, Schemas, body},
        routes::Routes,
    },
    engine::{Context, Txn, router},
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use kuryr_neutron::{Fault, Router as NeutronRouter, RouterId, RouterInterface};
use std::sync::Arc;

type Change = fn(&mut Txn, &Context, RouterId, RouterInterface) -> Result<router::RouterInterfaceInfo, Fault>;

/// The two calls.
pub fn routes(base: &str) -> Routes {
    Routes::default()
        .put(
            &format!("{base}/routers/{{id}}/add_router_interface"),
            |state, asker, id, request| change(router::add_interface, state, asker, id, request),
            describe("Give a router an interface to a subnet, or by a port"),
        )
        .put(
            &format!("{base}/routers/{{id}}/remove_router_interface"),
            |state, asker, id, request| change(router::remove_interface, state, asker, id, request),
            describe("Take a router's interface"),
        )
}

fn describe(summary: &'static str) -> Operation {
    Operation::neutron(summary)
        .takes(|schemas| {
            body::<RouterInterface>(schemas, Purpose::Update, |attributes| parse_interface(attributes).map(|_| ()))
        })
        .answers(200, Schemas::written::<router::RouterInterfaceInfo>)
        .refuses(&[404, 409, 503])
}

async fn change(
    operation: Change,
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id: RouterId = id.parse().map_err(|_| NeutronRouter::not_found(&id))?;
    let body = read_object(request.into_body()).await?;
    let mut attributes = Attributes::new(body, Purpose::Update, "router", context.is_admin, &context.project_id);
    let interface = parse_interface(&mut attributes)?;
    attributes.finish(&[])?;
    let committed = api.engine.write(move |txn| operation(txn, &context, id, interface)).await?;
    // Committed either way; a router that does not forward yet is told by its status.
    let _ = api.wait(committed.revision).await;
    Ok(answer::json(StatusCode::OK, &committed.value))
}
