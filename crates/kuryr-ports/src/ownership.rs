//! Who made a resource, and so who may delete it: names and tags in Neutron.
//!
//! There is no other memory of it. The forms are those of every Kuryr, so that old and new hosts can share a cloud.

use crate::identity::{DockerId, static_tag};
use ipnet::IpNet;
use kuryr_neutron::{DEVICE_OWNER_SUBPORT, Port, PortId, SubnetPoolId, Tag};
use std::collections::BTreeSet;

/// `device_owner` of every port a container has; also the tag of ports that Kuryr created.
pub const DEVICE_OWNER: &str = "compute:kuryr";
/// Name of a port between the allocation of its address and its use by an endpoint.
pub const UNBOUND_PORT_NAME: &str = "kuryr-unbound-port";
/// Name of a port that no container has yet, and of one that may be given back to where it came from.
pub const READY_PORT_NAME: &str = "kuryr-ready-port";
/// First part of the names of subnets that Kuryr created.
pub const SUBNET_NAME_PREFIX: &str = "kuryr-subnet-";
/// Description of security groups with exposed ports.
pub const EXPOSED_DESCRIPTION: &str = "Docker exposed ports created by Kuryr.";

/// Tag of a port that Kuryr created and may delete.
pub fn created_port_tag() -> Tag {
    static_tag(DEVICE_OWNER)
}

/// Tag of a port that existed before: only its binding is given back.
pub fn existing_port_tag() -> Tag {
    static_tag("kuryr.port.existing")
}

/// Tag of a subnet pool that existed before.
pub fn existing_pool_tag() -> Tag {
    static_tag("kuryr.subnetpool.existing")
}

/// Tag of a subnet: the pool under whose id Docker knows it.
pub fn pool_tag(pool: SubnetPoolId) -> Tag {
    static_tag(&pool.to_string())
}

/// The pools under whose ids Docker networks know a subnet.
pub fn pool_tags(tags: &[Tag]) -> impl Iterator<Item = SubnetPoolId> + '_ {
    tags.iter().filter_map(|tag| tag.as_str().parse().ok())
}

/// Name of a subnet for a range, as Docker wrote the range.
pub fn subnet_name(pool: &str) -> String {
    format!("{SUBNET_NAME_PREFIX}{pool}")
}

/// Name of the pool that Kuryr creates for a range.
pub fn pool_name(prefix: &str, cidr: IpNet) -> String {
    format!("{prefix}-{cidr}")
}

/// Name of the security group with a port's exposed ports.
pub fn exposed_group_name(port: PortId) -> String {
    format!("{port}-exposed_ports")
}

/// What of Neutron's tags the cloud offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagging {
    /// Networks can be tagged: identity is in tags, else in names.
    pub identity: bool,
    /// Subnets, pools and ports can be tagged: so is their ownership, else it is in names.
    pub resources: bool,
}

impl Tagging {
    /// From the aliases of the cloud's extensions.
    pub fn from_extensions(extensions: &BTreeSet<String>) -> Self {
        let has = |alias: &str| extensions.contains(alias);
        let all = has("standard-attr-tag");
        // `tag` alone cannot mark ports, so that containers could not be found again: names then.
        let both = has("tag") && has("tag-ext");
        Self { identity: all || both, resources: all || both }
    }
}

/// Whose a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Kuryr created it, and deletes it.
    Kuryr,
    /// Somebody else's.
    Other,
}

/// Who created a port.
pub fn owner_of(port: &Port) -> Owner {
    let tagged = port.tags.contains(&created_port_tag());
    let existing = port.tags.contains(&existing_port_tag());
    let named = port.name == UNBOUND_PORT_NAME
        || port.name == READY_PORT_NAME
        || (!port.device_id.is_empty() && port.name == format!("{}-port", port.device_id));
    if tagged || (named && !existing) { Owner::Kuryr } else { Owner::Other }
}

/// Who uses a port at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// Nobody.
    Nobody,
    /// Nobody yet: its host keeps it ready for the next container.
    Ready,
    /// This Docker endpoint.
    Endpoint(DockerId),
    /// Something else: a VM, a router, a host.
    Device(String),
}

/// Who uses a port. A Docker endpoint's id that stayed behind without host and owner is nobody, and so is the host
/// of a port that waits for the endpoint it was made for.
pub fn user_of(port: &Port) -> User {
    if is_unused(port, UNBOUND_PORT_NAME) {
        return User::Nobody;
    }
    if is_unused(port, READY_PORT_NAME) {
        return User::Ready;
    }
    let bound = !port.binding_host_id.is_empty() || !port.device_owner.is_empty();
    match port.device_id.parse::<DockerId>() {
        Ok(_) if !bound => User::Nobody,
        Ok(endpoint) if ["", DEVICE_OWNER, DEVICE_OWNER_SUBPORT].contains(&port.device_owner.as_str()) => {
            User::Endpoint(endpoint)
        }
        _ if !bound && port.device_id.is_empty() => User::Nobody,
        _ => User::Device(describe(port)),
    }
}

