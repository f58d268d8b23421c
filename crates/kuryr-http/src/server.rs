//! The accept loop.

use crate::{Listener, Peer, listener::Accepted};
use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    middleware::{AddExtension, map_request},
};
use http_body_util::Limited;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{future::ready, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Layer;

/// What a server lets one client cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time to send a request's head, and to shake hands with TLS; an idle connection is closed after it too.
    pub header_read_timeout: Duration,
    /// Connections at once over all listeners; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Bytes of a request's body; more is answered with 413. A last resort: a router that wants to refuse in its own words
    /// has a lower limit itself.
    pub max_body_bytes: usize,
    /// Time that running requests get to finish once the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(30),
            max_connections: 1024,
            max_body_bytes: 4 * 1024 * 1024,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves a router on any number of listeners, all under the same limits.
pub struct Server {
    router: Router,
    limits: Limits,
    listeners: Vec<Listener>,
}

impl Server {
    /// A server without listeners.
    pub fn new(router: Router, limits: Limits) -> Self {
        let most = limits.max_body_bytes;
        // Not by the length that the head tells: then the router would have no say in the answer.
        let limited = move |request: Request| ready(request.map(|body| Body::new(Limited::new(body, most))));
        let router = router.layer(map_request(limited));
        Self { router, limits, listeners: Vec::new() }
    }

    /// Adds a place to serve on.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Serves until `stop`, then lets running requests finish for as long as the limits allow.
    pub async fn run(self, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let (loops, connections, abandon) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());
        for listener in self.listeners {
            let accept = AcceptLoop {
                listener,
                router: self.router.clone(),
                header_read_timeout: self.limits.header_read_timeout,
                permits: Arc::clone(&permits),
                connections: connections.clone(),
                stop: stop.clone(),
                abandon: abandon.clone(),
            };
            loops.spawn(accept.run());
        }
        loops.close();
        stop.cancelled().await;
        loops.wait().await;
        connections.close();
        if timeout(self.limits.drain, connections.wait()).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                seconds = self.limits.drain.as_secs(),
                "requests did not finish in time and are abandoned"
            );
            abandon.cancel();
            connections.wait().await;
        }
    }
}

struct AcceptLoop {
    listener: Listener,
    router: Router,
    header_read_timeout: Duration,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl AcceptLoop {
    async fn run(self) {
        tracing::info!(listener = %self.listener, "serving");
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let (stream, peer, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    tracing::warn!(listener = %self.listener, %error, "connection refused");
                    continue;
                }
                Err(error) => {
                    // Out of descriptors or memory: trying again at once would only burn the processor.
                    tracing::warn!(listener = %self.listener, %error, "could not accept a connection");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let connection = Connection {
                service: Extension(peer).layer(self.router.clone()),
                header_read_timeout: self.header_read_timeout,
                stop: self.stop.clone(),
            };
            let abandon = self.abandon.clone();
            self.connections.spawn(async move {
                tokio::select! {
                    () = connection.serve(stream) => {}
                    () = abandon.cancelled() => {}
                }
                drop(permit);
            });
        }
    }

    async fn accept(&self) -> io::Result<(Accepted, Peer, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        Ok((stream, peer, permit))
    }
}

struct Connection {
    service: AddExtension<Router, Peer>,
    header_read_timeout: Duration,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: Accepted) {
        match stream {
            Accepted::Unix(stream) => self.exchange(stream).await,
            Accepted::Tcp(stream) => self.exchange(stream).await,
            Accepted::Tls(stream, acceptor) => match timeout(self.header_read_timeout, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => self.exchange(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send>(self, stream: S) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_read_timeout)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.service));
        let mut connection = pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "connection ended early");
        }
    }
}
