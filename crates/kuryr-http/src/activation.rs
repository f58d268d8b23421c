//! Sockets that systemd opened for us (`LISTEN_FDS`).

use crate::{Error, Listener, UnixOptions};
use listenfd::ListenFd;
use std::io;
use tokio::net::{TcpListener, UnixListener};

/// All sockets systemd handed over, in the order of the unit file; none if it handed over none.
///
/// Of `options` only the peer policy counts: mode and file are systemd's.
pub fn listeners_from_systemd(options: UnixOptions) -> Result<Vec<Listener>, Error> {
    let mut handed = ListenFd::from_env();
    (0..handed.len())
        .filter_map(|index| {
            take(&mut handed, index, options).map_err(|source| Error::Activation { index, source }).transpose()
        })
        .collect()
}

fn take(handed: &mut ListenFd, index: usize, options: UnixOptions) -> io::Result<Option<Listener>> {
    // listenfd checks the descriptor's type and leaves it for another try if it is not the wanted one.
    if let Ok(found) = handed.take_unix_listener(index) {
        let Some(listener) = found else { return Ok(None) };
        listener.set_nonblocking(true)?;
        return Ok(Some(Listener::from_unix(UnixListener::from_std(listener)?, options)));
    }
    let Some(listener) = handed.take_tcp_listener(index)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    Ok(Some(Listener::from_tcp(TcpListener::from_std(listener)?)))
}
