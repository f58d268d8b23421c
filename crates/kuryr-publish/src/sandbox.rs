//! A container's network namespace, and sockets in it.

use crate::Error;
use kuryr_netlink::Namespace;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use serde::{Deserialize, Serialize};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    path::PathBuf,
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream, UdpSocket},
    time::timeout,
};

/// A connection inside one machine takes far less.
const CONNECTING: Duration = Duration::from_secs(10);

/// Where a published port leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// The namespace's file. It may appear only after the port was published, and is opened for each connection: so
    /// nothing here keeps a namespace alive whose container has ended.
    pub path: PathBuf,
    /// The container's IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

impl Sandbox {
    /// Whether this process may enter namespaces at all.
    pub(crate) async fn can_be_entered() -> Result<(), Error> {
        let reason = match tokio::task::spawn_blocking(Namespace::may_be_entered).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => io::Error::other(error),
            Err(error) => error.into(),
        };
        Err(Error::NotPermitted { reason })
    }

    /// Whether the namespace is there.
    pub(crate) fn exists(&self) -> bool {
        Namespace::open(&self.path).is_ok()
    }

    /// Where a client's bytes go: to the address of the client's IP version, if the container has one.
    fn target(&self, client: SocketAddr, port: u16) -> io::Result<SocketAddr> {
        let (v4, v6) = (self.v4.map(IpAddr::from), self.v6.map(IpAddr::from));
        let address = if client.ip().to_canonical().is_ipv4() { v4.or(v6) } else { v6.or(v4) };
        let address = address.ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no address"))?;
        Ok(SocketAddr::new(address, port))
    }

    /// A connection to the container's port, from inside.
    pub(crate) async fn stream(&self, client: SocketAddr, port: u16) -> io::Result<TcpStream> {
        let target = self.target(client, port)?;
        let new = move || if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let connecting = self.inside(new).await?.connect(target);
        timeout(CONNECTING, connecting).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// A socket that speaks with the container's port, from inside.
    pub(crate) async fn datagrams(&self, client: SocketAddr, port: u16) -> io::Result<UdpSocket> {
        let target = self.target(client, port)?;
        let socket = self.inside(move || connected(target)).await?;
        UdpSocket::from_std(socket.into())
    }

    async fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let path = self.path.clone();
        let task = move || {
            let entered = Namespace::open(&path).and_then(|namespace| namespace.run(work));
            entered.map_err(|error| {
                tracing::warn!(%error, "a published port leads nowhere: Kuryr must see what Docker mounts in /run");
                io::Error::other(error)
            })?
        };
        tokio::task::spawn_blocking(task).await.map_err(io::Error::other)?
    }
}

fn connected(target: SocketAddr) -> io::Result<OwnedFd> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    connect(&socket, &target)?;
    Ok(socket)
}
