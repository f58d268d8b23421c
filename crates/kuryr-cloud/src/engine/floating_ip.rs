//! Floating IPs: addresses of external networks that are lent to ports.

use crate::engine::{
    Context, FLOATING_IP, NetworkRecord, Txn,
    faults::{bad, check_text},
    port, port_forwarding,
    quota::{self, Counted},
    router_interface,
    row::{Row, expect_revision, find, find_own, owner},
};
use kuryr_neutron::{
    Fault, FaultKind, FixedIpRequest, FloatingIp, FloatingIpId, FloatingIpUpdate, ForwardedPort, Network, NetworkId,
    NewFloatingIp, NewPort, Port, PortDetails, PortId, RouterId, Status, Subnet, SubnetId,
};
use std::{net::IpAddr, sync::Arc};

/// Takes an address of an external network, and lends it to a port if one is named.
pub fn create(txn: &mut Txn, context: &Context, new: NewFloatingIp) -> Result<FloatingIp, Fault> {
    check_text("description", new.description.as_deref())?;
    let network = find::<NetworkRecord>(txn, context, new.floating_network_id)?;
    if !network.network.router_external {
        return Err(bad("floatingip", format!("Network {} is not a valid external network", new.floating_network_id)));
    }
    let project_id = owner(context, new.project_id, "create_floatingip")?;
    quota::check(txn, &project_id, Counted::FloatingIp, 1)?;
    let id = FloatingIpId::random();
    let own = take_address(txn, id, &network.network, new.subnet_id, new.floating_ip_address)?;
    let mut floating = FloatingIp {
        id,
        floating_network_id: new.floating_network_id,
        floating_ip_address: own,
        project_id,
        router_id: None,
        port_id: None,
        fixed_ip_address: None,
        port_details: None,
        port_forwardings: Vec::new(),
        status: Status::Down,
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    lend(txn, context, &mut floating, new.port_id, new.fixed_ip_address)?;
    Ok(FloatingIp::clone(&txn.insert(floating)))
}

/// The port that keeps the address: it belongs to no project, and is nobody's interface.
fn take_address(
    txn: &mut Txn,
    id: FloatingIpId,
    network: &Network,
    subnet: Option<SubnetId>,
    address: Option<IpAddr>,
) -> Result<IpAddr, Fault> {
    if let Some(address) = address.filter(IpAddr::is_ipv6) {
        return Err(Fault::invalid("floating_ip_address", format!("'{address}' is not a valid IPv4 address")));
    }
    let of_network = |subnet: &&Arc<Subnet>| subnet.ip_version == 4;
    let mut subnets: Vec<SubnetId> = txn.subnets_of_network(network.id).filter(of_network).map(|s| s.id).collect();
    if subnets.is_empty() {
        return Err(bad("floatingip", format!("Network {} does not contain any IPv4 subnet", network.id)));
    }
    let requests: Vec<FixedIpRequest> = match (subnet, address) {
        (None, None) => {
            let any = |id| FixedIpRequest { subnet_id: Some(id), ip_address: None };
            subnets.drain(..).map(any).collect()
        }
        (subnet_id, ip_address) => vec![FixedIpRequest { subnet_id, ip_address }],
    };
    let mut outcome = Err(bad("floatingip", "no subnet has an address"));
    for request in requests {
        let before = txn.savepoint();
        let new = NewPort {
            network_id: Some(network.id),
            project_id: Some(kuryr_neutron::ProjectId::default()),
            device_owner: Some(FLOATING_IP.to_owned()),
            device_id: Some(id.to_string()),
            fixed_ips: Some(vec![request]),
            ..NewPort::default()
        };
        outcome = port::make(txn, &router_interface::cloud(), new);
        match &outcome {
            // The next subnet may have one.
            Err(fault) if fault.error_type == "IpAddressGenerationFailure" => txn.rollback(before),
            _ => break,
        }
    }
    let port = outcome?;
    let ip = port.fixed_ips.iter().map(|ip| ip.ip_address).find(IpAddr::is_ipv4);
    // Nobody plugs it, so it is neither up nor down.
    let kept = txn.ports.get(&port.id).cloned();
    if let Some(kept) = kept {
        let unplugged = Port { status: Status::Unknown, ..Port::clone(&kept) };
        txn.save(&kept, unplugged);
    }
    ip.ok_or_else(|| bad("floatingip", format!("Network {} does not contain any IPv4 subnet", network.id)))
}

/// Changes a floating IP. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: FloatingIpId,
    update: FloatingIpUpdate,
    expected_revision: Option<u64>,
) -> Result<FloatingIp, Fault> {
    let old = find_own::<FloatingIp>(txn, context, id, "update_floatingip")?;
    expect_revision(&*old, expected_revision)?;
    check_text("description", update.description.as_deref())?;
    let mut floating = FloatingIp::clone(&old);
    floating.description = update.description.unwrap_or(floating.description);
    let fixed = update.fixed_ip_address.flatten();
    match update.port_id {
        Some(None) if fixed.is_none() => leave(&mut floating),
        None if fixed.is_none() => {}
        wanted => {
            let port = wanted.unwrap_or(floating.port_id);
            if port.is_some() && txn.forwardings_of(id).next().is_some() {
                return Err(in_use_by_forwardings(id));
            }
            leave(&mut floating);
            lend(txn, context, &mut floating, port, fixed)?;
        }
    }
    Ok(FloatingIp::clone(&txn.save(&old, floating)))
}

