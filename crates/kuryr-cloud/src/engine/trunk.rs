//! Trunks: ports that carry others, told apart by VLAN.

use crate::engine::{
    Context, NetworkRecord, Record, Txn, binding,
    faults::{check_text, invalid_input, required},
    port_security,
    quota::{self, Counted},
    row::{Row, expect_revision, find, find_own, owner},
    subport,
};
use kuryr_neutron::{
    Fault, FaultKind, NewTrunk, Port, PortId, Status, SubPort, Trunk, TrunkId, TrunkUpdate, VIF_TYPE_BRIDGE,
};
use std::sync::Arc;

/// Creates a trunk.
pub fn create(txn: &mut Txn, context: &Context, new: NewTrunk) -> Result<Trunk, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let port_id = new.port_id.ok_or_else(|| required("port_id"))?;
    let project_id = owner(context, new.project_id, "create_trunk")?;
    quota::check(txn, &project_id, Counted::Trunk, 1)?;
    let parent = check_parent(txn, context, port_id)?;
    check_subports(txn, context, &parent, &new.sub_ports)?;
    let trunk = Trunk {
        id: TrunkId::random(),
        name: new.name,
        project_id,
        port_id,
        sub_ports: new.sub_ports,
        admin_state_up: new.admin_state_up.unwrap_or(true),
        status: wanted_status(txn, &parent),
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    let trunk = txn.insert(trunk);
    trunk.sub_ports.iter().for_each(|sub| subport::carry(txn, port_id, sub));
    Ok(Trunk::clone(&trunk))
}

/// As Neutron's OVN driver has it, a trunk is `ACTIVE` when nothing is left to be wired; on this host the data plane
/// tells when that is.
fn wanted_status(txn: &Txn, parent: &Port) -> Status {
    let here = parent.binding_vif_type == VIF_TYPE_BRIDGE && parent.binding_host_id == txn.options().host;
    if here { Status::Down } else { Status::Active }
}

/// A port that can become a trunk's parent.
fn check_parent(txn: &Txn, context: &Context, id: PortId) -> Result<Arc<Port>, Fault> {
    check_in_no_trunk(txn, id)?;
    let port = find::<Port>(txn, context, id)?;
    // A router's port comes and goes with the router.
    if !can_change(&port) || port_security::is_trusted(&port.device_owner) {
        return Err(parent_in_use(id));
    }
    Ok(port)
}

fn check_in_no_trunk(txn: &Txn, id: PortId) -> Result<(), Fault> {
    if txn.trunk_of_subport(id).is_some() {
        return Err(Fault::conflict("TrunkPortInUse", format!("Port {id} is in use by another trunk.")));
    }
    if txn.trunk_of_parent(id).is_some() { Err(parent_in_use(id)) } else { Ok(()) }
}

/// What is bound where nobody wires it cannot become a trunk, nor cease to be one.
fn can_change(parent: &Port) -> bool {
    parent.binding_host_id.is_empty() || binding::is_bound(parent)
}

fn parent_in_use(id: PortId) -> Fault {
    let message = format!("Port {id} is currently in use and is not eligible for use as a parent port.");
    Fault::conflict("ParentPortInUse", message)
}

/// All of them can be carried by a parent.
fn check_subports(txn: &Txn, context: &Context, parent: &Port, subs: &[SubPort]) -> Result<(), Fault> {
    let mtu = |port: &Port| NetworkRecord::table(txn).get(&port.network_id).map_or(0, |record| record.network.mtu);
    for SubPort { port_id: id, .. } in subs {
        if *id == parent.id {
            return Err(parent_in_use(*id));
        }
        let port = find::<Port>(txn, context, *id)?;
        if mtu(&port) > mtu(parent) {
            let message = format!(
                "MTU {} of subport {id} cannot be greater than MTU {} of trunk {}.",
                mtu(&port),
                mtu(parent),
                parent.id
            );
            return Err(Fault::conflict("SubPortMtuGreaterThanTrunkPortMtu", message));
        }
        check_in_no_trunk(txn, *id)?;
        if !port.device_id.is_empty() {
            let message = format!(
                "Unable to complete operation on port {id} for network {}. Port already has an attached device {}.",
                port.network_id, port.device_id
            );
            return Err(Fault::conflict("PortInUse", message));
        }
    }
    Ok(())
}

/// Changes a trunk's texts, or whether its subports may be changed. With `expected_revision`, only if it still has that
/// revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: TrunkId,
    update: TrunkUpdate,
    expected_revision: Option<u64>,
) -> Result<Trunk, Fault> {
    let old = find_own::<Trunk>(txn, context, id, "update_trunk")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let mut trunk = Trunk::clone(&old);
    trunk.name = update.name.unwrap_or(trunk.name);
    trunk.description = update.description.unwrap_or(trunk.description);
    trunk.admin_state_up = update.admin_state_up.unwrap_or(trunk.admin_state_up);
    Ok(Trunk::clone(&txn.save(&old, trunk)))
}

