//! Docker's requests, timed.

use crate::{Metrics, metrics::PluginLabels};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use std::time::Instant;

impl Metrics {
    /// The plugin's router with each request timed.
    pub fn time_requests(&self, plugin: Router) -> Router {
        plugin.layer(from_fn_with_state(self.clone(), timed))
    }
}

/// By the route, not by what was asked for: the callers do not choose how many series there are.
async fn timed(State(metrics): State<Metrics>, route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let method = route.map_or("other".to_owned(), |route| route.as_str().trim_start_matches('/').to_owned());
    let started = Instant::now();
    let answer = next.run(request).await;
    let labels = PluginLabels { method, status: answer.status().as_u16() };
    metrics.plugin.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    answer
}
