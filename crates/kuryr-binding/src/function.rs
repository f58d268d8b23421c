//! Virtual functions of network cards (SR-IOV): the operator names the PCI device in the port's `binding:profile`.

use crate::{Error, error::kernel, host::Host, wiring::shortened};
use kuryr_netlink::FunctionChange;
use kuryr_neutron::{Port, PortId};
use serde_json::Value;
use std::path::{Path, PathBuf};

const PCI_SLOT: &str = "pci_slot";
const VLAN: &str = "vlan";

/// A virtual function and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its network device.
    pub device: String,
    /// The network device of its physical function.
    physical: String,
    number: u32,
    vlan: u16,
    slot: String,
}

impl Function {
    /// The function of a port, looked up below `/sys`.
    pub fn of(port: &Port, sysfs: &Path) -> Result<Self, Error> {
        let slot = slot(port)?;
        let missing = || Error::FunctionMissing { port: port.id, slot: slot.clone() };
        let place = sysfs.join("bus/pci/devices").join(&slot);
        let physical = place.join("physfn");
        let number = entries(&physical).into_iter().find_map(|name| {
            let number = name.strip_prefix("virtfn")?.parse().ok()?;
            let target = std::fs::read_link(physical.join(&name)).ok()?;
            (target.file_name()?.to_str()? == slot).then_some(number)
        });
        Ok(Self {
            device: entries(&place.join("net")).pop().ok_or_else(missing)?,
            physical: entries(&physical.join("net")).pop().ok_or_else(missing)?,
            number: number.ok_or_else(missing)?,
            vlan: vlan(port)?,
            slot: slot.clone(),
        })
    }

    /// Gives it the port's address, and its VLAN if it is to be plugged.
    pub fn set(&self, host: &Host, port: PortId, mac: [u8; 6], plugged: bool) -> Result<(), Error> {
        host.at_home(port, |links| {
            let found = links.get(&self.physical).map_err(kernel(port))?;
            let physical = found.ok_or_else(|| Error::FunctionMissing { port, slot: self.slot.clone() })?;
            let vlan = if plugged { self.vlan } else { 0 };
            let change = FunctionChange { function: self.number, mac: Some(mac), vlan: Some(vlan) };
            links.set_function(physical.index, &change).map_err(kernel(port))
        })
    }
}

/// The names in a directory, sorted; none if it cannot be read.
fn entries(path: &PathBuf) -> Vec<String> {
    let Ok(directory) = std::fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> = directory.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn slot(port: &Port) -> Result<String, Error> {
    let value = port.binding_profile.get(PCI_SLOT).unwrap_or(&Value::Null);
    let is_slot = |text: &str| {
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_hexdigit());
        let parts: Vec<&str> = text.split([':', '.']).collect();
        text.len() == "0000:00:00.0".len()
            && text.as_bytes().get(10) == Some(&b'.')
            && matches!(parts[..], [domain, bus, device, function]
                if digits(domain, 4) && digits(bus, 2) && digits(device, 2) && digits(function, 1))
    };
    value.as_str().filter(|text| is_slot(text)).map(str::to_owned).ok_or_else(|| Error::InvalidProfile {
        port: port.id,
        key: PCI_SLOT,
        value: shortened(&value.to_string()),
        expected: "a PCI address such as \"0000:03:10.1\", set by an administrator",
    })
}

/// Absent: none.
fn vlan(port: &Port) -> Result<u16, Error> {
    let Some(value) = port.binding_vif_details.get(VLAN).filter(|value| !value.is_null()) else { return Ok(0) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.and_then(|number| u16::try_from(number).ok()).filter(|id| *id < 4095).ok_or_else(|| Error::InvalidDetail {
        port: port.id,
        key: VLAN,
        value: shortened(&value.to_string()),
        expected: "a VLAN id, 0 to 4094",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::Sockets;
    use kuryr_netlink::{Links, Namespace, PeerSpec, VethSpec};
    use serde_json::json;
    use std::{fs, os::unix::fs::symlink};

    const SLOT: &str = "0000:03:10.1";

    fn port(profile: Value, details: Value) -> Port {
        serde_json::from_value(json!({
            "id": "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            "network_id": "11111111-2222-3333-4444-555555555555",
            "mac_address": "fa:16:3e:01:02:03",
            "binding:vnic_type": "direct",
            "binding:vif_type": "hw_veb",
            "binding:profile": profile,
            "binding:vif_details": details,
        }))
        .unwrap()
    }

    fn tree() -> tempfile::TempDir {
        let sysfs = tempfile::tempdir().unwrap();
        let devices = sysfs.path().join("bus/pci/devices");
        let card = sysfs.path().join("card");
        fs::create_dir_all(devices.join(SLOT).join("net/enp3s16f1")).unwrap();
        fs::create_dir_all(card.join("net/enp3s0f0")).unwrap();
        symlink(&card, devices.join(SLOT).join("physfn")).unwrap();
        symlink("../0000:03:10.0", card.join("virtfn0")).unwrap();
        symlink(format!("../{SLOT}"), card.join("virtfn5")).unwrap();
        sysfs
    }

    #[test]
    fn a_function_is_found_by_its_slot() {
        let sysfs = tree();
        let port = port(json!({"pci_slot": SLOT}), json!({"vlan": "42"}));
        let function = Function::of(&port, sysfs.path()).unwrap();
        let expected = Function {
            device: "enp3s16f1".to_owned(),
            physical: "enp3s0f0".to_owned(),
            number: 5,
            vlan: 42,
            slot: SLOT.to_owned(),
        };
        assert_eq!(function, expected);
        // A card that has no functions: the kernel's own words come through.
        let namespace = Namespace::anonymous().unwrap();
        let peer = PeerSpec { name: "peer", mtu: 1500, ..PeerSpec::default() };
        let mut links = Links::open_in(&namespace).unwrap();
        let host = Host { namespace, sockets: Sockets::default() };
        let error = function.set(&host, port.id, [2; 6], true).unwrap_err();
        assert!(matches!(&error, Error::FunctionMissing { slot, .. } if slot == SLOT), "{error}");
        links.create_veth(&VethSpec { name: "enp3s0f0", mtu: 1500, peer, ..VethSpec::default() }).unwrap();
        let error = function.set(&host, port.id, [2; 6], true).unwrap_err();
        assert!(error.to_string().contains("set virtual function 5"), "{error}");
    }

    #[test]
    fn hostile_slots_reach_no_path() {
        let sysfs = tree();
        let slots = [
            json!(null),
            json!(7),
            json!(""),
            json!("../../etc"),
            json!("0000:03:10:1"),
            json!("000:003:10.1"),
            json!("0000:03:1g.1"),
            json!("0000:03:10.1/"),
        ];
        for slot in slots {
            let error = Function::of(&port(json!({"pci_slot": slot}), json!({})), sysfs.path()).unwrap_err();
            assert!(matches!(error, Error::InvalidProfile { .. }), "{error}");
        }
        let absent = port(json!({"pci_slot": "0000:04:10.1"}), json!({}));
        let error = Function::of(&absent, sysfs.path()).unwrap_err().to_string();
        assert!(error.contains("PCI device 0000:04:10.1 not found"), "{error}");
        for vlan in [json!(4095), json!(-1), json!("x"), json!([])] {
            let wrong = port(json!({"pci_slot": SLOT}), json!({"vlan": vlan}));
            assert!(matches!(Function::of(&wrong, sysfs.path()), Err(Error::InvalidDetail { key: "vlan", .. })));
        }
    }
}
