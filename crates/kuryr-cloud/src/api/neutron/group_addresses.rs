//! `add_addresses` and `remove_addresses` of address groups.

use crate::{
    api::{
        Api, answer,
        body::read_object,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            attributes::{Attributes, Purpose},
            exposed::{Exposed, changed},
            resource::parse_addresses,
        },
        openapi::{Operation, Schemas, body},
        routes::Routes,
    },
    engine::{Context, Txn, address_group},
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use ipnet::IpNet;
use kuryr_neutron::{AddressGroup, AddressGroupId, Fault};
use schemars::JsonSchema;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

type Change = fn(&mut Txn, &Context, AddressGroupId, &BTreeSet<IpNet>) -> Result<AddressGroup, Fault>;

/// The two calls.
pub fn routes(base: &str) -> Routes {
    Routes::default()
        .put(
            &format!("{base}/address-groups/{{id}}/add_addresses"),
            |state, asker, id, request| change(address_group::add_addresses, state, asker, id, request),
            describe("Add ranges to an address group"),
        )
        .put(
            &format!("{base}/address-groups/{{id}}/remove_addresses"),
            |state, asker, id, request| change(address_group::remove_addresses, state, asker, id, request),
            describe("Take ranges from an address group"),
        )
}

/// The shape of the body.
#[derive(JsonSchema)]
#[allow(dead_code)] // its parser is `parse_addresses`
struct Addresses {
    /// Ranges with their lengths.
    addresses: BTreeSet<IpNet>,
}

fn describe(summary: &'static str) -> Operation {
    Operation::neutron(summary)
        .takes(|schemas| {
            body::<Addresses>(schemas, Purpose::Update, |attributes| parse_addresses(attributes).map(|_| ()))
        })
        .answers(200, Schemas::member::<AddressGroup>)
        .refuses(&[404, 409, 503])
}

async fn change(
    operation: Change,
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id: AddressGroupId = id.parse().map_err(|_| AddressGroup::not_found(&id))?;
    let body = read_object(request.into_body()).await?;
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
