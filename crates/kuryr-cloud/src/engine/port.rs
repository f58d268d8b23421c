//! Ports.

use crate::engine::{
    Context, NetworkRecord, ROUTER_GATEWAY, ROUTER_INTERFACE, Txn,
    addresses::{self, Holder},
    binding,
    faults::{check_text, forbidden, required},
    floating_ip, port_security as security, qos,
    quota::{self, Counted},
    router_gateway,
    row::{Row, expect_revision, find, owner},
    subport,
};
use kuryr_neutron::{
    DEFAULT_VNIC_TYPE, Fault, FaultKind, FixedIp, MacAddr, Network, NetworkId, NewPort, Port, PortId, PortUpdate,
    RouterId, Shareable, Status, Subnet, SubnetId, VIF_TYPE_UNBOUND,
};
use std::sync::Arc;
use uuid::Uuid;

/// How often a MAC address is rolled before giving up; with 2²⁴ of them even a crowded network needs few.
const MAC_ATTEMPTS: usize = 64;

/// Creates a port.
pub fn create(txn: &mut Txn, context: &Context, new: NewPort) -> Result<Port, Fault> {
    let (owner, device) = (new.device_owner.as_deref(), new.device_id.as_deref());
    if let Some(router) = router_of(txn, owner.unwrap_or_default(), device.unwrap_or_default()) {
        return Err(only_by_router("create", owner.unwrap_or_default(), router));
    }
    // Not in `make`: a router's interfaces count, and are never refused.
    quota::check(txn, new.project_id.as_ref().unwrap_or(&context.project_id), Counted::Port, 1)?;
    make(txn, context, new)
}

/// The router a port with these words belongs to, if it exists.
fn router_of(txn: &Txn, device_owner: &str, device_id: &str) -> Option<RouterId> {
    let of_router = matches!(device_owner, ROUTER_INTERFACE | ROUTER_GATEWAY);
    let router = device_id.parse::<RouterId>().ok().filter(|_| of_router)?;
    txn.routers.contains_key(&router).then_some(router)
}

/// Routers' ports come and go through the router alone.
fn only_by_router(operation: &str, device_owner: &str, port: impl std::fmt::Display) -> Fault {
    Fault::conflict(
        "UnsupportedPortDeviceOwner",
        format!("Operation {operation} is not supported for device_owner {device_owner} on port {port}."),
    )
}

