//! Into a service of this very process: no socket, no TLS, the same bytes.

use super::{RESPONSE_LIMIT, Transport, TransportError};
use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::fmt;
use tower::{Service, ServiceExt};

/// Calls a tower service, such as an axum `Router`, directly.
#[derive(Clone)]
pub struct InProcess<S> {
    service: S,
    response_limit: usize,
}

impl<S> InProcess<S> {
    /// Into this service, which is cloned for each request.
    pub fn new(service: S) -> Self {
        Self { service, response_limit: RESPONSE_LIMIT }
    }

    /// Reads answers up to this many bytes. Default [`RESPONSE_LIMIT`].
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.response_limit = bytes;
        self
    }
}

impl<S> fmt::Debug for InProcess<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("response_limit", &self.response_limit).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl<S, R> Transport for InProcess<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: fmt::Display,
    S::Future: Send,
    R: BodyExt + Send,
    R::Data: Buf + Send,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        // As any HTTP client does: services build links from it.
        let host = request.uri().authority().map(|a| a.as_str().rsplit('@').next().unwrap_or_default());
        if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        let answer = self.service.clone().oneshot(request.map(Full::new)).await;
        let answer = answer.map_err(|error| TransportError::Interrupted { reason: error.to_string() })?;
        let (head, body) = answer.into_parts();
        let limited = Box::pin(Limited::new(body, self.response_limit));
        let body = limited.collect().await.map_err(|error| match error.downcast::<LengthLimitError>() {
            Ok(_) => TransportError::TooLarge { limit: self.response_limit },
            Err(error) => TransportError::Interrupted { reason: error.to_string() },
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
