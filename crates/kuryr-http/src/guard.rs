//! What every API wants around its handlers: an id for each request, and an answer where a handler panicked.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderName, HeaderValue};
use std::{any::Any, fmt, time::Instant};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

/// The id of a request, `req-` and a UUID as OpenStack's services write it. Among the request's extensions, in the
/// answer's header, and on the span of its log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// A new random id.
    pub fn random() -> Self {
        Self(format!("req-{}", uuid::Uuid::new_v4()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives each request a [`RequestId`], each answer its `header`, and answers with `on_panic` where a handler panicked.
///
/// The panic's text goes to the log, never to the client.
pub fn guard(router: Router, header: HeaderName, on_panic: fn() -> Response) -> Router {
    router
        .layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send + 'static>| {
            tracing::error!(panic = text_of(&*panic), "a request handler panicked; this is a defect, please report it");
            on_panic()
        }))
        .layer(middleware::from_fn(move |request, next| identify(header.clone(), request, next)))
}

async fn identify(header: HeaderName, mut request: Request, next: Next) -> Response {
    let id = RequestId::random();
    let value = HeaderValue::from_str(&id.0);
    // The path alone: a query may hold what logs should not.
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    request.extensions_mut().insert(id);
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), start.elapsed());
    span.in_scope(|| tracing::debug!(status, ms = took.as_secs_f64() * 1000.0, "answered"));
    if let Ok(value) = value {
        response.headers_mut().insert(header, value);
    }
    response
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not text")
}
