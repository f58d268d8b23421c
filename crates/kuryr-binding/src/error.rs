//! Why a port could not be plugged or unplugged, in words that tell an operator what to do.

use kuryr_neutron::{HostId, PortId};

/// A port that could not be plugged, unplugged or looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cloud has not bound the port to a host.
    #[error(
        "port {port} is not bound to a host (binding:vif_type is unbound), so there is nothing to plug it into: \
         set its binding:host_id, which needs the rights of an administrator"
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
    /// A kind of wiring that this version cannot do.
    #[error("port {port} asks for binding:vif_type {vif_type:?}, which is not supported; supported: bridge")]
    UnsupportedVifType {
        /// The port.
        port: PortId,
        /// What it asked for.
        vif_type: String,
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
}
