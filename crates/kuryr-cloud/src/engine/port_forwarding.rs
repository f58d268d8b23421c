//! Single ports of floating IPs that lead to ports of interfaces.

use crate::engine::{
    Context, ForwardingRecord, Txn,
    faults::{bad, check_text, required},
    floating_ip::{already_associated, router_between, set_router},
    row::{expect_revision, find, find_own},
};
use kuryr_neutron::{
    Fault, FloatingIp, NewPortForwarding, Port, PortForwarding, PortForwardingId, PortForwardingUpdate, PortId,
    PortRange, RouterId,
};
use std::{net::IpAddr, sync::Arc};

const RESOURCE: &str = "port_forwarding";

/// Forwards ports of a floating IP.
pub fn create(txn: &mut Txn, context: &Context, new: NewPortForwarding) -> Result<PortForwarding, Fault> {
    check_text("description", new.description.as_deref())?;
    let id = new.floatingip_id.ok_or_else(|| required("floatingip_id"))?;
    let floating = find_own::<FloatingIp>(txn, context, id, "create_floatingip_port_forwarding")?;
    let external = new.external_port_range.or(new.external_port.map(PortRange::one));
    let internal = new.internal_port_range.or(new.internal_port.map(PortRange::one));
    let forwarding = PortForwarding {
        id: PortForwardingId::random(),
        protocol: new.protocol,
        external_port: None,
        external_port_range: external,
        internal_port: None,
        internal_port_range: internal,
        internal_ip_address: new.internal_ip_address,
        internal_port_id: new.internal_port_id,
        description: new.description.unwrap_or_default(),
    };
    let (forwarding, router) = checked(txn, context, &floating, forwarding)?;
    let record = ForwardingRecord {
        forwarding,
        floatingip_id: id,
        project_id: floating.project_id.clone(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    let made = txn.insert(record).forwarding.clone();
    set_router(txn, id, Some(router))?;
    Ok(made)
}

/// A forwarding whose parts fit together and to others, with the router that does it.
fn checked(
    txn: &Txn,
    context: &Context,
    floating: &FloatingIp,
    mut wanted: PortForwarding,
) -> Result<(PortForwarding, RouterId), Fault> {
    let external = wanted.external_port_range.ok_or_else(|| required("external_port"))?;
    let internal = wanted.internal_port_range.ok_or_else(|| required("internal_port"))?;
    if internal.length() != external.length() && internal.length() != 1 {
        return Err(bad(
            RESOURCE,
            "Invalid ranges of internal and/or external ports. The relation between internal and external ports must be \
             N-N or 1-N",
        ));
    }
    (wanted.external_port, wanted.internal_port) = (external.single(), internal.single());
    let other = |other: &&PortForwarding| other.id != wanted.id && other.protocol == wanted.protocol;
    let inside = txn
        .forwardings_to(wanted.internal_port_id)
        .map(|record| &record.forwarding)
        .filter(other)
        .filter(|other| other.internal_ip_address == wanted.internal_ip_address)
        .filter_map(PortForwarding::internal);
    check_collision("internal_port_range", internal, inside)?;
    let outside = txn.forwardings_of(floating.id).map(|record| &record.forwarding).filter(other);
    check_collision("external_port_range", external, outside.filter_map(PortForwarding::external))?;
    if let (Some(port), Some(fixed)) = (floating.port_id, floating.fixed_ip_address) {
        return Err(already_associated(floating, port, fixed));
    }
    let port = find_own::<Port>(txn, context, wanted.internal_port_id, "create_floatingip_port_forwarding")?;
    let router = reaching(txn, floating, &port, wanted.internal_ip_address)?;
    if let Some(lent) = txn.floating_ips_of_port(port.id).next() {
        return Err(Fault::conflict(
            "PortHasBindingFloatingIP",
            format!(
                "Cannot create port forwarding to floating IP {} ({}) with port {} using fixed IP {}, as that port already \
                 has a binding floating IP.",
                lent.floating_ip_address, lent.id, port.id, wanted.internal_ip_address
            ),
        ));
    }
    Ok((wanted, router))
}

fn check_collision(key: &str, wanted: PortRange, mut others: impl Iterator<Item = PortRange>) -> Result<(), Fault> {
    let Some(other) = others.find(|other| other.overlaps(wanted)) else { return Ok(()) };
    let reason =
        format!("There is a port collision with the {key}. The following ranges collide: {other} and {wanted}");
    Err(bad(RESOURCE, reason))
}

/// The router that leads from an address of a port to the floating IP's network.
fn reaching(txn: &Txn, floating: &FloatingIp, port: &Port, address: IpAddr) -> Result<RouterId, Fault> {
    let own = || port.fixed_ips.iter().filter(|ip| ip.ip_address.is_ipv4());
    if own().next().is_none() {
        let reason = "must allocate an IPv4 address at least";
        return Err(bad(RESOURCE, format!("Requested internal port {} {reason}", port.id)));
    }
    let Some(inside) = own().find(|ip| ip.ip_address == address) else {
        let all: Vec<String> =
            own().map(|ip| format!("{{'subnet_id': '{}', 'ip_address': '{}'}}", ip.subnet_id, ip.ip_address)).collect();
        return Err(bad(
            RESOURCE,
            format!(
                "Requested internal IP address {address} is not suitable for internal neutron port {}, as its fixed_ips are \
                 [{}]",
                port.id,
                all.join(", ")
            ),
        ));
    };
    let outside = floating.floating_network_id;
    let router = router_between(txn, inside.subnet_id, outside).ok_or_else(|| {
        bad(
            RESOURCE,
            format!(
                "External network {outside} is not reachable from subnet {}. Cannot set Port forwarding for port {} with \
                 Floating IP {}",
                inside.subnet_id, port.id, floating.id
            ),
        )
    })?;
    match floating.router_id.filter(|known| *known != router) {
        Some(known) => Err(bad(
            RESOURCE,
            format!(
                "The Floating IP {} had been set on router {known}, the internal Neutron port {} can not reach it",
                floating.id, port.id
            ),
        )),
        None => Ok(router),
    }
}

/// Changes a forwarding.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: PortForwardingId,
    update: PortForwardingUpdate,
    expected_revision: Option<u64>,
) -> Result<PortForwarding, Fault> {
    let old = find_own::<ForwardingRecord>(txn, context, id, "update_floatingip_port_forwarding")?;
    expect_revision(&*old, expected_revision)?;
    check_text("description", update.description.as_deref())?;
    let floating = find::<FloatingIp>(txn, context, old.floatingip_id)?;
    let mut wanted = old.forwarding.clone();
    wanted.protocol = update.protocol.unwrap_or(wanted.protocol);
    let external = update.external_port_range.or(update.external_port.map(PortRange::one));
    let internal = update.internal_port_range.or(update.internal_port.map(PortRange::one));
    wanted.external_port_range = external.or(wanted.external_port_range);
    wanted.internal_port_range = internal.or(wanted.internal_port_range);
    wanted.internal_ip_address = update.internal_ip_address.unwrap_or(wanted.internal_ip_address);
    wanted.internal_port_id = update.internal_port_id.unwrap_or(wanted.internal_port_id);
    wanted.description = update.description.unwrap_or(wanted.description);
    let (forwarding, _) = checked(txn, context, &floating, wanted)?;
    let record = ForwardingRecord { forwarding, ..ForwardingRecord::clone(&old) };
    Ok(txn.save(&old, record).forwarding.clone())
}

/// Forwards no longer.
pub fn delete(txn: &mut Txn, context: &Context, id: PortForwardingId) -> Result<(), Fault> {
    let old = find_own::<ForwardingRecord>(txn, context, id, "delete_floatingip_port_forwarding")?;
    remove(txn, &old);
    Ok(())
}

fn remove(txn: &mut Txn, record: &Arc<ForwardingRecord>) {
    txn.remove::<ForwardingRecord>(record.forwarding.id);
    if txn.forwardings_of(record.floatingip_id).next().is_none() {
        // It is there: its forwardings go first.
        let _ = set_router(txn, record.floatingip_id, None);
    }
}

/// Forwards no longer to a port's addresses that are gone.
pub(crate) fn forget(txn: &mut Txn, port: PortId, gone: impl Fn(IpAddr) -> bool) {
    let all: Vec<Arc<ForwardingRecord>> =
        txn.forwardings_to(port).filter(|record| gone(record.forwarding.internal_ip_address)).cloned().collect();
    all.iter().for_each(|record| remove(txn, record));
}
