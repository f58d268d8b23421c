//! TCP: each connection to the host becomes one inside the container.

use crate::Sandbox;
use rustix::net::sockopt;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

/// Connections of one published port at a time. Further ones wait in the kernel's queue.
const MOST: usize = 4096;
/// How long nothing is accepted after the kernel refused to, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// After so long without a byte a peer is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Carries connections until it is dropped; they end with it.
pub(crate) async fn relay(listener: TcpListener, sandbox: Arc<Sandbox>, port: u16) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // Not in the same select as the places: what has ended must be forgotten while all places are taken.
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, address)) => {
                let sandbox = Arc::clone(&sandbox);
                connections.spawn(async move {
                    carry(client, address, &sandbox, port).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, port, "a connection to a published port was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn carry(mut client: TcpStream, address: SocketAddr, sandbox: &Sandbox, port: u16) {
    let mut server = match sandbox.stream(address, port).await {
        Ok(server) => server,
        Err(error) => {
            tracing::debug!(%address, port, %error, "the container does not take a connection");
            return reset(&client);
        }
    };
    for stream in [&client, &server] {
        // What is read is written at once already; waiting to fill packets would only delay it.
        let _ = stream.set_nodelay(true);
    }
    let _ = sockopt::set_socket_keepalive(&client, true);
    let _ = sockopt::set_tcp_keepidle(&client, KEEP_ALIVE);
    // One end may close its half and go on reading.
    if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
        tracing::trace!(%address, port, %error, "a connection was broken off");
        reset(&client);
        reset(&server);
    }
}

/// Lets the peer know, when the stream is dropped, that this was not an orderly end.
fn reset(stream: &TcpStream) {
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
