//! Plug and unplug.

use crate::Error;
use kuryr_neutron::{Port, PortId};

/// The names of a plugged port's interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// The end in the bridge: `tap` and 11 digits of the port's id.
    pub host_interface: String,
    /// The end for the container: `t_c` and the same digits.
    pub container_interface: String,
}

/// How a port's host end stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// The container's end is there and up.
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// It belongs to a bridge.
    pub bridged: bool,
}

/// Plugs ports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Binder {}

impl Binder {
    /// Plugs with the calling thread's network namespace as the host's.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Makes the port's interfaces, with this MTU in bytes on both ends. Done already counts as done.
    pub async fn plug(&self, port: &Port, mtu: u32) -> Result<Plugged, Error> {
        let _ = mtu;
        Err(Error::UnsupportedVifType { port: port.id, vif_type: port.binding_vif_type.clone() })
    }

    /// Removes the port's interfaces, wherever the container's end is. Nothing there counts as done.
    pub async fn unplug(&self, port: &Port) -> Result<(), Error> {
        Err(Error::UnsupportedVifType { port: port.id, vif_type: port.binding_vif_type.clone() })
    }

    /// The state of the port's host end; nothing if it is not plugged.
    pub async fn interface(&self, port: &Port) -> Result<Option<Interface>, Error> {
        Err(Error::UnsupportedVifType { port: port.id, vif_type: port.binding_vif_type.clone() })
    }
}

impl Plugged {
    /// The names a port's interfaces have, plugged or not.
    pub fn names(port: PortId) -> Self {
        Self { host_interface: port.tap_name(), container_interface: port.container_name() }
    }
}
