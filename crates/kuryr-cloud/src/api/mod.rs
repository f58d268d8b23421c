//! HTTP in front of the engine: Keystone v3 below `/identity`, Neutron v2.0 below `/networking`.
//!
//! Here bodies and queries are read and answers written; what is allowed and what it means is the engine's matter. The whole
//! is one axum [`Router`], so a client in the same process needs no socket.

mod answer;
mod body;
pub mod keystone;
pub mod neutron;
pub mod openapi;
mod routes;
mod site;
mod wait;

use crate::engine::Engine;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderName, StatusCode};
use kuryr_neutron::{Fault, FaultKind};
use openapi::{Operation, object};
use routes::Routes;
use serde_json::json;
use std::sync::Arc;

pub use body::{BodyError, MAX_BODY_BYTES};
pub use site::Site;
pub use wait::{AppliedWaiter, NotApplied};

/// Header of every answer: the request's id in our log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// What handlers work with.
pub struct Api {
    /// The embedded Neutron.
    pub engine: Engine,
    /// The embedded Keystone.
    pub identity: keystone::Identity,
    /// The data plane, if there is one: writes that concern it wait for it.
    pub applied: Option<Arc<dyn AppliedWaiter>>,
    /// Where clients find us.
    pub site: Site,
}

/// Everything the cloud answers, with its description.
fn routes() -> Routes {
    let services = Operation::neutron("Services of this cloud").public().answers(200, |schemas| {
        let service = object([("name", json!({"type": "string"})), ("links", schemas.links())]);
        object([("services", json!({"type": "array", "items": service}))])
    });
    Routes::default().get("/", root, services).merge(keystone::routes()).merge(neutron::routes())
}

/// Everything the cloud answers.
pub fn router(api: Api) -> Router {
    let router = routes()
        .into_router()
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::new(api));
    kuryr_http::guard(router, REQUEST_ID, || {
        let message = "Request Failed: internal server error while processing your request.";
        neutron::Refusal::from(Fault::new(FaultKind::Internal, "HTTPInternalServerError", message)).into_response()
    })
}

async fn root(State(api): State<Arc<Api>>) -> Response {
    let service =
        |name: &str, path: &str| json!({"name": name, "links": [{"rel": "self", "href": api.site.url(path)}]});
    let services = [service("identity", "/identity"), service("networking", "/networking")];
    answer::json(StatusCode::OK, &json!({ "services": services }))
}

async fn unknown_path(request: axum::extract::Request) -> Response {
    if request.uri().path().starts_with("/identity") {
        return keystone::Fault::unknown_path().into_response();
    }
    neutron::Refusal::unknown_path().into_response()
}

async fn wrong_method() -> Response {
    neutron::Refusal::WrongMethod.into_response()
}
