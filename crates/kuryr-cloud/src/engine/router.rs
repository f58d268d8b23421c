//! Routers.

use crate::engine::{
    Context, Txn,
    faults::check_text,
    quota::{self, Counted},
    router_gateway as gateway,
    row::{Row, expect_revision, find_own, owner},
};
use ipnet::IpNet;
use kuryr_neutron::{Fault, NewRouter, Route, Router, RouterId, RouterUpdate, Status};
use std::sync::Arc;

pub use crate::engine::router_interface::{RouterInterfaceInfo, add_interface, remove_interface};

/// Creates a router.
pub fn create(txn: &mut Txn, context: &Context, new: NewRouter) -> Result<Router, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let project_id = owner(context, new.project_id, "create_router")?;
    quota::check(txn, &project_id, Counted::Router, 1)?;
    let mut router = Router {
        id: RouterId::random(),
        name: new.name,
        project_id,
        admin_state_up: new.admin_state_up.unwrap_or(true),
        status: Status::Active,
        external_gateway_info: None,
        routes: Vec::new(),
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    if let Some(wanted) = new.external_gateway_info.flatten() {
        gateway::set(txn, context, &mut router, Some(wanted))?;
    }
    Ok(Router::clone(&txn.insert(router)))
}

/// Changes a router. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: RouterId,
    update: RouterUpdate,
    expected_revision: Option<u64>,
) -> Result<Router, Fault> {
    let old = find_own::<Router>(txn, context, id, "update_router")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let mut router = Router::clone(&old);
    router.name = update.name.unwrap_or(router.name);
    router.admin_state_up = update.admin_state_up.unwrap_or(router.admin_state_up);
    router.description = update.description.unwrap_or(router.description);
    if let Some(wanted) = update.external_gateway_info {
        gateway::set(txn, context, &mut router, wanted)?;
    }
    router.routes = update.routes.unwrap_or(router.routes);
    if router.routes != old.routes || router.external_gateway_info != old.external_gateway_info {
        check_routes(txn, &router)?;
    }
    Ok(Router::clone(&txn.save(&old, router)))
}

/// Deletes a router that has no interfaces; its gateway goes with it.
pub fn delete(txn: &mut Txn, context: &Context, id: RouterId) -> Result<(), Fault> {
    let old = find_own::<Router>(txn, context, id, "delete_router")?;
    let interfaces: Vec<String> = txn.router_interfaces(id).map(|port| port.id.to_string()).collect();
    if !interfaces.is_empty() {
        let message = format!("Router {id} has ports still attached: {}", interfaces.join(", "));
        return Err(Fault::conflict("RouterInUse", message));
    }
    gateway::set(txn, context, &mut Router::clone(&old), None)?;
    txn.remove::<Router>(id);
    Ok(())
}

/// Tells whether a router forwards: the data plane's word. The same status again changes nothing.
pub fn set_status(txn: &mut Txn, id: RouterId, status: Status) -> Result<(), Fault> {
    let old: Arc<Router> = txn.routers.get(&id).cloned().ok_or_else(|| Router::missing(id))?;
    let router = Router { status, ..Router::clone(&old) };
    txn.save(&old, router);
    Ok(())
}

/// Ranges a router is connected to, and its own addresses there.
fn connected(txn: &Txn, id: RouterId) -> (Vec<IpNet>, Vec<std::net::IpAddr>) {
    let ports = txn.router_interfaces(id).chain(txn.router_gateway(id));
    let ips: Vec<_> = ports.flat_map(|p| p.fixed_ips.iter()).collect();
    let ranges = ips.iter().filter_map(|ip| txn.subnets.get(&ip.subnet_id)).map(|s| s.cidr).collect();
    (ranges, ips.iter().map(|ip| ip.ip_address).collect())
}

/// Routes lead through neighbours.
fn check_routes(txn: &Txn, router: &Router) -> Result<(), Fault> {
    let (ranges, own) = connected(txn, router.id);
    let wrong = |route: &Route, reason: &str| {
        Err(Fault::bad_request(
            "InvalidRoutes",
            format!("Invalid format for routes: {} via {}, {reason}", route.destination, route.nexthop),
        ))
    };
    for (i, route) in router.routes.iter().enumerate() {
        crate::engine::faults::check_prefix("routes", route.destination)?;
        if route.destination.addr().is_ipv4() != route.nexthop.is_ipv4() {
            return wrong(route, "the nexthop is of another IP version than the destination");
        }
        if router.routes[..i].contains(route) {
            return wrong(route, "it is there twice");
        }
        if !ranges.iter().any(|range| range.contains(&route.nexthop)) {
            return wrong(route, "the nexthop is not connected with router");
        }
        if own.contains(&route.nexthop) {
            return wrong(route, "the nexthop is used by router");
        }
    }
    Ok(())
}
