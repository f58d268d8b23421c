//! A netlink socket: requests with their acknowledgement, dumps, batches, events.

use crate::{
    error::{Cause, During, Error},
    exchange::{self, BatchError, Channel},
    message::{Message, Received},
    namespace::Namespace,
};
use netlink_sys::SocketAddr;
use rustix::{
    io::Errno,
    net::sockopt::{self, Timeout},
};
use std::{
    fmt,
    ops::RangeInclusive,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

/// Largest datagram we take; the kernel cuts dumps to what the reader offers.
const DATAGRAM: usize = 64 * 1024;
/// The kernel answers while it handles the request; longer means that it never will.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A netlink socket. It belongs to the namespace it was opened in, wherever the caller's thread goes.
pub struct Socket {
    socket: netlink_sys::Socket,
    sequence: u32,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}

impl Socket {
    /// Opens a socket of a protocol ([`libc::NETLINK_ROUTE`], [`libc::NETLINK_NETFILTER`]) in the calling thread's
    /// namespace.
    pub fn open(protocol: i32) -> Result<Self, Error> {
        Self::connect(protocol).during("open netlink socket", &protocol.to_string())
    }

    /// Opens a socket of a protocol in a namespace.
    pub fn open_in(namespace: &Namespace, protocol: i32) -> Result<Self, Error> {
        namespace.run(|| Self::open(protocol))?
    }

    fn connect(protocol: i32) -> Result<Self, Cause> {
        let mut socket = netlink_sys::Socket::new(protocol as isize)?;
        socket.bind_auto()?;
        // A connected socket takes datagrams from the kernel alone.
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_ext_ack(true)?;
        // Acknowledgements do not repeat the request: those of a large batch would overflow the buffer.
        socket.set_cap_ack(true)?;
        if protocol == libc::NETLINK_ROUTE {
            // The kernel then refuses what it does not understand, and filters dumps.
            socket.set_netlink_get_strict_chk(true)?;
        }
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sets the send buffer to this many bytes, beyond the system's limit where the process may.
    pub fn set_send_buffer(&self, bytes: usize) -> Result<(), Error> {
        sockopt::set_socket_send_buffer_size_force(&self.socket, bytes)
            .or_else(|_| sockopt::set_socket_send_buffer_size(&self.socket, bytes))
            .during("set netlink send buffer", &bytes.to_string())
    }

    /// Sets the receive buffer to this many bytes, beyond the system's limit where the process may.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<(), Error> {
        sockopt::set_socket_recv_buffer_size_force(&self.socket, bytes)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&self.socket, bytes))
            .during("set netlink receive buffer", &bytes.to_string())
    }

    /// Joins a multicast group (`RTNLGRP_*`, `NFNLGRP_*`): its events arrive from now on.
    pub fn join(&mut self, group: u32) -> Result<(), Error> {
        self.socket.add_membership(group).during("join netlink group", &group.to_string())
    }

    /// Puts the socket into nonblocking mode, as `AsyncFd` wants it.
    pub fn set_nonblocking(&self) -> Result<(), Error> {
        self.socket.set_non_blocking(true).during("make netlink socket nonblocking", "")
    }

    /// Sends one request and waits for its acknowledgement.
    pub fn request(&mut self, message: Message) -> Result<(), Cause> {
        exchange::request(self, message, |_| None::<()>).map(|_| ())
    }

    /// Sends one request and reads the message it is answered with; nothing if `read` found nothing in it.
    pub fn ask<T>(
        &mut self,
        message: Message,
        read: impl FnMut(Received<'_>) -> Option<T>,
    ) -> Result<Option<T>, Cause> {
        exchange::request(self, message, read)
    }

    /// Reads a list, again from its start if it changed meanwhile. `read` is given each message of each reading; only
    /// what it returns in the last one is kept.
    pub fn dump<T>(&mut self, message: &Message, read: impl FnMut(Received<'_>) -> Option<T>) -> Result<Vec<T>, Cause> {
        exchange::dump(self, message, read)
    }

    /// Sends a finished batch, whose messages carry `sequences` (from [`Self::next_sequence`]), and waits for this
    /// many acknowledgements or for the first refusal.
    pub fn batch(
        &mut self,
        bytes: &[u8],
        sequences: RangeInclusive<u32>,
        acknowledgements: usize,
    ) -> Result<(), BatchError> {
        exchange::batch(self, bytes, sequences, acknowledgements)
    }

    /// A sequence number that this socket has not used; never 0, which marks events.
    pub fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        self.socket.send(bytes, 0)?;
        Ok(())
    }

    /// Receives one datagram as it is: nothing if there is none and `wait` is false (or the socket is nonblocking).
    pub fn receive(&mut self, wait: bool) -> Result<Option<Vec<u8>>, Cause> {
        let flags = if wait { libc::MSG_TRUNC } else { libc::MSG_TRUNC | libc::MSG_DONTWAIT };
        loop {
            let mut datagram = Vec::with_capacity(DATAGRAM);
            match self.socket.recv(&mut datagram, flags) {
                Ok(length) if length > datagram.len() => {
                    return Err(Cause::Malformed("a datagram of more than 64 KiB"));
                }
                Ok(_) => return Ok(Some(datagram)),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) if wait && !self.is_nonblocking() => {
                        return Err(Cause::Silent(ANSWER_WITHIN.as_secs()));
                    }
                    Some(Errno::AGAIN) => return Ok(None),
                    Some(Errno::NOBUFS) => return Err(Cause::Overrun),
                    _ => return Err(error.into()),
                },
            }
        }
    }

    fn is_nonblocking(&self) -> bool {
        rustix::fs::fcntl_getfl(&self.socket).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
    }
}

impl Channel for Socket {
    fn next_sequence(&mut self) -> u32 {
        Self::next_sequence(self)
    }

    fn send(&mut self, datagram: &[u8]) -> Result<(), Cause> {
        Self::send(self, datagram)
    }

    fn receive(&mut self, wait: bool) -> Result<Option<Vec<u8>>, Cause> {
        Self::receive(self, wait)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
