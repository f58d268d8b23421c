//! News of transactions, to notice those of others.

use super::{delta::message, session::kind};
use crate::{
    error::{Cause, During, Error},
    message::{Attributes, Messages, read_u32_be},
    namespace::Namespace,
    socket::Socket,
};
use tokio::io::unix::AsyncFd;

const NFNLGRP_NFTABLES: u32 = 7;
/// Room for the news of a large batch of our own.
const BUFFER: usize = 8 << 20;

/// Listens to the transactions of a namespace.
#[derive(Debug)]
pub struct Monitor {
    socket: AsyncFd<Socket>,
}

impl Monitor {
    /// Starts to listen; must be called within a tokio runtime.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        let mut socket = Socket::open_in(namespace, libc::NETLINK_NETFILTER)?;
        socket.join(NFNLGRP_NFTABLES)?;
        socket.set_receive_buffer(BUFFER)?;
        socket.set_nonblocking()?;
        // SAFETY: the socket owns its descriptor, always gives the same one, and closes it only when it is dropped, which
        // AsyncFd does after it has deregistered it.
        let registered = unsafe { AsyncFd::register(socket) };
        Ok(Self { socket: registered.map_err(std::io::Error::from).during("monitor", "nftables")? })
    }

    /// Waits for the next transaction, whoever makes it, and gives the number of the generation it made; `None` if
    /// news were lost. Safe to cancel.
    ///
    /// A generation beyond the one our own last commit made is someone else's. (The process id in the news would not
    /// tell: it is the one of a thread.)
    pub async fn next(&mut self) -> Result<Option<u32>, Error> {
        loop {
            let mut ready = self.socket.readable_mut().await.during("monitor", "nftables")?;
            loop {
                match ready.get_inner_mut().receive(false) {
                    Ok(Some(datagram)) => {
                        if let Some(generation) = generation(&datagram) {
                            return Ok(Some(generation));
                        }
                    }
                    Ok(None) => break,
                    Err(Cause::Overrun) => return Ok(None),
                    Err(cause) => return Err(cause.during("monitor", "nftables")),
                }
            }
            ready.clear_ready();
        }
    }
}

/// Each transaction ends with the number of the generation it made.
pub(crate) fn generation(datagram: &[u8]) -> Option<u32> {
    let news = Messages::new(datagram).filter(|m| m.kind == kind(message::NEWGEN));
    news.filter_map(|m| Attributes::after(m.payload, 4).find(|(k, _)| *k == 1).and_then(|(_, v)| read_u32_be(v, 0)))
        .last()
}
