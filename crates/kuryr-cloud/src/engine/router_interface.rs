//! A router's connections to internal subnets.

use crate::engine::{
    Context, ROUTER_GATEWAY, ROUTER_INTERFACE, Txn,
    faults::bad,
    floating_ip::check_interface_free,
    port,
    row::{find, find_own},
    subnet::overlaps,
    subport,
};
use kuryr_neutron::{
    Fault, FaultKind, FixedIp, FixedIpRequest, NetworkId, NewPort, Port, PortId, PortUpdate, ProjectId, Router,
    RouterId, RouterInterface, Subnet, SubnetId,
};
use std::sync::Arc;

/// What adding or removing an interface answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct RouterInterfaceInfo {
    /// The router.
    pub id: RouterId,
    /// Its owner, under the older name.
    pub tenant_id: ProjectId,
    /// Its owner.
    pub project_id: ProjectId,
    /// The interface.
    pub port_id: PortId,
    /// The interface's network.
    pub network_id: NetworkId,
    /// The subnet that was added or removed, or the interface's first.
    pub subnet_id: SubnetId,
    /// All of them.
    pub subnet_ids: Vec<SubnetId>,
}

/// The cloud itself makes and changes routers' ports, on whatever network they are.
pub(crate) fn cloud() -> Context {
    Context { is_admin: true, ..Context::default() }
}

/// Makes a port of a router.
pub(crate) fn new_port(txn: &mut Txn, router: &Router, owner: &str, new: NewPort) -> Result<Port, Fault> {
    // Gateways belong to no project: the network is somebody else's.
    let project = if owner == ROUTER_GATEWAY { ProjectId::default() } else { router.project_id.clone() };
    let new = NewPort {
        project_id: Some(project),
        device_owner: Some(owner.to_owned()),
        device_id: Some(router.id.to_string()),
        ..new
    };
    port::make(txn, &cloud(), new)
}

/// Connects a router to a subnet.
pub fn add_interface(
    txn: &mut Txn,
    context: &Context,
    id: RouterId,
    interface: RouterInterface,
) -> Result<RouterInterfaceInfo, Fault> {
    let router = find_own::<Router>(txn, context, id, "add_router_interface")?;
    let (port, subnets) = match (interface.subnet_id, interface.port_id) {
        (Some(subnet), None) => add_subnet(txn, context, &router, subnet)?,
        (None, Some(port)) => add_port(txn, context, &router, port)?,
        (Some(_), Some(_)) => return Err(bad("router", "Cannot specify both subnet-id and port-id")),
        (None, None) => return Err(bad("router", "Either subnet_id or port_id must be specified")),
    };
    txn.touch::<Router>(id);
    info(&router, &port, subnets)
}

fn info(router: &Router, port: &Port, subnet_ids: Vec<SubnetId>) -> Result<RouterInterfaceInfo, Fault> {
    let subnet_id = *subnet_ids.first().ok_or_else(|| bad("router", "Router port must have at least one fixed IP"))?;
    Ok(RouterInterfaceInfo {
        id: router.id,
        tenant_id: router.project_id.clone(),
        project_id: router.project_id.clone(),
        port_id: port.id,
        network_id: port.network_id,
        subnet_id,
        subnet_ids,
    })
}

fn add_subnet(txn: &mut Txn, context: &Context, router: &Router, id: SubnetId) -> Result<(Port, Vec<SubnetId>), Fault> {
    let subnet = find::<Subnet>(txn, context, id)?;
    if !context.owns(&subnet.project_id) {
        let reason = "is not owned by project making the request";
        return Err(bad("router", format!("Cannot add interface to router because subnet {id} {reason}")));
    }
    let gateway =
        subnet.gateway_ip.ok_or_else(|| bad("router", "Subnet for router interface must have a gateway IP"))?;
    check_overlap(txn, router.id, &subnet, None)?;
    let request = FixedIpRequest { subnet_id: Some(id), ip_address: Some(gateway) };
    // IPv6 subnets of one network share an interface.
    if subnet.ip_version == 6 {
        let only_v6 =
            |p: &&Arc<Port>| p.network_id == subnet.network_id && p.fixed_ips.iter().all(|ip| ip.ip_address.is_ipv6());
        let shared = txn.router_interfaces(router.id).find(only_v6).cloned();
        if let Some(shared) = shared {
            let mut ips: Vec<FixedIpRequest> = shared.fixed_ips.iter().map(|ip| (*ip).into()).collect();
            ips.push(request);
            let port = set_addresses(txn, shared.id, ips)?;
            return Ok((port, vec![id]));
        }
    }
    let new = NewPort { network_id: Some(subnet.network_id), fixed_ips: Some(vec![request]), ..NewPort::default() };
    Ok((new_port(txn, router, ROUTER_INTERFACE, new)?, vec![id]))
}

fn set_addresses(txn: &mut Txn, port: PortId, ips: Vec<FixedIpRequest>) -> Result<Port, Fault> {
    let old = find::<Port>(txn, &cloud(), port)?;
    port::change(txn, &cloud(), &old, PortUpdate { fixed_ips: Some(ips), ..PortUpdate::default() })
}

