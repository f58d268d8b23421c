//! The page and its one question.

use crate::{Source, Token, guard::guard, page};
use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, WWW_AUTHENTICATE},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a client says how long it would wait (RFC 7240, `wait=SECONDS`).
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Nobody waits longer for a change; who still wants to know asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

struct Served {
    source: Source,
    token: Token,
    stop: CancellationToken,
}

/// Serves the page, and `GET /api/topology` to whoever has the token.
///
/// With `If-None-Match` and `Prefer: wait=SECONDS` the answer comes when there is something new, or after that time as
/// 304. `stop` ends all waiting.
pub fn router(source: Source, token: Token, stop: CancellationToken) -> Router {
    Router::new()
        .route("/api/topology", get(topology))
        .with_state(Arc::new(Served { source, token, stop }))
        .merge(page::router())
        .layer(middleware::from_fn(guard))
}

async fn topology(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    if !served.token.is_in(&headers) {
        let told = "the token is missing or wrong; open the address that 'kuryr ui' printed last";
        return refusal(StatusCode::UNAUTHORIZED, told);
    }
    tokio::select! {
        biased;
        () = served.stop.cancelled() => refusal(StatusCode::SERVICE_UNAVAILABLE, "'kuryr ui' ends"),
        answer = answer(&served.source, &headers) => answer,
    }
}

async fn answer(source: &Source, headers: &HeaderMap) -> Response {
    let found = match headers.get(IF_NONE_MATCH) {
        Some(etag) => source.other_than(etag, Instant::now() + wait(headers)).await,
        None => source.picture().await.map(Some),
    };
    match found {
        Ok(Some(picture)) => {
            ([(ETAG, picture.etag())], [(CONTENT_TYPE, "application/json")], picture.json.clone()).into_response()
        }
        Ok(None) => StatusCode::NOT_MODIFIED.into_response(),
        Err(error) => {
            tracing::warn!(%error, "no picture");
            refusal(StatusCode::BAD_GATEWAY, &error.to_string())
        }
    }
}

/// How long the client would wait; not at all, if it does not say.
fn wait(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split(','))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_WAIT)
}

fn refusal(status: StatusCode, told: &str) -> Response {
    let mut answer = (status, Json(json!({"error": told}))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    }
    answer
}