fn in_use_by_forwardings(id: FloatingIpId) -> Fault {
    Fault::conflict("FipInUseByPortForwarding", format!("Floating IP {id} in use by Port Forwarding resources."))
}

fn leave(floating: &mut FloatingIp) {
    // What single ports are forwarded by stays their router.
    if floating.port_id.is_some() {
        (floating.router_id, floating.status) = (None, Status::Down);
    }
    (floating.port_id, floating.fixed_ip_address) = (None, None);
}

/// Lends all of a floating IP to a port's address.
fn lend(
    txn: &Txn,
    context: &Context,
    floating: &mut FloatingIp,
    port: Option<PortId>,
    fixed: Option<IpAddr>,
) -> Result<(), Fault> {
    let Some(port) = port else {
        return match fixed {
            Some(_) => Err(bad("floatingip", "fixed_ip_address cannot be specified without a port_id")),
            None => Ok(()),
        };
    };
    let port = find::<Port>(txn, context, port)?;
    let fixed = chosen(&port, fixed)?;
    let subnet = port.fixed_ips.iter().find(|ip| ip.ip_address == fixed).map(|ip| ip.subnet_id);
    let network = floating.floating_network_id;
    let router = subnet.and_then(|subnet| router_between(txn, subnet, network)).ok_or_else(|| {
        Fault::new(
            FaultKind::NotFound,
            "ExternalGatewayForFloatingIPNotFound",
            format!(
                "External network {network} is not reachable from subnet {}.  Therefore, cannot associate Port {} with a \
                 Floating IP.",
                subnet.map(|subnet| subnet.to_string()).unwrap_or_default(),
                port.id
            ),
        )
    })?;
    if txn.forwardings_to(port.id).next().is_some() {
        return Err(Fault::bad_request(
            "PortHasPortForwarding",
            format!(
                "Cannot associate floating IP to port {} because it already has a Port Forwarding binding.",
                port.id
            ),
        ));
    }
    let twin = |other: &&Arc<FloatingIp>| {
        other.id != floating.id && other.fixed_ip_address == Some(fixed) && other.floating_network_id == network
    };
    if txn.floating_ips_of_port(port.id).any(|other| twin(&other)) {
        return Err(already_associated(floating, port.id, fixed));
    }
    (floating.port_id, floating.fixed_ip_address) = (Some(port.id), Some(fixed));
    (floating.router_id, floating.status) = (Some(router), Status::Active);
    Ok(())
}