/// Creates a port, a router's too.
pub(crate) fn make(txn: &mut Txn, context: &Context, new: NewPort) -> Result<Port, Fault> {
    let network_id = new.network_id.ok_or_else(|| required("network_id"))?;
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    check_text("device_id", new.device_id.as_deref())?;
    check_text("device_owner", new.device_owner.as_deref())?;
    let record = find::<NetworkRecord>(txn, context, network_id)?;
    check_may_create(txn, context, &record.network, &new)?;
    let project_id = owner(context, new.project_id, "create_port")?;
    let device_owner = new.device_owner.unwrap_or_default();
    let secured = !security::is_trusted(&device_owner)
        && new.port_security_enabled.unwrap_or(record.network.port_security_enabled);
    let security_groups = security::groups_of_new(txn, context, &project_id, secured, new.security_groups)?;
    let id = PortId::random();
    let mac_address = match new.mac_address {
        Some(mac) => check_mac(txn, network_id, mac)?,
        None => free_mac(txn, network_id)?,
    };
    let holder = Holder { port: id, network: network_id, mac: mac_address, owner: &device_owner, has: &[] };
    let fixed_ips = match new.fixed_ips {
        Some(requests) => addresses::grant(txn, holder, &requests)?,
        None => addresses::choose(txn, holder)?,
    };
    let mut port = Port {
        id,
        name: new.name,
        project_id,
        network_id,
        mac_address,
        fixed_ips,
        admin_state_up: new.admin_state_up.unwrap_or(true),
        status: Status::Down,
        device_owner,
        device_id: new.device_id.unwrap_or_default(),
        security_groups,
        port_security_enabled: secured,
        qos_policy_id: qos::choose(txn, context, None, new.qos_policy_id)?,
        qos_network_policy_id: None,
        dns_name: None,
        trunk_details: None,
        allowed_address_pairs: security::check_pairs(new.allowed_address_pairs.unwrap_or_default(), mac_address)?,
        binding_host_id: new.binding_host_id.unwrap_or_default(),
        binding_vif_type: VIF_TYPE_UNBOUND.to_owned(),
        binding_vif_details: serde_json::Map::new(),
        binding_vnic_type: new.binding_vnic_type.unwrap_or_else(|| DEFAULT_VNIC_TYPE.to_owned()),
        binding_profile: new.binding_profile.unwrap_or_default(),
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    security::check_secured(&port, false)?;
    binding::bind(txn.options(), &mut port);
    Ok(Port::clone(&txn.insert(port)))
}

/// Creates all of them or none.
pub fn create_bulk(txn: &mut Txn, context: &Context, new: Vec<NewPort>) -> Result<Vec<Port>, Fault> {
    let before = txn.savepoint();
    let created: Result<Vec<_>, _> = new.into_iter().map(|new| create(txn, context, new)).collect();
    if created.is_err() {
        txn.rollback(before);
    }
    created
}

/// On another project's network a port takes what it is given.
fn check_may_create(txn: &Txn, context: &Context, network: &Network, new: &NewPort) -> Result<(), Fault> {
    if new.binding_host_id.is_some() || new.binding_profile.is_some() {
        admin_only(context, "create_port:binding:host_id")?;
    }
    if context.owns(&network.project_id) {
        return Ok(());
    }
    if !txn.is_shared_with(Shareable::Network(network.id), &context.project_id) {
        return Err(forbidden("create_port"));
    }
    let exact = |ips: &Vec<kuryr_neutron::FixedIpRequest>| ips.iter().any(|ip| ip.ip_address.is_some());
    let denied = [
        (new.mac_address.is_some(), "create_port:mac_address"),
        (new.fixed_ips.as_ref().is_some_and(exact), "create_port:fixed_ips:ip_address"),
        (new.port_security_enabled.is_some(), "create_port:port_security_enabled"),
        (new.allowed_address_pairs.is_some(), "create_port:allowed_address_pairs"),
        (new.device_owner.as_deref().is_some_and(security::is_trusted), "create_port:device_owner"),
    ];
    denied.iter().find(|(asked, _)| *asked).map_or(Ok(()), |(_, rule)| Err(forbidden(rule)))
}

/// On another project's network a port keeps what it was given, and its protection.
fn check_may_update(txn: &Txn, context: &Context, old: &Port, update: &PortUpdate) -> Result<(), Fault> {
    if is_network_owner(txn, context, old.network_id) {
        return Ok(());
    }
    let exact = |ips: &Vec<kuryr_neutron::FixedIpRequest>| ips.iter().any(|ip| ip.ip_address.is_some());
    let denied = [
        (update.fixed_ips.as_ref().is_some_and(exact), "update_port:fixed_ips:ip_address"),
        (update.port_security_enabled.is_some(), "update_port:port_security_enabled"),
        (update.allowed_address_pairs.is_some(), "update_port:allowed_address_pairs"),
        (update.device_owner.as_deref().is_some_and(security::is_trusted), "update_port:device_owner"),
    ];
    denied.iter().find(|(asked, _)| *asked).map_or(Ok(()), |(_, rule)| Err(forbidden(rule)))
}

fn is_network_owner(txn: &Txn, context: &Context, id: NetworkId) -> bool {
    txn.networks.get(&id).is_some_and(|network| context.may_change(&network.network.project_id))
}

fn admin_only(context: &Context, action: &str) -> Result<(), Fault> {
    if context.is_admin { Ok(()) } else { Err(forbidden(action)) }
}

/// A MAC address that an interface of the network may have.
fn check_mac(txn: &Txn, network: NetworkId, mac: MacAddr) -> Result<MacAddr, Fault> {
    if mac.is_multicast() || mac == MacAddr([0; 6]) {
        return Err(Fault::invalid("mac_address", format!("'{mac}' is not a valid MAC address of one interface")));
    }
    if txn.port_by_mac(network, mac).is_some() {
        return Err(Fault::conflict(
            "MacAddressInUse",
            format!("Unable to complete operation for network {network}. The mac address {mac} is in use."),
        ));
    }
    Ok(mac)
}

fn free_mac(txn: &Txn, network: NetworkId) -> Result<MacAddr, Fault> {
    let [a, b, c] = txn.options().mac_base;
    (0..MAC_ATTEMPTS)
        .map(|_| {
            let [d, e, f, ..] = *Uuid::new_v4().as_bytes();
            MacAddr([a, b, c, d, e, f])
        })
        .find(|mac| txn.port_by_mac(network, *mac).is_none())
        .ok_or_else(|| {
            Fault::new(
                FaultKind::Unavailable,
                "MacAddressGenerationFailure",
                format!("Unable to generate unique mac on network {network}."),
            )
        })
}

/// Changes a port. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: PortId,
    update: PortUpdate,
    expected_revision: Option<u64>,
) -> Result<Port, Fault> {
    let old = find::<Port>(txn, context, id)?;
    if !context.may_change(&old.project_id) {
        return Err(forbidden("update_port"));
    }
    check_may_update(txn, context, &old, &update)?;
    expect_revision(&*old, expected_revision)?;
    let device_owner = update.device_owner.as_deref().unwrap_or(&old.device_owner);
    let device_id = update.device_id.as_deref().unwrap_or(&old.device_id);
    let router = router_of(txn, &old.device_owner, &old.device_id);
    if router_of(txn, device_owner, device_id) != router || router.is_some() && device_owner != old.device_owner {
        return Err(only_by_router("update", device_owner, id));
    }
    let kept = floating_ip::kept_by(txn, &old).is_some();
    if kept && (update.fixed_ips.is_some() || device_owner != old.device_owner || *device_id != old.device_id) {
        return Err(only_by_router("update", device_owner, id));
    }
    let port = change(txn, context, &old, update)?;
    if let Some(router) = router {
        router_gateway::refresh(txn, router);
    }
    Ok(port)
}

