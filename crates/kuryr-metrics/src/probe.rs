//! `/metrics`, `/healthz` and `/readyz`.

use crate::Metrics;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The longest that a check may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Why something that Kuryr needs cannot be used, in words for an operator.
pub type CheckFailed = String;
type Checking = Pin<Box<dyn Future<Output = Result<(), CheckFailed>> + Send>>;

/// Something without which no request of Docker's can be answered.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<dyn Fn() -> Checking + Send + Sync>,
}

impl Check {
    /// A check by this name.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), CheckFailed>> + Send + 'static,
    {
        Self { name, run: Arc::new(move || Box::pin(run())) }
    }
}

#[derive(Clone)]
struct Served {
    metrics: Metrics,
    checks: Arc<[Check]>,
}

/// Serves the metrics, that this process lives, and whether it can do its work.
pub fn router(metrics: Metrics, checks: Vec<Check>) -> Router {
    Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Served { metrics, checks: checks.into() })
}

async fn text(State(served): State<Served>) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], served.metrics.text()).into_response()
}

async fn ready(State(served): State<Served>) -> Response {
    let mut found = Map::new();
    let mut status = StatusCode::OK;
    for check in served.checks.iter() {
        let outcome = match tokio::time::timeout(LIMIT, (check.run)()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {LIMIT:?}")),
        };
        let told = match outcome {
            Ok(()) => "ok".to_owned(),
            Err(reason) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                reason
            }
        };
        found.insert(check.name.to_owned(), Value::String(told));
    }
    (status, Json(json!({"ready": status == StatusCode::OK, "checks": found}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reconciliation, Sample, sample::Sampled};
    use axum::{body::Body, http::Request, routing::post};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(router: &Router, request: Request<Body>) -> (u16, String) {
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn of(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn what_was_done_is_in_the_metrics() {
        let metrics = Metrics::new("1.2.3");
        let plugin = Router::new().route("/NetworkDriver.Join", post(|| async { StatusCode::CONFLICT }));
        let plugin = metrics.time_requests(plugin);
        for path in ["/NetworkDriver.Join", "/NetworkDriver.Join", "/odd\u{7f}"] {
            if let Ok(request) = Request::post(path).body(Body::empty()) {
                ask(&plugin, request).await;
            }
        }
        ask(&plugin, Request::post("/Some.Thing").body(Body::empty()).unwrap()).await;
        let differences = vec![("not_in_docker", 2)];
        metrics.reconciled(&Reconciliation { complete: true, removed: 3, differences, ..Default::default() });
        let labelled = || vec![Sample { labels: vec![("network", "blue\"".to_owned())], value: 4.0 }];
        metrics.sample(Sampled::new("pool_ports", "Ready ports", labelled));
        metrics.sample(Sampled::new("writes_behind", "Writes on their way", || Sample::plain(7.0)));
        let (status, text) = ask(&router(metrics, Vec::new()), of("/metrics")).await;
        assert_eq!(status, 200);
        for line in [
            "kuryr_build_info{version=\"1.2.3\"} 1",
            "kuryr_plugin_request_duration_seconds_count{method=\"NetworkDriver.Join\",status=\"409\"} 2",
            "kuryr_plugin_request_duration_seconds_count{method=\"other\",status=\"404\"} 1",
            "kuryr_reconciliations_total{result=\"complete\"} 1",
            "kuryr_collected_total{result=\"removed\"} 3",
            "kuryr_out_of_step{difference=\"not_in_docker\"} 2",
            "kuryr_pool_ports{network=\"blue\\\"\"} 4.0",
            "kuryr_writes_behind 7.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes") && text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn whoever_cannot_work_says_why() {
        let check = |outcome: Result<(), String>| Check::new("cloud", move || std::future::ready(outcome.clone()));
        let metrics = Metrics::new("1");
        let (status, text) = ask(&router(metrics.clone(), vec![check(Ok(()))]), of("/readyz")).await;
        assert_eq!((status, text.as_str()), (200, r#"{"checks":{"cloud":"ok"},"ready":true}"#));
        let dead = router(metrics, vec![check(Err("no connection (req-1)".to_owned()))]);
        let (status, text) = ask(&dead, of("/readyz")).await;
        assert!(status == 503 && text.contains("req-1"), "{status} {text}");
        assert_eq!(ask(&dead, of("/healthz")).await.0, 200, "it lives all the same");
    }
}
