//! What trunks mean for ports.

use crate::engine::{State, Txn};
use kuryr_neutron::{
    DEVICE_OWNER_SUBPORT, Fault, Port, PortId, Status, SubPort, SubPortDetails, Trunk, TrunkDetails, VIF_TYPE_BRIDGE,
    VIF_TYPE_UNBOUND,
};
use std::sync::Arc;

/// Keys of `binding:profile` that Neutron writes.
const PARENT: &str = "parent_name";
/// See [`PARENT`].
const TAG: &str = "tag";

/// A port is carried by another.
pub(crate) fn carry(txn: &mut Txn, parent: PortId, sub: &SubPort) {
    change(txn, sub.port_id, |port| {
        port.device_owner = DEVICE_OWNER_SUBPORT.to_owned();
        port.binding_profile.insert(PARENT.to_owned(), parent.to_string().into());
        port.binding_profile.insert(TAG.to_owned(), sub.segmentation_id.into());
        port.binding_vif_type = VIF_TYPE_BRIDGE.to_owned();
    });
}

/// A port is carried no more.
pub(crate) fn release(txn: &mut Txn, id: PortId) {
    change(txn, id, |port| {
        if port.device_owner == DEVICE_OWNER_SUBPORT {
            port.device_owner.clear();
        }
        port.binding_profile.remove(PARENT);
        port.binding_profile.remove(TAG);
        port.binding_vif_type = VIF_TYPE_UNBOUND.to_owned();
        port.binding_vif_details.clear();
        port.status = Status::Down;
    });
}

fn change(txn: &mut Txn, id: PortId, edit: impl FnOnce(&mut Port)) {
    if let Some(old) = txn.ports.get(&id).cloned() {
        let mut port = Port::clone(&old);
        edit(&mut port);
        txn.save(&old, port);
    }
}

/// A port's binding changed: if it is a parent, what it carries is not wired before the data plane says so.
pub(crate) fn rebound(txn: &mut Txn, parent: &Port) {
    let Some(old) = txn.trunk_of_parent(parent.id).cloned() else { return };
    for sub in &old.sub_ports {
        change(txn, sub.port_id, |port| port.status = Status::Down);
    }
    if parent.binding_vif_type == VIF_TYPE_UNBOUND {
        txn.save(&old, Trunk { status: Status::Down, ..Trunk::clone(&old) });
    }
}

/// 409 for a port that a trunk needs.
pub(crate) fn check_free(state: &State, id: PortId) -> Result<(), Fault> {
    if let Some(trunk) = state.trunk_of_subport(id) {
        let message = format!("Port {id} is currently a subport for trunk {}.", trunk.id);
        return Err(Fault::conflict("PortInUseAsSubPort", message));
    }
    if let Some(trunk) = state.trunk_of_parent(id) {
        let message = format!("Port {id} is currently a parent port for trunk {}.", trunk.id);
        return Err(Fault::conflict("PortInUseAsTrunkParent", message));
    }
    Ok(())
}

/// What a port says of the trunk whose parent it is.
pub fn details(state: &State, id: PortId) -> Option<TrunkDetails> {
    let trunk: &Arc<Trunk> = state.trunk_of_parent(id)?;
    let sub_ports = trunk.sub_ports.iter().map(|sub| SubPortDetails {
        sub_port: sub.clone(),
        mac_address: state.ports.get(&sub.port_id).map(|port| port.mac_address),
    });
    Some(TrunkDetails { trunk_id: trunk.id, sub_ports: sub_ports.collect() })
}
