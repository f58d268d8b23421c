//! What a port's binding says, checked: nothing from the cloud reaches a path or an interface name unseen.

use crate::{Driver, Error, Options, script::Script};
use kuryr_neutron::{Port, PortId, VIF_TYPE_BINDING_FAILED, VIF_TYPE_BRIDGE, VIF_TYPE_UNBOUND};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

const VIF_TYPE_OVS: &str = "ovs";
const VIF_TYPE_TAP: &str = "tap";
/// `binding:vnic_type`s of virtual functions.
const FUNCTIONS: [&str; 3] = ["direct", "macvtap", "direct-physical"];
const NETNS: &str = "netns";
const BRIDGE_NAME: &str = "bridge_name";
const HYBRID_PLUG: &str = "ovs_hybrid_plug";
/// The switch's bridge for ports of instances, unless the cloud names another.
const INTEGRATION_BRIDGE: &str = "br-int";

/// What a port's interface is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A pair, one end connected.
    Pair(Wiring),
    /// A link on top of the machine's.
    Stacked(Driver),
    /// A virtual function.
    Function,
}

impl Way {
    /// Of a port, by its `binding:vnic_type` and the operator's driver.
    pub fn of(port: &Port, options: &Options) -> Result<Self, Error> {
        if let Some(kind) = FUNCTIONS.iter().find(|kind| **kind == port.binding_vnic_type) {
            return if options.sriov { Ok(Self::Function) } else { Err(Error::NoDriver { port: port.id, kind }) };
        }
        match options.driver {
            Driver::Veth => Wiring::of(port, &options.bindir).map(Self::Pair),
            driver => Ok(Self::Stacked(driver)),
        }
    }
}

/// What the host end of a pair is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wiring {
    /// A Linux bridge.
    Bridge {
        /// The bridge's namespace; absent: the host's.
        namespace: Option<PathBuf>,
        /// The bridge.
        bridge: String,
    },
    /// Open vSwitch.
    Switch {
        /// Its bridge.
        bridge: String,
        /// With a Linux bridge between, for security groups.
        hybrid: bool,
    },
    /// Nothing: the network's own agent routes to it.
    Tap,
    /// Whatever a script does.
    Script(Script),
}