/// The port has a floating IP already, or the floating IP a port.
pub(crate) fn already_associated(floating: &FloatingIp, port: PortId, fixed: IpAddr) -> Fault {
    Fault::conflict(
        "FloatingIPPortAlreadyAssociated",
        format!(
            "Cannot associate floating IP {} ({}) with port {port} using fixed IP {fixed}, as that fixed IP already has a \
             floating IP on external network {}.",
            floating.floating_ip_address, floating.id, floating.floating_network_id
        ),
    )
}

/// The IPv4 address of a port that is meant.
fn chosen(port: &Port, wanted: Option<IpAddr>) -> Result<IpAddr, Fault> {
    let mut own = port.fixed_ips.iter().map(|ip| ip.ip_address).filter(IpAddr::is_ipv4);
    if let Some(wanted) = wanted {
        if wanted.is_ipv6() {
            let reason = "since that is not an IPv4 address";
            return Err(bad("floatingip", format!("Cannot process floating IP association with {wanted}, {reason}")));
        }
        return own
            .find(|ip| *ip == wanted)
            .ok_or_else(|| bad("floatingip", format!("Port {} does not have fixed ip {wanted}", port.id)));
    }
    let id = port.id;
    let first = own.next();
    match (first, own.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            let reason = "that has no fixed IPv4 addresses";
            Err(bad("floatingip", format!("Cannot add floating IP to port {id} {reason}")))
        }
        (Some(_), Some(_)) => Err(bad(
            "floatingip",
            format!(
                "Port {id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a \
                 floating IP"
            ),
        )),
    }
}

/// The router that leads from a subnet to an external network: the subnet's gateway, or any that is there.
pub(crate) fn router_between(txn: &Txn, subnet: SubnetId, outside: NetworkId) -> Option<RouterId> {
    let gateway = txn.subnets.get(&subnet)?.gateway_ip;
    let leads = |port: &Port| {
        let router: RouterId = port.device_id.parse().ok()?;
        let way = txn.routers.get(&router)?.external_gateway_info.as_ref()?;
        (port.device_owner == super::ROUTER_INTERFACE && way.network_id == outside).then_some(router)
    };
    let mut routers = txn.ports_of_subnet(subnet).filter_map(|port| Some((leads(port)?, port)));
    let at = |port: &Port| port.fixed_ips.iter().any(|ip| Some(ip.ip_address) == gateway);
    let first = routers.next()?;
    let best = std::iter::once(first).chain(routers).find(|(_, port)| at(port));
    Some(best.map_or(first.0, |(router, _)| router))
}

/// Gives an address back. Nothing of it may be forwarded any more.
pub fn delete(txn: &mut Txn, context: &Context, id: FloatingIpId) -> Result<(), Fault> {
    find_own::<FloatingIp>(txn, context, id, "delete_floatingip")?;
    if txn.forwardings_of(id).next().is_some() {
        return Err(in_use_by_forwardings(id));
    }
    txn.remove::<FloatingIp>(id);
    let kept: Vec<PortId> =
        txn.ports_of_device(&id.to_string()).filter(|p| p.device_owner == FLOATING_IP).map(|p| p.id).collect();
    kept.into_iter().for_each(|port| port::remove(txn, port));
    Ok(())
}

/// The floating IP whose address a port keeps.
pub(crate) fn kept_by(txn: &Txn, port: &Port) -> Option<FloatingIpId> {
    let id = port.device_id.parse().ok().filter(|_| port.device_owner == FLOATING_IP)?;
    txn.floating_ips.contains_key(&id).then_some(id)
}

/// A port is going: what led to it leads nowhere.
pub(crate) fn forget_port(txn: &mut Txn, port: PortId) {
    let lent: Vec<Arc<FloatingIp>> = txn.floating_ips_of_port(port).cloned().collect();
    for old in lent {
        let mut floating = FloatingIp::clone(&old);
        leave(&mut floating);
        txn.save(&old, floating);
    }
    port_forwarding::forget(txn, port, |_| true);
}

