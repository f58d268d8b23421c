//! What a port's binding says, checked: nothing from the cloud reaches a path or an interface name unseen.

use crate::Error;
use kuryr_neutron::{Port, PortId, VIF_TYPE_BINDING_FAILED, VIF_TYPE_BRIDGE, VIF_TYPE_UNBOUND};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

const NETNS: &str = "netns";
const BRIDGE_NAME: &str = "bridge_name";

/// How to plug a port into a Linux bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    /// The bridge's namespace; absent: the host's.
    pub namespace: Option<PathBuf>,
    /// The bridge.
    pub bridge: String,
}

impl Wiring {
    /// Reads a port's `binding:vif_type` and `binding:vif_details`.
    pub fn of(port: &Port) -> Result<Self, Error> {
        match port.binding_vif_type.as_str() {
            VIF_TYPE_BRIDGE => {}
            VIF_TYPE_UNBOUND | "" => return Err(Error::Unbound { port: port.id }),
            VIF_TYPE_BINDING_FAILED => {
                return Err(Error::BindingFailed { port: port.id, host: port.binding_host_id.clone() });
            }
            other => return Err(Error::UnsupportedVifType { port: port.id, vif_type: other.to_owned() }),
        }
        let detail = |key| port.binding_vif_details.get(key).filter(|value| !value.is_null());
        let namespace = detail(NETNS).map(|value| namespace(port.id, value)).transpose()?;
        let bridge = match detail(BRIDGE_NAME) {
            Some(value) => bridge(port.id, value)?,
            None => port.network_id.bridge_name(),
        };
        Ok(Self { namespace, bridge })
    }
}

fn namespace(port: PortId, value: &Value) -> Result<PathBuf, Error> {
    let plain = |path: &&Path| {
        path.is_absolute()
            && path.file_name().is_some()
            && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    value.as_str().filter(|text| !text.contains('\0') && text.len() < 4096).map(Path::new).filter(plain).map_or_else(
        || Err(invalid(port, NETNS, value, "an absolute path without '..' of at most 4095 bytes")),
        |path| Ok(path.to_owned()),
    )
}

fn bridge(port: PortId, value: &Value) -> Result<String, Error> {
    value.as_str().filter(|name| kuryr_netlink::link::check_name(name).is_ok()).map_or_else(
        || {
            Err(invalid(
                port,
                BRIDGE_NAME,
                value,
                "the name of an interface: 1 to 15 bytes without blanks, '/' and ':'",
            ))
        },
        |name| Ok(name.to_owned()),
    )
}

fn invalid(port: PortId, key: &'static str, value: &Value, expected: &'static str) -> Error {
    Error::InvalidDetail { port, key, value: shortened(&value.to_string()), expected }
}

/// Enough of a hostile value to recognise it.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 100;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn port(vif_type: &str, details: Value) -> Port {
        serde_json::from_value(json!({
            "id": "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "network_id": "11111111-2222-3333-4444-555555555555",
            "mac_address": "fa:16:3e:01:02:03",
            "binding:host_id": "node-1",
            "binding:vif_type": vif_type,
            "binding:vif_details": details,
        }))
        .unwrap()
    }

    #[test]
    fn details_are_taken_or_have_their_defaults() {
        let details = json!({"netns": "/run/netns/kuryr", "bridge_name": "brq-web", "port_filter": true});
        let wiring = Wiring::of(&port("bridge", details)).unwrap();
        let expected = Wiring { namespace: Some("/run/netns/kuryr".into()), bridge: "brq-web".to_owned() };
        assert_eq!(wiring, expected);
        let defaults = Wiring { namespace: None, bridge: "brq11111111-22".to_owned() };
        assert_eq!(Wiring::of(&port("bridge", json!({}))).unwrap(), defaults);
        assert_eq!(Wiring::of(&port("bridge", json!({"netns": null, "bridge_name": null}))).unwrap(), defaults);
    }

    #[test]
    fn other_wirings_are_refused_with_their_own_words() {
        let text = |vif_type| Wiring::of(&port(vif_type, json!({}))).unwrap_err().to_string();
        assert!(
            text("binding_failed").contains("could not wire port 0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9 on host node-1")
        );
        assert!(text("unbound").contains("is not bound"));
        assert!(text("").contains("is not bound"));
        assert!(text("ovs").contains("\"ovs\", which is not supported; supported: bridge"));
        assert!(text("a\n[31mb").contains("\"a\\n[31mb\""), "control characters are shown, not sent");
    }

    #[test]
    fn hostile_details_are_refused_by_name() {
        let long = "x".repeat(5000);
        let namespaces = [
            json!("relative/path"),
            json!("/run/netns/../../etc/passwd"),
            json!(".."),
            json!("/"),
            json!(""),
            json!(7),
            json!("/run/net\0ns"),
            json!(["/run"]),
            json!({"a": 1}),
            json!(format!("/{long}")),
        ];
        for value in namespaces {
            let error = Wiring::of(&port("bridge", json!({"netns": value}))).unwrap_err();
            assert!(matches!(error, Error::InvalidDetail { key: "netns", .. }), "{error}");
            assert!(error.to_string().len() < 400 && error.is_cloud(), "{error}");
        }
        let bridges = [
            json!(""),
            json!("."),
            json!(".."),
            json!("a/b"),
            json!("a b"),
            json!("sixteen-letters-"),
            json!("x%d"),
            json!("a\0"),
            json!(false),
            json!(long),
        ];
        for value in bridges {
            let error = Wiring::of(&port("bridge", json!({"bridge_name": value}))).unwrap_err();
            assert!(matches!(error, Error::InvalidDetail { key: "bridge_name", .. }), "{error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }
}
