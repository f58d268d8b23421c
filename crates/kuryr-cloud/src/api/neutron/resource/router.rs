//! Routers.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, network::status, read_only},
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn},
};
use kuryr_neutron::{
    ExternalGateway, Fault, FixedIpRequest, NewRouter, ProjectId, Route, Router, RouterId, RouterInterface,
    RouterUpdate, Tag,
};
use serde_json::Value;
use std::str::FromStr;

/// An empty object means the same as `null`: no way outside.
fn gateway(value: &Value) -> Result<Option<ExternalGateway>, Reason> {
    let record = value::record(value, &["network_id", "enable_snat", "external_fixed_ips"])?;
    if record.is_empty() {
        return Ok(None);
    }
    let address = |value: &Value| {
        let record = value::record(value, &["subnet_id", "ip_address"])?;
        Ok(FixedIpRequest {
            subnet_id: value::key(record, "subnet_id", value::uuid)?,
            ip_address: value::key(record, "ip_address", value::ip)?,
        })
    };
    Ok(Some(ExternalGateway {
        network_id: value::required_key(record, "network_id", value::uuid)?,
        enable_snat: value::key(record, "enable_snat", value::boolean)?,
        external_fixed_ips: value::key(record, "external_fixed_ips", value::list(address))?.unwrap_or_default(),
    }))
}

fn route(value: &Value) -> Result<Route, Reason> {
    let record = value::record(value, &["destination", "nexthop"])?;
    Ok(Route {
        destination: value::required_key(record, "destination", value::cidr)?.trunc(),
        nexthop: value::required_key(record, "nexthop", value::ip)?,
    })
}

fn gateway_info(body: &mut Attributes<'_>) -> Result<Option<Option<ExternalGateway>>, Fault> {
    Ok(body.nullable("external_gateway_info", gateway)?.map(Option::flatten))
}

/// What an interface leads to.
fn part<T: FromStr>(value: &Value) -> Result<T, Reason> {
    value::uuid(value).map_err(|_| {
        let message = format!("Bad router request: '{}' is not a valid UUID.", value::printed(value));
        Fault::bad_request("BadRequest", message).into()
    })
}

/// The body of `add_router_interface` and `remove_router_interface`.
pub fn parse_interface(body: &mut Attributes<'_>) -> Result<RouterInterface, Fault> {
    Ok(RouterInterface {
        subnet_id: body.take_unless_null("subnet_id", part)?,
        port_id: body.take_unless_null("port_id", part)?,
    })
}

impl Exposed for Router {
    type Row = Router;
    const NOT_FOUND: &'static str = "RouterNotFound";
    const TITLE: &'static str = "Router";
    const READ_ONLY: &'static [&'static str] = read_only!["status", "routes"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id"];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(Router {
            "id": Id = |r| r.id.0,
            "name": Text = |r| &r.name,
            "project_id": Text = |r| &r.project_id.0,
            "description": Text = |r| &r.description,
            "admin_state_up": Bool = |r| r.admin_state_up,
            "status": Text = |r| status(r.status),
            "revision_number": Number = |r| r.revision_number,
            "created_at": Time = |r| r.created_at,
            "updated_at": Time = |r| r.updated_at,
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

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewRouter, Fault> {
        Ok(NewRouter {
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            external_gateway_info: gateway_info(body)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<RouterUpdate, Fault> {
        Ok(RouterUpdate {
            name: body.take("name", value::name)?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            external_gateway_info: gateway_info(body)?,
            routes: body.take_unless_null("routes", value::list(route))?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewRouter>) -> Result<Vec<Self>, Fault> {
        create_each!(router, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: RouterId,
        update: RouterUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::router::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: RouterId) -> Result<(), Fault> {
        engine::router::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => {
                before.admin_state_up != after.admin_state_up
                    || before.external_gateway_info != after.external_gateway_info
                    || before.routes != after.routes
            }
            (None, Some(router)) | (Some(router), None) => router.external_gateway_info.is_some(),
            (None, None) => false,
        }
    }
}
