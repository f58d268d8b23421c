//! Calls to the cloud, timed.

use crate::{Metrics, metrics::CloudLabels};
use bytes::Bytes;
use http::{Method, Request, Response};
use kuryr_openstack::{Transport, TransportError};
use std::{sync::Arc, time::Instant};

/// What has no id in its place in a path. Longer words are not any resource's name.
const LONGEST: usize = 40;

/// A transport whose calls are timed.
struct Timed {
    inner: Arc<dyn Transport>,
    metrics: Metrics,
}

impl Metrics {
    /// The same way to a cloud, with each call timed.
    pub fn time_calls(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Timed { inner, metrics: self.clone() })
    }
}

#[async_trait::async_trait]
impl Transport for Timed {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (method, resource) = (method(request.method()), resource(request.uri().path()));
        let started = Instant::now();
        let answer = self.inner.send(request).await;
        let status = answer.as_ref().map_or_else(|_| "none".to_owned(), |answer| answer.status().as_str().to_owned());
        let labels = CloudLabels { method, resource, status };
        self.metrics.cloud.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
        answer
    }
}

fn method(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 5] = [
        (Method::GET, "GET"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::DELETE, "DELETE"),
        (Method::PATCH, "PATCH"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or("other", |(_, name)| name)
}

/// `ports` of `/networking/v2.0/ports/ID`, `ports/tags` of `/v2.0/ports/ID/tags`, `tokens` of `/v3/auth/tokens`.
fn resource(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_word = |word: &&&str| {
        word.len() <= LONGEST && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_')
    };
    if segments.last() == Some(&"tokens") {
        return "tokens".to_owned();
    }
    let Some(version) = segments.iter().position(|segment| *segment == "v2.0") else { return "versions".to_owned() };
    let named = segments.get(version + 1).filter(is_word);
    let Some(collection) = named else { return "other".to_owned() };
    match segments.get(version + 3).filter(is_word) {
        Some(part) => format!("{collection}/{part}"),
        None => (*collection).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn resources_have_names_and_ids_do_not() {
        let id = "820b6faa-39d3-44e4-b378-9ea1ba434d05";
        for (path, name) in [
            ("/networking/v2.0/ports".to_owned(), "ports"),
            (format!("/v2.0/ports/{id}"), "ports"),
            (format!("/v2.0/ports/{id}/tags"), "ports/tags"),
            (format!("/v2.0/ports/{id}/tags/{id}"), "ports/tags"),
            (format!("/v2.0/routers/{id}/add_router_interface"), "routers/add_router_interface"),
            ("/v2.0/security-groups".to_owned(), "security-groups"),
            ("/identity/v3/auth/tokens".to_owned(), "tokens"),
            ("/identity/v3".to_owned(), "versions"),
            (format!("/v2.0/{id}"), "other"),
        ] {
            assert_eq!(resource(&path), name, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_a_long_label(path in "[ -~]{0,200}") {
            prop_assert!(resource(&path).len() <= 2 * LONGEST + 1);
        }
    }
}
