//! Why a port could not be plugged or unplugged, in words that tell an operator what to do.

use kuryr_neutron::{HostId, PortId};

/// A port that could not be plugged, unplugged or looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cloud has not bound the port to a host.
    #[error(
        "binding:vif_type is invalid. Port {port} is not bound to a host (it is unbound), so there is nothing to plug \
         it into: set its binding:host_id, which needs the rights of an administrator"
    )]
    Unbound {
        /// The port.
        port: PortId,
    },
    /// The cloud tried and failed.
    #[error(
        "the cloud could not wire port {port} on host {host} (binding:vif_type is binding_failed): check that the \
         cloud has a network agent alive on exactly this host name, and that the agent can reach the port's network"
    )]
    BindingFailed {
        /// The port.
        port: PortId,
        /// Its `binding:host_id`.
        host: HostId,
    },
    /// A kind of wiring that nothing here can do.
    #[error(
        "vif_type({vif_type}) is not supported. A binding script for this type can't be found: port {port} needs \
         bridge, ovs or tap, or an executable of the type's name in {scripts} (bindir)"
    )]
    UnsupportedVifType {
        /// The port.
        port: PortId,
        /// What it asked for, with control characters escaped.
        vif_type: String,
        /// The directory of scripts.
        scripts: String,
    },
    /// A binding script that must not be run.
    #[error("port {port}: the binding script {path} cannot be used: {reason}")]
    ScriptUnusable {
        /// The port.
        port: PortId,
        /// The script.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A binding script failed.
    #[error("port {port}: the binding script {path} {what} {outcome}{}{stderr}", if stderr.is_empty() { "" } else { ": " })]
    ScriptFailed {
        /// The port.
        port: PortId,
        /// The script.
        path: String,
        /// `bind` or `unbind`.
        what: &'static str,
        /// How it ended.
        outcome: String,
        /// The beginning of what it wrote to standard error.
        stderr: String,
    },
    /// Open vSwitch did not do its part.
    #[error("port {port}: {source}")]
    Switch {
        /// The port.
        port: PortId,
        /// Why.
        source: kuryr_ovsdb::Error,
    },
    /// The operator's details in the port's profile are not usable.
    #[error("port {port}: binding:profile[{key:?}] is {value}, expected {expected}")]
    InvalidProfile {
        /// The port.
        port: PortId,
        /// Which detail.
        key: &'static str,
        /// What it is, as JSON.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The port's virtual function is not there.
    #[error("port {port}: PCI device {slot} not found, or it is no virtual function with a network device")]
    FunctionMissing {
        /// The port.
        port: PortId,
        /// Its PCI address.
        slot: String,
    },
    /// A virtual function, where they are not used.
    #[error(
        "No port driver available for VNIC type {kind}: port {port} needs sriov among enabled_port_drivers in [DEFAULT] \
         and hw_veb among enabled_drivers in [binding]"
    )]
    NoDriver {
        /// The port.
        port: PortId,
        /// Its `binding:vnic_type`.
        kind: &'static str,
    },
    /// No interface is set on which to put containers.
    #[error(
        "link_iface in [binding] is not set; drivers macvlan, ipvlan and vlan need the virtual machine's interface there"
    )]
    ParentUnset,
    /// The interface on which to put containers is not there.
    #[error("interface {parent}, which is to carry containers, does not exist on this host (link_iface in [binding])")]
    ParentMissing {
        /// Its name.
        parent: String,
    },
    /// The kernel does not tell about the interface on which to put containers.
    #[error("interface {parent} (link_iface in [binding]): {source}")]
    Parent {
        /// Its name.
        parent: String,
        /// Why.
        source: kuryr_netlink::Error,
    },
    /// The interface on which to put containers is of a kind that no port of Neutron's has.
    #[error("interface {parent} (link_iface in [binding]) has no Ethernet address; name the one of the machine's port")]
    NoMac {
        /// Its name.
        parent: String,
    },
    /// A VLAN of no number.
    #[error("port {port} is no subport of this machine's trunk, so it has no VLAN id for driver vlan")]
    VlanMissing {
        /// The port.
        port: PortId,
    },
    /// An id that could not be Docker's.
    #[error("port {port}: the endpoint id of {length} bytes is not visible ASCII of at most 240 bytes")]
    InvalidEndpoint {
        /// The port.
        port: PortId,
        /// Its length.
        length: usize,
    },
    /// The cloud's details for the plugging side are not usable.
    #[error("port {port}: binding:vif_details[{key:?}] is {value}, expected {expected}")]
    InvalidDetail {
        /// The port.
        port: PortId,
        /// Which detail.
        key: &'static str,
        /// What it is, as JSON.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The MTU cannot be that of an interface.
    #[error("port {port}: MTU {mtu} is out of range, expected 68 to 65535")]
    InvalidMtu {
        /// The port.
        port: PortId,
        /// What was asked for.
        mtu: u32,
    },
    /// The namespace of the cloud's data plane is not there.
    #[error(
        "port {port}: the network namespace {namespace} does not exist; the embedded cloud's data plane makes it: \
         check `kuryr status` and the service's log"
    )]
    NamespaceMissing {
        /// The port.
        port: PortId,
        /// Its path.
        namespace: String,
    },
    /// The bridge is not there.
    #[error(
        "port {port}: bridge {bridge} does not exist in {namespace}; the embedded cloud's data plane makes it when the \
         network is used on this host: check `kuryr status` and the service's log"
    )]
    BridgeMissing {
        /// The port.
        port: PortId,
        /// The bridge.
        bridge: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The name of the port's interface, or of its bridge, is in use by something else.
    #[error("port {port}: interface {name} exists but is {found}, not {expected}; rename or delete it")]
    NameTaken {
        /// The port.
        port: PortId,
        /// The interface.
        name: String,
        /// What kind of link it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The kernel refused.
    #[error("port {port}: {source}")]
    Kernel {
        /// The port.
        port: PortId,
        /// What was refused and why.
        source: kuryr_netlink::Error,
    },
    /// The host's own namespace could not be opened.
    #[error("{source}; is /proc mounted?")]
    Host {
        /// Why.
        source: kuryr_netlink::Error,
    },
    /// The service is stopping.
    #[error("port {port}: the work was cut off because the service stops")]
    Stopped {
        /// The port.
        port: PortId,
    },
    /// The service is stopping, and the work concerned no port in particular.
    #[error("the work was cut off because the service stops")]
    Ended,
}

impl Error {
    /// The cloud's answer, not this host, is the reason; trying again without a change in the cloud is useless.
    pub fn is_cloud(&self) -> bool {
        matches!(
            self,
            Self::Unbound { .. }
                | Self::BindingFailed { .. }
                | Self::UnsupportedVifType { .. }
                | Self::InvalidDetail { .. }
        )
    }

    /// Open vSwitch's database does not answer at present.
    pub fn is_switch_silent(&self) -> bool {
        matches!(self, Self::Switch { source, .. } if source.is_silent())
    }

    /// There is no Open vSwitch to ask.
    pub fn is_switch_absent(&self) -> bool {
        matches!(self, Self::Switch { source, .. } if source.is_absent())
    }
}

/// The kernel's refusal, with the port it concerns.
pub fn kernel(port: PortId) -> impl Fn(kuryr_netlink::Error) -> Error + Copy {
    move |source| Error::Kernel { port, source }
}
