//! Sockets on the host's side: taking a port.

use crate::{Error, HostPorts, Mapping, Published, Transport, mapping::Face};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt},
};
use std::{net::SocketAddr, os::fd::OwnedFd};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Takes the first port of a mapping that is free, on this face of the host.
pub(crate) fn take(mapping: &Mapping, face: Face) -> Result<(OwnedFd, Published), Error> {
    let (first, last) = match mapping.host_ports {
        HostPorts::Any => (0, 0),
        HostPorts::Range(first, last) => (first, last),
    };
    let mut refusal = Errno::INVAL;
    for port in first..=last {
        match open(mapping.transport, face, port) {
            Ok((socket, host_port)) => {
                let Mapping { transport, port, .. } = *mapping;
                let published = Published { transport, port, host: face.address, host_port, v6_only: face.v6_only };
                return Ok((socket, published));
            }
            Err(errno) => refusal = errno,
        }
        // Another port would not help.
        if refusal != Errno::ADDRINUSE {
            break;
        }
    }
    let Mapping { transport, port, host_ports: ports, .. } = *mapping;
    let address = face.address;
    Err(match refusal {
        Errno::ADDRINUSE => Error::InUse { transport, ports, address, port },
        Errno::ADDRNOTAVAIL => Error::NoSuchAddress { address, port },
        errno => Error::Listen { transport, ports, address, port, reason: errno.into() },
    })
}

fn open(transport: Transport, face: Face, port: u16) -> Result<(OwnedFd, u16), Errno> {
    let family = if face.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if face.address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, face.v6_only)?;
    }
    if transport == Transport::Tcp {
        // Connections of a process before may still linger on the port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &SocketAddr::new(face.address, port))?;
    if transport == Transport::Tcp {
        listen(&socket, BACKLOG)?;
    }
    let bound = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, bound.port()))
}
