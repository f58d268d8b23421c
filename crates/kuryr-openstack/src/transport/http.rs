//! Over TCP, with or without TLS.

use super::{RESPONSE_LIMIT, Transport, TransportError, client::Client, tls};
use crate::Error;
use bytes::Bytes;
use http::{Request, Response};
use kuryr_config::Tls;
use std::time::Duration;

/// Settings of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// TLS.
    pub tls: Tls,
    /// Longest wait for a connection, TLS included. Default 2 s: a lost packet is sent again after one.
    pub connect_timeout: Duration,
    /// Largest answer in bytes. Default [`RESPONSE_LIMIT`].
    pub response_limit: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { tls: Tls::default(), connect_timeout: Duration::from_secs(2), response_limit: RESPONSE_LIMIT }
    }
}

/// HTTP over TCP and TLS, HTTP/2 where offered. Honours `HTTPS_PROXY` and its kin, as keystoneauth does.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
}

impl Http {
    /// Reads the files named in the options. No connection is made yet.
    pub fn new(options: &HttpOptions) -> Result<Self, Error> {
        tls::ensure_provider();
        let builder = || tls::apply(&options.tls, builder(options.connect_timeout));
        let inner = match builder()?.build() {
            Ok(client) => client,
            // A machine without any certificate authority can still speak plain HTTP.
            Err(error) if options.tls.ca_file.is_none() => {
                tracing::warn!(%error, "no certificate authorities on this machine: https will fail until cafile is set");
                let client = builder()?.tls_certs_only([]).build();
                client.map_err(|error| tls::blame(&options.tls, &error))?
            }
            Err(error) => return Err(tls::blame(&options.tls, &error)),
        };
        Ok(Self { client: Client { inner, response_limit: options.response_limit } })
    }
}

/// What was sent must have reached the peer's system within this; how long an answer takes is another matter.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(3);

/// What connections of all kinds have in common.
pub(super) fn builder(connect_timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("kuryr/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        // A peer that went away without a word would be waited for until the end of the call.
        .tcp_user_timeout(ACKNOWLEDGED_WITHIN)
        // Apache, in front of most Neutrons, closes idle connections after 5 s; a request that meets the
        // closing is lost, and a POST could not be repeated.
        .pool_idle_timeout(Duration::from_secs(4))
}

#[async_trait::async_trait]
impl Transport for Http {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.client.send(request).await
    }
}
