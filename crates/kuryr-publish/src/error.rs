//! Why a port is not published, in words that tell what to do.

use crate::{HostPorts, Transport};
use std::{io, net::IpAddr, path::PathBuf};

/// A port is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else has the port.
    #[error(
        "{transport} {ports} of {address} is in use on this host, so port {port} of the container cannot be published there; \
         publish another (-p), or end what uses it"
    )]
    InUse {
        /// TCP or UDP.
        transport: Transport,
        /// Which ports were tried.
        ports: HostPorts,
        /// The address.
        address: IpAddr,
        /// The container's port.
        port: u16,
    },
    /// The host does not have the address.
    #[error(
        "{address} is not an address of this host, so port {port} of the container cannot be published there; publish \
         on another address, or on all of them (leave it out of -p)"
    )]
    NoSuchAddress {
        /// The address.
        address: IpAddr,
        /// The container's port.
        port: u16,
    },
    /// The kernel will not listen there.
    #[error("cannot listen on {transport} {ports} of {address} for port {port} of the container: {reason}")]
    Listen {
        /// TCP or UDP.
        transport: Transport,
        /// Which ports were tried.
        ports: HostPorts,
        /// The address.
        address: IpAddr,
        /// The container's port.
        port: u16,
        /// The kernel's words.
        reason: io::Error,
    },
    /// What is published could not be written down or read, so a restart would lose it.
    #[error("cannot use {path}, where published ports are noted: {reason}")]
    Note {
        /// File or folder.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// This process has not the right.
    #[error(
        "ports cannot be published at this host: {reason}. Give Kuryr CAP_SYS_ADMIN, or set publish_ports = floating_ip or none"
    )]
    NotPermitted {
        /// The kernel's words.
        reason: io::Error,
    },
    /// There is no address to carry anything to.
    #[error("the container has no address, so its port {port} cannot be published")]
    NoAddress {
        /// The container's port.
        port: u16,
    },
}