/// Changes a port, a router's too.
pub(crate) fn change(txn: &mut Txn, context: &Context, old: &Arc<Port>, update: PortUpdate) -> Result<Port, Fault> {
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    check_text("device_id", update.device_id.as_deref())?;
    check_text("device_owner", update.device_owner.as_deref())?;
    if update.binding_host_id.is_some() || update.binding_profile.is_some() || update.mac_address.is_some() {
        admin_only(context, "update_port:binding:host_id")?;
    }
    let mut port = Port::clone(old);
    port.device_owner = update.device_owner.unwrap_or(port.device_owner);
    port.device_id = update.device_id.unwrap_or(port.device_id);
    if let Some(mac) = update.mac_address.filter(|mac| *mac != old.mac_address) {
        change_mac(txn, old, &mut port, mac)?;
    }
    if let Some(requests) = update.fixed_ips {
        port.fixed_ips = addresses::grant(txn, holder(&port, &old.fixed_ips), &requests)?;
        floating_ip::readdressed(txn, &port)?;
    }
    if let Some(groups) = update.security_groups {
        port.security_groups = security::check_groups(txn, context, groups)?;
    }
    if let Some(pairs) = update.allowed_address_pairs {
        port.allowed_address_pairs = security::check_pairs(pairs, port.mac_address)?;
    }
    if let Some(wanted) = update.qos_policy_id {
        port.qos_policy_id = qos::choose(txn, context, old.qos_policy_id, wanted)?;
    }
    port.port_security_enabled = update.port_security_enabled.unwrap_or(port.port_security_enabled);
    security::check_secured(&port, old.port_security_enabled)?;
    port.name = update.name.unwrap_or(port.name);
    port.admin_state_up = update.admin_state_up.unwrap_or(port.admin_state_up);
    port.description = update.description.unwrap_or(port.description);
    port.binding_profile = update.binding_profile.unwrap_or(port.binding_profile);
    port.binding_vnic_type = update.binding_vnic_type.unwrap_or(port.binding_vnic_type);
    // Asking again for the host where a binding failed tries again.
    let mut bind = port.binding_vnic_type != old.binding_vnic_type;
    if let Some(host) = update.binding_host_id {
        bind |= host != old.binding_host_id || !binding::is_bound(old);
        port.binding_host_id = host;
    }
    if bind {
        binding::bind(txn.options(), &mut port);
        port.status = Status::Down;
    }
    let port = txn.save(old, port);
    if bind {
        subport::rebound(txn, &port);
    }
    Ok(Port::clone(&port))
}

