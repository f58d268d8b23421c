//! What an engine must know about the machine it serves.

use kuryr_neutron::HostId;
use std::path::PathBuf;

/// Neutron's first three octets of generated MAC addresses.
const NEUTRON_MAC_BASE: [u8; 3] = [0xfa, 0x16, 0x3e];

/// Settings of an [`crate::engine::Engine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The host whose ports can be bound: what `gethostname()` says here.
    pub host: HostId,
    /// MTU of networks that ask for none, in bytes.
    pub mtu: u32,
    /// Path of the network namespace that holds bridges and host-side interfaces; told to whoever plugs a port.
    pub namespace: PathBuf,
    /// First three octets of generated MAC addresses.
    pub mac_base: [u8; 3],
}

impl Options {
    /// Options for a host, with Ethernet's MTU, `/run/netns/kuryr` and Neutron's MAC prefix.
    pub fn new(host: HostId) -> Self {
        Self { host, mtu: 1500, namespace: PathBuf::from("/run/netns/kuryr"), mac_base: NEUTRON_MAC_BASE }
    }
}
