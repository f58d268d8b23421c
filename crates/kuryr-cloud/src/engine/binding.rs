//! How a port is bound to a host.

use crate::engine::Options;
use kuryr_neutron::{DEFAULT_VNIC_TYPE, Port, Status, VIF_TYPE_BINDING_FAILED, VIF_TYPE_BRIDGE, VIF_TYPE_UNBOUND};
use serde_json::{Map, Value};

/// Says how whoever plugs the port must do it. This cloud wires ports of its own host alone.
pub(crate) fn bind(options: &Options, port: &mut Port) {
    port.binding_vif_details = Map::new();
    port.binding_vif_type = if port.binding_host_id.is_empty() {
        VIF_TYPE_UNBOUND.to_owned()
    } else if port.binding_host_id == options.host && port.binding_vnic_type == DEFAULT_VNIC_TYPE {
        port.binding_vif_details = details(options, port);
        VIF_TYPE_BRIDGE.to_owned()
    } else {
        VIF_TYPE_BINDING_FAILED.to_owned()
    };
}

/// Marks a binding as failed: the port carries nothing.
pub(crate) fn fail(port: &mut Port) {
    port.binding_vif_type = VIF_TYPE_BINDING_FAILED.to_owned();
    port.binding_vif_details = Map::new();
    port.status = Status::Down;
}

/// True when an interface may be plugged for this port.
pub(crate) fn is_bound(port: &Port) -> bool {
    port.binding_vif_type != VIF_TYPE_UNBOUND && port.binding_vif_type != VIF_TYPE_BINDING_FAILED
}

fn details(options: &Options, port: &Port) -> Map<String, Value> {
    [
        ("port_filter", Value::from(true)),
        ("connectivity", Value::from("l2")),
        ("bridge_name", Value::from(port.network_id.bridge_name())),
        ("netns", Value::from(options.namespace.to_string_lossy())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}
