//! Neutron v2.0: bodies and queries are read into types here, the engine decides, and answers are written.

mod asker;
mod attributes;
mod collection;
mod describe;
mod exposed;
mod extensions;
mod filter;
mod group_addresses;
mod list;
mod nested;
mod qos_rule_types;
mod query;
mod quotas;
mod refusal;
mod resource;
mod router_interface;
mod scalar;
mod subports;
mod tags;
mod value;

use crate::api::{
    Api, answer,
    openapi::{Operation, object},
    routes::Routes,
};
use asker::Asker;
use axum::{extract::State, response::Response};
use http::StatusCode;
use kuryr_neutron::{
    AddressGroup, BandwidthLimitRule, DefaultRule, DscpMarkingRule, FloatingIp, Network, Port, PortForwarding,
    QosPolicy, RbacPolicy, Resource, Router as NeutronRouter, SecurityGroup, SecurityGroupRule, Subnet, SubnetPool,
    Trunk,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub use attributes::{Attributes, Purpose};
pub use exposed::Exposed;
pub use refusal::Refusal;

/// Where Neutron v2.0 is.
const BASE: &str = "/networking/v2.0";

pub(crate) fn routes() -> Routes {
    Routes::default()
        .get("/networking", versions, describe_versions())
        .get("/networking/", versions, describe_versions())
        .get(BASE, resources, describe_resources())
        .get("/networking/v2.0/", resources, describe_resources())
        .merge(collection::routes::<Network>(BASE))
        .merge(collection::routes::<Subnet>(BASE))
        .merge(collection::routes::<SubnetPool>(BASE))
        .merge(collection::routes::<Port>(BASE))
        .merge(collection::routes::<SecurityGroup>(BASE))
        .merge(collection::routes::<SecurityGroupRule>(BASE))
        .merge(collection::routes::<NeutronRouter>(BASE))
        .merge(collection::routes::<FloatingIp>(BASE))
        .merge(collection::routes::<AddressGroup>(BASE))
        .merge(group_addresses::routes(BASE))
        .merge(collection::routes::<DefaultRule>(BASE))
        .merge(collection::routes::<RbacPolicy>(BASE))
        .merge(nested::routes::<PortForwarding>(BASE))
        .merge(collection::routes::<QosPolicy>(BASE))
        .merge(nested::routes::<BandwidthLimitRule>(BASE))
        .merge(nested::routes::<DscpMarkingRule>(BASE))
        .merge(qos_rule_types::routes(BASE))
        .merge(collection::routes::<Trunk>(BASE))
        .merge(subports::routes(BASE))
        .merge(tags::routes(BASE))
        .merge(quotas::routes(BASE))
        .merge(router_interface::routes(BASE))
        .merge(extensions::routes(BASE))
}

fn describe_versions() -> Operation {
    Operation::neutron("Versions of the Networking API").public().answers(200, |schemas| {
        let text = || json!({"type": "string"});
        let version = object([("id", text()), ("status", text()), ("links", schemas.links())]);
        object([("versions", json!({"type": "array", "items": version}))])
    })
}

fn describe_resources() -> Operation {
    Operation::neutron("Kinds of resources").answers(200, |schemas| {
        let text = || json!({"type": "string"});
        let kind = object([("name", text()), ("collection", text()), ("links", schemas.links())]);
        object([("resources", json!({"type": "array", "items": kind}))])
    })
}

async fn versions(State(api): State<Arc<Api>>) -> Response {
    let links = json!([{"rel": "self", "href": api.site.url("/networking/v2.0/")}]);
    answer::json(StatusCode::OK, &json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}))
}

async fn resources(State(api): State<Arc<Api>>, _: Asker) -> Response {
    let resources = [
        named::<Network>(&api),
        named::<Subnet>(&api),
        named::<SubnetPool>(&api),
        named::<Port>(&api),
        named::<SecurityGroup>(&api),
        named::<SecurityGroupRule>(&api),
        named::<NeutronRouter>(&api),
        named::<FloatingIp>(&api),
        named::<AddressGroup>(&api),
        named::<DefaultRule>(&api),
        named::<RbacPolicy>(&api),
        named::<QosPolicy>(&api),
        named::<Trunk>(&api),
    ];
    answer::json(StatusCode::OK, &json!({ "resources": resources }))
}

fn named<R: Resource>(api: &Api) -> Value {
    let links = json!([{"rel": "self", "href": api.site.url(&format!("{BASE}/{}", R::PATH))}]);
    json!({"name": R::MEMBER, "collection": R::COLLECTION, "links": links})
}
