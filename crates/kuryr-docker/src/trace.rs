//! Whose request it is: the ids that every log line of a request carries, of Docker's and of Neutron's things.

use kuryr_neutron::PortId;
use serde::Deserialize;
use std::borrow::Cow;
use tracing::{Span, field::Empty};

/// The ids in a request's body, as far as it has any. Whether they are right, its handler says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ids<'a> {
    #[serde(borrow, rename = "NetworkID")]
    network: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "EndpointID")]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "PoolID")]
    pool: Option<Cow<'a, str>>,
}

/// The longest id that is logged.
const LONGEST: usize = 64;

/// The span of a request.
pub(crate) fn span(path: &str, body: &[u8]) -> Span {
    let ids: Ids<'_> = serde_json::from_slice(body).unwrap_or_default();
    let request = path.trim_start_matches('/');
    let span = tracing::info_span!("docker", request, network = Empty, endpoint = Empty, pool = Empty, port = Empty);
    for (field, id) in [("network", ids.network), ("endpoint", ids.endpoint), ("pool", ids.pool)] {
        if let Some(id) = id.filter(|id| !id.is_empty() && id.len() <= LONGEST && id.is_ascii()) {
            span.record(field, &*id);
        }
    }
    span
}

/// From here on the request is about this port.
pub(crate) fn port(id: PortId) {
    Span::current().record("port", tracing::field::display(id));
}
