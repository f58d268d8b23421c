//! Listeners: where connections come from.

use crate::{Error, TlsFiles, TlsKeys, UnixOptions, unix::BoundUnix};
use std::{fmt, io, net::SocketAddr, path::Path};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

/// Who is at the other end of a connection; handlers find it among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A local process, as the kernel vouches.
    Unix {
        /// Its user id.
        uid: u32,
        /// Its group id.
        gid: u32,
        /// Its process id, where the kernel tells.
        pid: Option<i32>,
    },
    /// A network address.
    Tcp(SocketAddr),
}

/// A place to accept connections from: unix socket, TCP or TLS.
pub struct Listener(pub(crate) Kind);

pub(crate) enum Kind {
    Unix { listener: UnixListener, bound: Option<BoundUnix>, options: UnixOptions },
    Tcp(TcpListener),
    Tls(TcpListener, TlsKeys),
}

/// A connection just accepted; TLS still has to shake hands.
pub(crate) enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(TcpStream, TlsAcceptor),
}

impl Listener {
    /// Listens on a unix socket. A socket that nobody serves any more is replaced; one that is served is refused.
    ///
    /// Must be called within a Tokio runtime, as all constructors here.
    pub fn unix(path: &Path, options: UnixOptions) -> Result<Self, Error> {
        let (listener, bound) = BoundUnix::bind(path, options)?;
        Ok(Self(Kind::Unix { listener, bound: Some(bound), options }))
    }

    /// Listens on `host:port`; port 0 takes a free one, see [`Listener::local_addr`].
    pub async fn tcp(address: &str) -> Result<Self, Error> {
        Ok(Self(Kind::Tcp(bind(address).await?)))
    }

    /// As [`Listener::tcp`], with TLS.
    pub async fn tls(address: &str, files: &TlsFiles) -> Result<Self, Error> {
        let keys = TlsKeys::new(files)?;
        Ok(Self(Kind::Tls(bind(address).await?, keys)))
    }

    /// What a TLS listener shows, to be replaced while it serves.
    pub fn keys(&self) -> Option<TlsKeys> {
        match &self.0 {
            Kind::Tls(_, keys) => Some(keys.clone()),
            Kind::Unix { .. } | Kind::Tcp(_) => None,
        }
    }

    pub(crate) fn from_unix(listener: UnixListener, options: UnixOptions) -> Self {
        Self(Kind::Unix { listener, bound: None, options })
    }

    pub(crate) fn from_tcp(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }

    /// The address of a TCP or TLS listener.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Unix { .. } => None,
            Kind::Tcp(listener) | Kind::Tls(listener, _) => listener.local_addr().ok(),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match &self.0 {
            Kind::Unix { listener, options, .. } => {
                let (stream, _) = listener.accept().await?;
                let cred = stream.peer_cred()?;
                let peer = Peer::Unix { uid: cred.uid(), gid: cred.gid(), pid: cred.pid() };
                if !options.peers.admits(cred.uid()) {
                    let reason = format!("process {:?} of user {} may not use this socket", cred.pid(), cred.uid());
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
                }
                Ok((Accepted::Unix(stream), peer))
            }
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Accepted::Tcp(stream), Peer::Tcp(address)))
            }
            Kind::Tls(listener, keys) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Accepted::Tls(stream, keys.acceptor()), Peer::Tcp(address)))
            }
        }
    }
}

async fn bind(address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Address { address: address.to_owned(), source })
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unix { bound: Some(bound), .. } => write!(f, "unix:{}", bound.path().display()),
            Kind::Unix { bound: None, .. } => f.write_str("unix socket from systemd"),
            Kind::Tcp(_) => write!(f, "http://{}", OrUnknown(self.local_addr())),
            Kind::Tls(..) => write!(f, "https://{}", OrUnknown(self.local_addr())),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({self})")
    }
}

struct OrUnknown(Option<SocketAddr>);

impl fmt::Display for OrUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