impl Wiring {
    /// Reads a port's `binding:vif_type` and `binding:vif_details`, and looks for a script of the type's name.
    pub fn of(port: &Port, scripts: &Path) -> Result<Self, Error> {
        let vif_type = port.binding_vif_type.as_str();
        let detail = |key| port.binding_vif_details.get(key).filter(|value| !value.is_null());
        // The embedded cloud's own: a script has no way into its namespace.
        let embedded = vif_type == VIF_TYPE_BRIDGE && detail(NETNS).is_some();
        // The original's script for it does nothing but fail, and would keep such a port from being unplugged.
        let unbound = vif_type == VIF_TYPE_UNBOUND;
        if !embedded
            && !unbound
            && let Some(script) = Script::find(scripts, port.id, vif_type)?
        {
            return Ok(Self::Script(script));
        }
        let named = || detail(BRIDGE_NAME).map(|value| bridge(port.id, value)).transpose();
        match vif_type {
            VIF_TYPE_BRIDGE => Ok(Self::Bridge {
                namespace: detail(NETNS).map(|value| namespace(port.id, value)).transpose()?,
                bridge: named()?.unwrap_or_else(|| port.network_id.bridge_name()),
            }),
            VIF_TYPE_OVS => Ok(Self::Switch {
                bridge: named()?.unwrap_or_else(|| INTEGRATION_BRIDGE.to_owned()),
                hybrid: detail(HYBRID_PLUG) == Some(&Value::Bool(true)),
            }),
            VIF_TYPE_TAP => Ok(Self::Tap),
            VIF_TYPE_UNBOUND | "" => Err(Error::Unbound { port: port.id }),
            VIF_TYPE_BINDING_FAILED => Err(Error::BindingFailed { port: port.id, host: port.binding_host_id.clone() }),
            other => Err(Error::UnsupportedVifType {
                port: port.id,
                vif_type: shortened(&other.escape_debug().to_string()),
                scripts: scripts.display().to_string(),
            }),
        }
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
pub fn shortened(text: &str) -> String {
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
    use std::{fs, os::unix::fs::PermissionsExt};

    fn of(port: &Port) -> Result<Wiring, Error> {
        Wiring::of(port, Path::new("/no/such/directory"))
    }

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
        let wiring = of(&port("bridge", details)).unwrap();
        let expected = Wiring::Bridge { namespace: Some("/run/netns/kuryr".into()), bridge: "brq-web".to_owned() };
        assert_eq!(wiring, expected);
        let defaults = Wiring::Bridge { namespace: None, bridge: "brq11111111-22".to_owned() };
        assert_eq!(of(&port("bridge", json!({}))).unwrap(), defaults);
        assert_eq!(of(&port("bridge", json!({"netns": null, "bridge_name": null}))).unwrap(), defaults);
    }

    #[test]
    fn other_wirings_are_refused_with_their_own_words() {
        let text = |vif_type| of(&port(vif_type, json!({}))).unwrap_err().to_string();
        assert!(
            text("binding_failed").contains("could not wire port 0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9 on host node-1")
        );
        for unbound in ["unbound", ""] {
            assert!(text(unbound).starts_with("binding:vif_type is invalid."), "{}", text(unbound));
        }
        let error = text("vhostuser");
        let beginning = "vif_type(vhostuser) is not supported. A binding script for this type can't be found";
        assert!(error.starts_with(beginning) && error.contains("/no/such/directory"), "{error}");
        assert!(text("a\n[31mb").contains("(a\\n[31mb)"), "control characters are shown, not sent");
        assert!(text(&"x".repeat(5000)).len() < 500);
    }

    #[test]
    fn a_switch_is_wired_as_the_details_say() {
        let switch = |bridge: &str, hybrid| Wiring::Switch { bridge: bridge.to_owned(), hybrid };
        assert_eq!(of(&port("ovs", json!({}))).unwrap(), switch("br-int", false));
        assert_eq!(of(&port("ovs", json!({"ovs_hybrid_plug": false}))).unwrap(), switch("br-int", false));
        let details = json!({"ovs_hybrid_plug": true, "bridge_name": "br-other"});
        assert_eq!(of(&port("ovs", details)).unwrap(), switch("br-other", true));
        assert!(matches!(of(&port("ovs", json!({"bridge_name": "a/b"}))), Err(Error::InvalidDetail { .. })));
        assert_eq!(of(&port("tap", json!({"bridge_name": "a/b"}))).unwrap(), Wiring::Tap);
    }

    #[test]
    fn an_administrators_script_comes_first_if_nobody_else_could_have_written_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ovs");
        let found = |vif_type: &str, details: Value| Wiring::of(&port(vif_type, details), directory.path());
        assert!(matches!(found("ovs", json!({})), Ok(Wiring::Switch { .. })));
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        for (mode, reason) in [(0o644, "not executable"), (0o757, "everybody may write it")] {
            set(mode);
            let error = found("ovs", json!({})).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(path.to_str().unwrap()), "{error}");
        }
        set(0o755);
        assert!(matches!(found("ovs", json!({})), Ok(Wiring::Script(_))));
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let error = found("ovs", json!({})).unwrap_err().to_string();
        assert!(error.contains("belongs to user 65534"), "{error}");
        fs::create_dir(directory.path().join("tap")).unwrap();
        let error = found("tap", json!({})).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");

        // Names that are paths, and the embedded cloud's own ports, never reach a script.
        for name in ["../ovs", ".", "..", "a/b", "ovs\0", ".hidden"] {
            assert!(matches!(found(name, json!({})), Err(Error::UnsupportedVifType { .. })), "{name}");
        }
        fs::write(directory.path().join("unbound"), "").unwrap();
        assert!(matches!(found("unbound", json!({})), Err(Error::Unbound { .. })));
        fs::write(directory.path().join("bridge"), "").unwrap();
        assert!(matches!(found("bridge", json!({"netns": "/run/netns/kuryr"})), Ok(Wiring::Bridge { .. })));
        assert!(found("bridge", json!({})).is_err(), "it is there and cannot be used: said, not passed over");
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
            let error = of(&port("bridge", json!({"netns": value}))).unwrap_err();
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
            let error = of(&port("bridge", json!({"bridge_name": value}))).unwrap_err();
            assert!(matches!(error, Error::InvalidDetail { key: "bridge_name", .. }), "{error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }
}
