//! `add_addresses` and `remove_addresses` of address groups.

use crate::{
    api::{
        Api, answer, body,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            attributes::{Attributes, Purpose},
            exposed::{Exposed, changed},
            resource::parse_addresses,
        },
    },
    engine::{Context, Txn, address_group},
};
use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::put,
};
use http::StatusCode;
use ipnet::IpNet;
use kuryr_neutron::{AddressGroup, AddressGroupId, Fault};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

type Operation = fn(&mut Txn, &Context, AddressGroupId, &BTreeSet<IpNet>) -> Result<AddressGroup, Fault>;

/// The two calls.
pub fn routes(base: &str) -> Router<Arc<Api>> {
    Router::new()
        .route(
            &format!("{base}/address-groups/{{id}}/add_addresses"),
            put(|state, asker, id, request| change(address_group::add_addresses, state, asker, id, request)),
        )
        .route(
            &format!("{base}/address-groups/{{id}}/remove_addresses"),
            put(|state, asker, id, request| change(address_group::remove_addresses, state, asker, id, request)),
        )
}

async fn change(
    operation: Operation,
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id: AddressGroupId = id.parse().map_err(|_| AddressGroup::not_found(&id))?;
    let body = body::read_object(request.into_body()).await?;
    let mut attributes = Attributes::new(body, Purpose::Update, "address_group", context.is_admin, &context.project_id);
    let addresses = parse_addresses(&mut attributes)?;
    attributes.finish(&[])?;
    let asking = context.clone();
    let committed = api.engine.write(move |txn| operation(txn, &asking, id, &addresses)).await?;
    // Committed either way; the data plane tries again what it could not do.
    let _ = api.wait(committed.revision).await;
    let group = changed(&committed.value, &context);
    Ok(answer::json(StatusCode::OK, &json!({ "address_group": group })))
}
