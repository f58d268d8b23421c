//! Through a Unix socket.

use super::{RESPONSE_LIMIT, Transport, TransportError, client::Client, http::builder, tls};
use crate::Error;
use bytes::Bytes;
use http::{Request, Response};
use std::{path::Path, time::Duration};

/// HTTP through a Unix socket; the host in a URL is only told to the server.
#[derive(Debug, Clone)]
pub struct Unix {
    client: Client,
}

impl Unix {
    /// Through the socket at this path. No connection is made yet.
    pub fn new(path: &Path) -> Result<Self, Error> {
        tls::ensure_provider();
        let inner = builder(Duration::from_secs(5)).tls_certs_only([]).unix_socket(path).build();
        let inner = inner.map_err(|error| Error::Invalid {
            field: "socket",
            value: path.display().to_string(),
            expected: format!("a path of a Unix socket ({error})"),
        })?;
        Ok(Self { client: Client { inner, response_limit: RESPONSE_LIMIT } })
    }
}

#[async_trait::async_trait]
impl Transport for Unix {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.client.send(request).await
    }
}
