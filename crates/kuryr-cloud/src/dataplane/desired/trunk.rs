//! What trunks want of the kernel.
//!
//! A subport is an interface like others: it has the name that its port's tap would have, so that all that is said of
//! taps by name, rules foremost, is said of it. But it is a VLAN on its parent's tap. The kernel takes frames with
//! its tag off the tap before the parent's bridge sees them, and puts what the subport's bridge sends it on the tap
//! behind the parent's rules.

use super::Desired;
use crate::engine::State;
use kuryr_neutron::{HostId, PortId, Status, Trunk};
use std::sync::Arc;

/// The interface of a subport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// The parent's interface, which has it as long as it is plugged.
    pub parent: Arc<str>,
    /// Id of the VLAN.
    pub id: u16,
    /// The bridge of the subport's network.
    pub bridge: Arc<str>,
    /// MTU in bytes: at most the parent's.
    pub mtu: u32,
}

/// A trunk whose parent is plugged here, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTrunk {
    /// The parent.
    pub parent: PortId,
    /// What it carries.
    pub subports: Vec<PortId>,
    /// Status that the API shows.
    pub status: Status,
}

impl Desired {
    pub(super) fn add_trunk(&mut self, state: &State, trunk: &Trunk, host: &HostId, previous: &Self) {
        let parent = state.ports.get(&trunk.port_id).filter(|port| port.binding_host_id == *host);
        let parent =
            parent.and_then(|port| self.ports.get(&port.id).cloned().zip(state.networks.get(&port.network_id)));
        let Some((parent, outer)) = parent else { return };
        let mut subports = Vec::new();
        for sub in &trunk.sub_ports {
            let Some(port) = state.ports.get(&sub.port_id) else { continue };
            let Some(record) = state.networks.get(&port.network_id) else { continue };
            self.add_port(state, port, record, previous);
            let vlan = Vlan {
                parent: parent.interface.clone(),
                id: sub.segmentation_id,
                bridge: port.network_id.bridge_name().into(),
                mtu: record.network.mtu.min(outer.network.mtu),
            };
            self.topology.vlans.insert(port.id.tap_name().into(), vlan);
            subports.push(port.id);
        }
        self.trunks.insert(trunk.id, LocalTrunk { parent: trunk.port_id, subports, status: trunk.status });
    }
}