/// True for a port that was made for an endpoint whose id is not known yet.
fn is_unused(port: &Port, name: &str) -> bool {
    let is_bound = port.device_owner == DEVICE_OWNER && !port.binding_host_id.is_empty();
    // Within a virtual machine it becomes a trunk's subport first.
    let is_carried = port.device_owner == DEVICE_OWNER_SUBPORT;
    port.name == name && port.device_id.is_empty() && (is_bound || is_carried)
}

fn describe(port: &Port) -> String {
    let mut parts = Vec::new();
    for (what, value) in [("device", &port.device_id), ("owner", &port.device_owner), ("host", &port.binding_host_id.0)]
    {
        if !value.is_empty() {
            parts.push(format!("{what} {value}"));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn port(json: serde_json::Value) -> Port {
        let mut all = serde_json::json!({
            "id": "820b6faa-39d3-44e4-b378-9ea1ba434d05", "network_id": "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d51",
            "mac_address": "02:42:0a:00:00:02",
        });
        all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn names_are_what_other_hosts_write() {
        let cidr: IpNet = "10.0.0.0/24".parse().unwrap();
        assert_eq!(pool_name("kuryrPool", cidr), "kuryrPool-10.0.0.0/24");
        assert_eq!(subnet_name("10.0.0.0/24"), "kuryr-subnet-10.0.0.0/24");
        let id: PortId = "64018d61-d05c-42a5-89b0-6dea8e4952b3".parse().unwrap();
        assert_eq!(exposed_group_name(id), "64018d61-d05c-42a5-89b0-6dea8e4952b3-exposed_ports");
    }

    #[test]
    fn owners() {
        let endpoint = "1".repeat(64);
        assert_eq!(owner_of(&port(serde_json::json!({"tags": ["compute:kuryr"]}))), Owner::Kuryr);
        assert_eq!(owner_of(&port(serde_json::json!({"name": "kuryr-unbound-port"}))), Owner::Kuryr);
        let renamed = serde_json::json!({"name": format!("{endpoint}-port"), "device_id": endpoint});
        assert_eq!(owner_of(&port(renamed)), Owner::Kuryr);
        assert_eq!(owner_of(&port(serde_json::json!({"name": "-port"}))), Owner::Other);
        let existing = serde_json::json!({"name": "kuryr-unbound-port", "tags": ["kuryr.port.existing"]});
        assert_eq!(owner_of(&port(existing)), Owner::Other);
    }

    #[test]
    fn users() {
        let endpoint = "1".repeat(64);
        let user = |json| user_of(&port(json));
        assert_eq!(user(serde_json::json!({})), User::Nobody);
        assert_eq!(user(serde_json::json!({"device_id": endpoint})), User::Nobody, "left behind by an older release");
        let waiting =
            serde_json::json!({"name": "kuryr-unbound-port", "device_owner": "compute:kuryr", "binding:host_id": "h"});
        assert_eq!(user(waiting), User::Nobody, "made for an endpoint that has no id yet");
        let ready =
            serde_json::json!({"name": "kuryr-ready-port", "device_owner": "compute:kuryr", "binding:host_id": "h"});
        assert_eq!((user(ready.clone()), owner_of(&port(ready))), (User::Ready, Owner::Kuryr));
        let ours = serde_json::json!({"device_id": endpoint, "device_owner": "compute:kuryr", "binding:host_id": "h"});
        assert_eq!(user(ours), User::Endpoint(endpoint.parse().unwrap()));
        let carried = serde_json::json!({"device_id": endpoint, "device_owner": "trunk:subport"});
        assert_eq!(user(carried), User::Endpoint(endpoint.parse().unwrap()), "within a virtual machine");
        let carried = serde_json::json!({"name": "kuryr-unbound-port", "device_owner": "trunk:subport"});
        assert_eq!(user(carried), User::Nobody, "made for an endpoint whose id did not come");
        for device in [
            serde_json::json!({"device_id": "vm-uuid"}),
            serde_json::json!({"binding:host_id": "other"}),
            serde_json::json!({"device_owner": "network:dhcp"}),
            serde_json::json!({"name": "kuryr-unbound-port", "device_owner": "compute:kuryr"}),
            serde_json::json!({"device_owner": "trunk:subport"}),
            serde_json::json!({"device_id": endpoint, "device_owner": "compute:nova"}),
        ] {
            assert!(matches!(user(device.clone()), User::Device(_)), "{device}");
        }
    }

    #[test]
    fn tagging_follows_the_extensions() {
        let of = |aliases: &[&str]| Tagging::from_extensions(&aliases.iter().map(|a| (*a).to_owned()).collect());
        assert_eq!(of(&["standard-attr-tag"]), Tagging { identity: true, resources: true });
        assert_eq!(of(&["tag", "tag-ext"]), Tagging { identity: true, resources: true });
        assert_eq!(of(&["tag"]), Tagging { identity: false, resources: false });
    }

    proptest! {
        #[test]
        fn pool_tags_come_back(ids in prop::collection::vec(any::<u128>(), 0..5)) {
            let ids: Vec<SubnetPoolId> = ids.into_iter().map(|n| SubnetPoolId(uuid::Uuid::from_u128(n))).collect();
            let mut tags: Vec<Tag> = ids.iter().map(|id| pool_tag(*id)).collect();
            tags.push(created_port_tag());
            prop_assert_eq!(pool_tags(&tags).collect::<Vec<_>>(), ids);
        }
    }
}