fn add_port(txn: &mut Txn, context: &Context, router: &Router, id: PortId) -> Result<(Port, Vec<SubnetId>), Fault> {
    let port = find_own::<Port>(txn, context, id, "add_router_interface")?;
    // It would go with the router's interface.
    subport::check_free(txn, id)?;
    if !port.device_id.is_empty() {
        return Err(Fault::conflict(
            "PortInUse",
            format!(
                "Unable to complete operation on port {id} for network {}. Port already has an attached device {}.",
                port.network_id, port.device_id
            ),
        ));
    }
    if port.fixed_ips.is_empty() {
        return Err(bad("router", "Router port must have at least one fixed IP"));
    }
    if port.fixed_ips.iter().filter(|ip| ip.ip_address.is_ipv4()).count() > 1 {
        return Err(bad("router", "Cannot have multiple IPv4 subnets on router port"));
    }
    for ip in &port.fixed_ips {
        if let Some(subnet) = txn.subnets.get(&ip.subnet_id).cloned() {
            check_overlap(txn, router.id, &subnet, None)?;
        }
    }
    // Its port security and groups stay and mean nothing while it is a router's: that sends what it forwards.
    let update = PortUpdate {
        device_owner: Some(ROUTER_INTERFACE.to_owned()),
        device_id: Some(router.id.to_string()),
        ..PortUpdate::default()
    };
    let port = port::change(txn, &cloud(), &port, update)?;
    let subnets = subnet_ids(&port.fixed_ips);
    Ok((port, subnets))
}

fn subnet_ids(ips: &[FixedIp]) -> Vec<SubnetId> {
    ips.iter().map(|ip| ip.subnet_id).collect()
}

/// A router reaches each address one way: ranges of its ports (other than `except`) do not overlap.
pub(crate) fn check_overlap(txn: &Txn, id: RouterId, new: &Subnet, except: Option<PortId>) -> Result<(), Fault> {
    let ports = txn.router_interfaces(id).chain(txn.router_gateway(id)).filter(|p| Some(p.id) != except);
    for ip in ports.flat_map(|p| &p.fixed_ips) {
        if let Some(subnet) = txn.subnets.get(&ip.subnet_id).filter(|s| overlaps(&s.cidr, &new.cidr)) {
            return Err(bad(
                "router",
                format!(
                    "Cidr {} of subnet {} overlaps with cidr {} of subnet {}",
                    new.cidr, new.id, subnet.cidr, subnet.id
                ),
            ));
        }
    }
    Ok(())
}

/// Takes a router's connection to a subnet away.
pub fn remove_interface(
    txn: &mut Txn,
    context: &Context,
    id: RouterId,
    interface: RouterInterface,
) -> Result<RouterInterfaceInfo, Fault> {
    let router = find_own::<Router>(txn, context, id, "remove_router_interface")?;
    let has = |p: &Port, subnet| p.fixed_ips.iter().any(|ip| ip.subnet_id == subnet);
    let (port, subnets) = match (interface.port_id, interface.subnet_id) {
        (Some(port_id), subnet) => {
            let port = txn.router_interfaces(id).find(|p| p.id == port_id).cloned().ok_or_else(|| {
                let message = format!("Router {id} does not have an interface with id {port_id}");
                Fault::new(FaultKind::NotFound, "RouterInterfaceNotFound", message)
            })?;
            if let Some(subnet) = subnet.filter(|s| !has(&port, *s)) {
                return Err(Fault::bad_request(
                    "SubnetMismatchForPort",
                    format!("Subnet on port {port_id} does not match the requested subnet {subnet}."),
                ));
            }
            let subnets = subnet_ids(&port.fixed_ips);
            (port, subnets)
        }
        (None, Some(subnet)) => {
            find::<Subnet>(txn, context, subnet)?;
            let port = txn.router_interfaces(id).find(|p| has(p, subnet)).cloned().ok_or_else(|| {
                let message = format!("Router {id} has no interface on subnet {subnet}");
                Fault::new(FaultKind::NotFound, "RouterInterfaceNotFoundForSubnet", message)
            })?;
            (port, vec![subnet])
        }
        (None, None) => return Err(bad("router", "Either subnet_id or port_id must be specified")),
    };
    for subnet in &subnets {
        check_no_route(txn, &router, *subnet)?;
        check_interface_free(txn, id, *subnet)?;
    }
    let left: Vec<FixedIpRequest> =
        port.fixed_ips.iter().filter(|ip| !subnets.contains(&ip.subnet_id)).map(|ip| (*ip).into()).collect();
    if left.is_empty() {
        port::remove(txn, port.id);
    } else {
        set_addresses(txn, port.id, left)?;
    }
    txn.touch::<Router>(id);
    info(&router, &port, subnets)
}

/// Routes through a subnet keep the router on it.
fn check_no_route(txn: &Txn, router: &Router, id: SubnetId) -> Result<(), Fault> {
    let Some(subnet) = txn.subnets.get(&id) else { return Ok(()) };
    if !router.routes.iter().any(|route| subnet.cidr.contains(&route.nexthop)) {
        return Ok(());
    }
    Err(Fault::conflict(
        "RouterInterfaceInUseByRoute",
        format!(
            "Router interface for subnet {id} on router {} cannot be deleted, as it is required by one or more routes.",
            router.id
        ),
    ))
}
