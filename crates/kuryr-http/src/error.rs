//! What can go wrong before a server serves.

use std::{io, path::PathBuf};

/// A listener could not be made. Each message says what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process answers on the socket.
    #[error("{path}: another process is serving this socket; stop it, or choose another path")]
    SocketInUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something that is not a socket has the path.
    #[error("{path}: is not a socket, so it was left alone; move it away, or choose another path")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A system call on a path failed.
    #[error("{path}: could not {action}: {source}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// An address could not be listened on.
    #[error("{address}: could not listen: {source}; choose an address of this machine that no other process uses")]
    Address {
        /// Host and port.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A certificate or key file could not be read.
    #[error("{path}: not a PEM file with {expected}: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why it could not be read.
        reason: String,
    },
    /// Certificate and key were read, and TLS refuses them.
    #[error("TLS with certificate {certificate} is not possible: {reason}")]
    Tls {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        reason: String,
    },
    /// systemd handed over a descriptor that is no listening socket.
    #[error("systemd's socket number {index} is neither a unix nor a TCP listener: {source}")]
    Activation {
        /// Position in systemd's list, from 0.
        index: usize,
        /// The system's reason.
        source: io::Error,
    },
}
