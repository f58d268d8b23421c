//! UDP: each client's datagrams become a flow of their own inside the container, so that answers find their way back.

use crate::Sandbox;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::UdpSocket, task::JoinSet, time::Instant};

/// A flow ends when no datagram went either way for so long.
pub(crate) const IDLE: Duration = Duration::from_secs(90);
/// Flows of one published port at a time; datagrams of further clients are dropped.
const MOST: usize = 1024;
/// No datagram is larger.
const LARGEST: usize = 65_536;

struct Flow {
    inside: Arc<UdpSocket>,
    last: Arc<Mutex<Instant>>,
}

impl Flow {
    fn touch(last: &Mutex<Instant>) {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Carries datagrams until it is dropped.
pub(crate) async fn relay(outside: UdpSocket, sandbox: Arc<Sandbox>, port: u16) {
    relay_with(outside, sandbox, port, IDLE).await;
}

async fn relay_with(outside: UdpSocket, sandbox: Arc<Sandbox>, port: u16, idle: Duration) {
    let outside = Arc::new(outside);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        tokio::select! {
            // First what has ended: a flow that nobody reads from must not be used.
            biased;
            Some(ended) = answers.join_next() => {
                if let Ok(client) = ended {
                    flows.remove(&client);
                }
            }
            received = outside.recv_from(&mut buffer) => {
                // An error is about a datagram that was sent before, not about this one.
                let Ok((length, client)) = received else { continue };
                if !flows.contains_key(&client) {
                    if flows.len() >= MOST {
                        tracing::debug!(%client, port, "too many flows, a datagram is dropped");
                        continue;
                    }
                    let inside = match sandbox.datagrams(client, port).await {
                        Ok(inside) => Arc::new(inside),
                        Err(error) => {
                            tracing::debug!(%client, port, %error, "the container takes no datagrams");
                            continue;
                        }
                    };
                    let last = Arc::new(Mutex::new(Instant::now()));
                    let flow = Flow { inside: Arc::clone(&inside), last: Arc::clone(&last) };
                    answers.spawn(answer(Arc::clone(&outside), inside, last, client, idle));
                    flows.insert(client, flow);
                }
                if let Some(flow) = flows.get(&client) {
                    Flow::touch(&flow.last);
                    // A datagram may be lost, as anywhere.
                    let _ = flow.inside.send(&buffer[..length]).await;
                }
            }
        }
    }
}

/// Carries answers to a client until its flow was idle for too long.
async fn answer(
    outside: Arc<UdpSocket>,
    inside: Arc<UdpSocket>,
    last: Arc<Mutex<Instant>>,
    client: SocketAddr,
    idle: Duration,
) -> SocketAddr {
    loop {
        let end = *last.lock().unwrap_or_else(PoisonError::into_inner) + idle;
        if tokio::time::timeout_at(end, inside.readable()).await.is_err() {
            if last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= idle {
                return client;
            }
            continue;
        }
        // Made for each datagram: flows are many and mostly silent.
        let mut datagram = Vec::with_capacity(LARGEST);
        // An error says that nobody listens in the container yet.
        if inside.try_recv_buf(&mut datagram).is_ok() {
            Flow::touch(&last);
            let _ = outside.send_to(&datagram, client).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flow_ends_when_it_is_idle_and_begins_anew() {
        let sandbox = Sandbox { path: "/proc/self/ns/net".into(), v4: Some([127, 0, 0, 1].into()), v6: None };
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let published = outside.local_addr().unwrap();
        let port = server.local_addr().unwrap().port();
        let idle = Duration::from_millis(300);
        let relay = tokio::spawn(relay_with(outside, Arc::new(sandbox), port, idle));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 16];
        let mut peers = Vec::new();
        for pause in [0, 200, 200, 900] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            client.send_to(b"ping", published).await.unwrap();
            let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"ping");
            server.send_to(b"pong", peer).await.unwrap();
            let (length, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from), (b"pong".as_slice(), published));
            peers.push(peer);
        }
        relay.abort();
        assert!(peers[0] == peers[1] && peers[1] == peers[2], "one flow: {peers:?}");
        assert_ne!(peers[2], peers[3], "it was idle");
    }
}