fn holder<'a>(port: &'a Port, has: &'a [FixedIp]) -> Holder<'a> {
    Holder { port: port.id, network: port.network_id, mac: port.mac_address, owner: &port.device_owner, has }
}

fn change_mac(txn: &Txn, old: &Port, port: &mut Port, mac: MacAddr) -> Result<(), Fault> {
    if binding::is_bound(old) {
        return Err(Fault::conflict(
            "PortBound",
            format!(
                "Unable to complete operation on port {}, port is already bound, port type: {}, old_mac {}, new_mac {mac}.",
                old.id, old.binding_vif_type, old.mac_address
            ),
        ));
    }
    port.mac_address = check_mac(txn, old.network_id, mac)?;
    for pair in &mut port.allowed_address_pairs {
        if pair.mac_address == Some(old.mac_address) {
            pair.mac_address = Some(mac);
        }
    }
    // Hosts form these addresses from the MAC address.
    for ip in &mut port.fixed_ips {
        if let Some(subnet) = txn.subnets.get(&ip.subnet_id).filter(|s| addresses::is_automatic(s)) {
            ip.ip_address = addresses::eui64(subnet.cidr, mac);
            addresses::check_free(txn, old.id, subnet.id, ip.ip_address)?;
        }
    }
    Ok(())
}

/// Deletes a port. A router's ports are deleted through the router.
pub fn delete(txn: &mut Txn, context: &Context, id: PortId) -> Result<(), Fault> {
    let port = find::<Port>(txn, context, id)?;
    if !context.may_change(&port.project_id) && !is_network_owner(txn, context, port.network_id) {
        return Err(forbidden("delete_port"));
    }
    subport::check_free(txn, id)?;
    let attached = router_of(txn, &port.device_owner, &port.device_id).is_some();
    let kept = floating_ip::kept_by(txn, &port).is_some();
    if kept || attached && (port.device_owner == ROUTER_GATEWAY || !port.fixed_ips.is_empty()) {
        return Err(Fault::conflict(
            "ServicePortInUse",
            format!("Port {id} cannot be deleted directly via the port API: has device owner {}.", port.device_owner),
        ));
    }
    remove(txn, id);
    Ok(())
}

/// Removes a port, whoever has it.
pub(crate) fn remove(txn: &mut Txn, id: PortId) {
    floating_ip::forget_port(txn, id);
    txn.remove::<Port>(id);
}

/// Tells whether a port works: the data plane's word. The same status again changes nothing.
pub fn set_status(txn: &mut Txn, id: PortId, status: Status) -> Result<(), Fault> {
    let old = txn.ports.get(&id).cloned().ok_or_else(|| Port::missing(id))?;
    let port = Port { status, ..Port::clone(&old) };
    txn.save(&old, port);
    Ok(())
}

/// Marks a port's binding as failed (`binding_failed`): the data plane could not wire it.
pub fn set_binding_failed(txn: &mut Txn, id: PortId) -> Result<Port, Fault> {
    let old = txn.ports.get(&id).cloned().ok_or_else(|| Port::missing(id))?;
    let mut port = Port::clone(&old);
    binding::fail(&mut port);
    Ok(Port::clone(&txn.save(&old, port)))
}

/// Hosts that are already on the network form an address of a new automatic subnet.
pub(crate) fn join_automatic_subnet(txn: &mut Txn, subnet: &Subnet) -> Result<(), Fault> {
    let ports: Vec<Arc<Port>> = txn.ports_of_network(subnet.network_id).cloned().collect();
    for old in ports.iter().filter(|p| !p.device_owner.starts_with("network:router")) {
        let mut port = Port::clone(old);
        let ip_address = addresses::eui64(subnet.cidr, port.mac_address);
        port.fixed_ips.push(FixedIp { subnet_id: subnet.id, ip_address });
        txn.save(old, port);
    }
    Ok(())
}

/// Takes a subnet's addresses away from all ports.
pub(crate) fn leave_subnet(txn: &mut Txn, id: SubnetId) {
    let ports: Vec<Arc<Port>> = txn.ports_of_subnet(id).cloned().collect();
    for old in ports {
        let mut port = Port::clone(&old);
        port.fixed_ips.retain(|ip| ip.subnet_id != id);
        txn.save(&old, port);
    }
}
