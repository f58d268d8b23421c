//! The resources, one file each: how their bodies are read, what they can be filtered by, what the engine does for them.

mod address_group;
mod default_rule;
mod floating_ip;
mod network;
mod port;
mod port_forwarding;
mod qos_policy;
mod qos_rule;
mod rbac_policy;
mod router;
mod security_group;
mod security_group_rule;
mod subnet;
mod subnetpool;
mod trunk;

pub use address_group::parse_addresses;
pub use qos_rule::{DIRECTIONS, MOST_KBPS};
pub use router::parse_interface;
pub use trunk::{parse_added, parse_removed};

/// Attributes that every resource has and nobody sets.
macro_rules! read_only {
    ($($more:literal),* $(,)?) => {
        &["id", "tags", "revision_number", "created_at", "updated_at", $($more),*]
    };
}
pub(crate) use read_only;

/// Creations one after the other; the first refusal takes all back.
macro_rules! create_each {
    ($module:ident, $txn:ident, $context:ident, $new:ident) => {
        $new.into_iter().map(|new| $crate::engine::$module::create($txn, $context, new)).collect()
    };
}
pub(crate) use create_each;

#[cfg(test)]
mod tests {
    use crate::{
        api::neutron::exposed::{Exposed, answered},
        engine::Context,
    };
    use kuryr_neutron::{Network, Port};
    use serde_json::json;

    fn shown<R: Exposed>(resource: serde_json::Value, is_admin: bool) -> Vec<String> {
        let resource: R = serde_json::from_value(resource).unwrap();
        let context = Context { is_admin, ..Context::default() };
        answered(&resource, &context, &[]).as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn bindings_and_providers_are_for_administrators() {
        let id = "00000000-0000-4000-8000-000000000000";
        let port = json!({"id": id, "network_id": id, "mac_address": "fa:16:3e:00:00:01"});
        let network = json!({"id": id, "provider:network_type": "local"});
        let hidden = |keys: Vec<String>| keys.into_iter().filter(|key| key.contains(':')).collect::<Vec<_>>();
        assert_eq!(hidden(shown::<Port>(port.clone(), false)), ["binding:vnic_type"]);
        assert_eq!(hidden(shown::<Port>(port, true)).len(), 5);
        assert_eq!(hidden(shown::<Network>(network.clone(), false)), ["router:external"]);
        assert_eq!(hidden(shown::<Network>(network, true)).len(), 4);
    }
}