/// A port has other addresses: floating IPs hold theirs, forwardings of those that left go.
pub(crate) fn readdressed(txn: &mut Txn, port: &Port) -> Result<(), Fault> {
    let has = |wanted: IpAddr| port.fixed_ips.iter().any(|ip| ip.ip_address == wanted);
    if txn.floating_ips_of_port(port.id).filter_map(|floating| floating.fixed_ip_address).any(|ip| !has(ip)) {
        return Err(bad(
            "port",
            format!(
                "Cannot update the fixed_ips of the port {}, because its original fixed_ip has been associated to a floating \
                 ip",
                port.id
            ),
        ));
    }
    port_forwarding::forget(txn, port.id, |ip| !has(ip));
    Ok(())
}

/// 409 while floating IPs need a router's way outside.
pub(crate) fn check_gateway_free(txn: &Txn, router: RouterId) -> Result<(), Fault> {
    match txn.floating_ips_of_router(router).next() {
        Some(floating) => Err(Fault::conflict(
            "RouterExternalGatewayInUseByFloatingIp",
            format!(
                "Gateway cannot be updated for router {router}, since a gateway to external network {} is required by one or \
                 more floating IPs.",
                floating.floating_network_id
            ),
        )),
        None => Ok(()),
    }
}

/// 409 while floating IPs need a router's way to a subnet.
pub(crate) fn check_interface_free(txn: &Txn, router: RouterId, subnet: SubnetId) -> Result<(), Fault> {
    let of_subnet = |port: Option<PortId>, ip: Option<IpAddr>| {
        let port = port.and_then(|id| txn.ports.get(&id));
        port.is_some_and(|p| p.fixed_ips.iter().any(|f| f.subnet_id == subnet && Some(f.ip_address) == ip))
    };
    let needed = txn.floating_ips_of_router(router).any(|floating| {
        let forwarded = |f: &Arc<super::ForwardingRecord>| {
            of_subnet(Some(f.forwarding.internal_port_id), Some(f.forwarding.internal_ip_address))
        };
        of_subnet(floating.port_id, floating.fixed_ip_address) || txn.forwardings_of(floating.id).any(forwarded)
    });
    if !needed {
        return Ok(());
    }
    Err(Fault::conflict(
        "RouterInterfaceInUseByFloatingIP",
        format!(
            "Router interface for subnet {subnet} on router {router} cannot be deleted, as it is required by one or more \
             floating IPs."
        ),
    ))
}

/// A floating IP as the API shows it: with its port, and with what is forwarded.
pub fn shown(state: &super::State, floating: &FloatingIp) -> FloatingIp {
    let port_details = floating.port_id.and_then(|id| state.ports.get(&id)).map(|port| PortDetails {
        name: port.name.clone(),
        network_id: port.network_id,
        mac_address: port.mac_address,
        admin_state_up: port.admin_state_up,
        status: port.status,
        device_id: port.device_id.clone(),
        device_owner: port.device_owner.clone(),
    });
    let port_forwardings = state.forwardings_of(floating.id).map(|record| {
        let one = &record.forwarding;
        ForwardedPort {
            id: Some(one.id),
            protocol: one.protocol.clone(),
            internal_ip_address: one.internal_ip_address,
            internal_port_id: Some(one.internal_port_id),
            internal_port: one.internal_port,
            external_port: one.external_port,
        }
    });
    FloatingIp { port_details, port_forwardings: port_forwardings.collect(), ..floating.clone() }
}

/// The router of a floating IP of which single ports are forwarded: the first one's, until the last one goes.
pub(crate) fn set_router(txn: &mut Txn, id: FloatingIpId, router: Option<RouterId>) -> Result<(), Fault> {
    let old = txn.floating_ips.get(&id).cloned().ok_or_else(|| FloatingIp::missing(id))?;
    let status = if router.is_some() { Status::Active } else { Status::Down };
    let floating = FloatingIp { router_id: router, status, ..FloatingIp::clone(&old) };
    txn.save(&old, floating);
    Ok(())
}