/// Lets a trunk carry more ports: all of them or none.
pub fn add_subports(txn: &mut Txn, context: &Context, id: TrunkId, more: &[SubPort]) -> Result<Trunk, Fault> {
    let old = find_own::<Trunk>(txn, context, id, "add_subports")?;
    let parent = parent_of(txn, &old)?;
    check_subports(txn, context, &parent, more)?;
    check_enabled(&old)?;
    let taken = |sub: &&SubPort| old.sub_ports.iter().any(|known| known.segmentation_id == sub.segmentation_id);
    if let Some(SubPort { segmentation_type, segmentation_id, .. }) = more.iter().find(taken) {
        let message = format!(
            "segmentation_type {segmentation_type} and segmentation_id {segmentation_id} already in use on trunk {id}."
        );
        return Err(Fault::conflict("DuplicateSubPort", message));
    }
    let sub_ports = [&old.sub_ports, more].concat();
    let told = change_subports(txn, &old, &parent, sub_ports);
    more.iter().for_each(|sub| subport::carry(txn, old.port_id, sub));
    Ok(told)
}

/// Lets a trunk carry these ports no more. All of them must be its own.
pub fn remove_subports(txn: &mut Txn, context: &Context, id: TrunkId, these: &[PortId]) -> Result<Trunk, Fault> {
    let old = find_own::<Trunk>(txn, context, id, "remove_subports")?;
    check_enabled(&old)?;
    let parent = parent_of(txn, &old)?;
    if let Some(port) = these.iter().find(|port| old.sub_ports.iter().all(|sub| sub.port_id != **port)) {
        let message = format!("SubPort {port} on trunk {id} could not be found.");
        return Err(Fault::new(FaultKind::NotFound, "SubPortNotFound", message));
    }
    let sub_ports = old.sub_ports.iter().filter(|sub| !these.contains(&sub.port_id)).cloned().collect();
    let told = change_subports(txn, &old, &parent, sub_ports);
    these.iter().for_each(|port| subport::release(txn, *port));
    Ok(told)
}

/// The answer says `DOWN`: what was asked for is not done yet.
fn change_subports(txn: &mut Txn, old: &Arc<Trunk>, parent: &Port, sub_ports: Vec<SubPort>) -> Trunk {
    let changes = sub_ports != old.sub_ports;
    let told = txn.save(old, Trunk { sub_ports, status: Status::Down, ..Trunk::clone(old) });
    if changes {
        let status = wanted_status(txn, parent);
        txn.save(&told, Trunk { status, ..Trunk::clone(&told) });
    }
    Trunk::clone(&told)
}

fn parent_of(txn: &Txn, trunk: &Trunk) -> Result<Arc<Port>, Fault> {
    txn.ports.get(&trunk.port_id).cloned().ok_or_else(|| Port::missing(trunk.port_id))
}

fn check_enabled(trunk: &Trunk) -> Result<(), Fault> {
    if trunk.admin_state_up {
        return Ok(());
    }
    Err(Fault::conflict("TrunkDisabled", format!("Trunk {} is currently disabled.", trunk.id)))
}

/// Deletes a trunk; its ports stay.
pub fn delete(txn: &mut Txn, context: &Context, id: TrunkId) -> Result<(), Fault> {
    let old = find_own::<Trunk>(txn, context, id, "delete_trunk")?;
    check_enabled(&old)?;
    if !can_change(&*parent_of(txn, &old)?) {
        return Err(Fault::conflict("TrunkInUse", format!("Trunk {id} is currently in use.")));
    }
    old.sub_ports.iter().for_each(|sub| subport::release(txn, sub.port_id));
    txn.remove::<Trunk>(id);
    Ok(())
}

/// Tells whether a trunk's subports are wired: the data plane's word. The same status again changes nothing.
pub fn set_status(txn: &mut Txn, id: TrunkId, status: Status) -> Result<(), Fault> {
    let old: Arc<Trunk> = txn.trunks.get(&id).cloned().ok_or_else(|| Trunk::missing(id))?;
    txn.save(&old, Trunk { status, ..Trunk::clone(&old) });
    Ok(())
}

/// Refuses a kind of segmentation or a number that no VLAN has, in Neutron's words.
pub fn check_segmentation(kind: &str, id: i64) -> Result<u16, Fault> {
    if kind != kuryr_neutron::SEGMENTATION_VLAN {
        // What a subport inherits is its network's, and networks of this cloud are of no VLAN.
        let kind = if kind == SEGMENTATION_INHERIT { "local" } else { kind };
        let kind: String = kind.chars().take(100).collect();
        return Err(invalid_input(format!("Unknown segmentation_type '{kind}'")));
    }
    let vlan = u16::try_from(id).ok().filter(|id| (1..=LAST_VLAN).contains(id));
    vlan.ok_or_else(|| invalid_input(format!("Segmentation ID '{id}' is not in range")))
}

/// `segmentation_type` of a subport that has its network's.
pub const SEGMENTATION_INHERIT: &str = "inherit";
/// 4095 is reserved.
const LAST_VLAN: u16 = 4094;
