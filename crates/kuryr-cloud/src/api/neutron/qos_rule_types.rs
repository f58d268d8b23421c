//! The kinds of rules that QoS policies can have, and what each takes. Kinds that the data plane cannot hold, such as
//! guaranteed bandwidth, are not there, as in a Neutron that does not know them.

use crate::{
    api::{
        Api, answer,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            query::Query,
            resource::{DIRECTIONS, DSCP_MARKS, MOST_KBPS},
        },
    },
    engine::Context,
};
use axum::{Router, extract::RawQuery, response::Response, routing::get};
use http::StatusCode;
use kuryr_neutron::{Fault, FaultKind};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who holds the rules.
const DRIVER: &str = "kuryr";
const TYPES: [&str; 2] = ["bandwidth_limit", "dscp_marking"];

/// `/qos/rule-types` and `/qos/rule-types/{type}`.
pub fn routes(base: &str) -> Router<Arc<Api>> {
    Router::new()
        .route(&format!("{base}/qos/rule-types"), get(list))
        .route(&format!("{base}/qos/rule-types/{{kind}}"), get(show))
}

/// All that exist are supported, so `all_supported` and `all_rules` choose the same.
async fn list(_: Asker, RawQuery(text): RawQuery) -> Result<Response, Refusal> {
    let query = Query::parse(&text.unwrap_or_default())?;
    if let Some(name) = query.filters.keys().find(|name| !["all_supported", "all_rules"].contains(&name.as_str())) {
        let name: String = name.chars().take(100).collect();
        let message = format!("['{name}'] is invalid attribute for filtering");
        return Err(Fault::bad_request("HTTPBadRequest", message).into());
    }
    let types = TYPES.map(|kind| json!({ "type": kind }));
    Ok(answer::json(StatusCode::OK, &json!({ "rule_types": types })))
}

async fn show(Asker(context): Asker, PathParts(kind): PathParts<String>) -> Result<Response, Refusal> {
    let shown = details(&context, &kind)?;
    Ok(answer::json(StatusCode::OK, &json!({ "rule_type": shown })))
}

/// What a kind takes is for administrators.
fn details(context: &Context, kind: &str) -> Result<Value, Fault> {
    if !context.is_admin {
        return Err(Fault::new(FaultKind::Forbidden, "NotAuthorized", "Not authorized."));
    }
    let range = |name| {
        let values = json!({"start": 0, "end": MOST_KBPS});
        json!({"parameter_name": name, "parameter_type": "range", "parameter_values": values})
    };
    let choices =
        |name, values: Value| json!({"parameter_name": name, "parameter_type": "choices", "parameter_values": values});
    let directions: Vec<&str> = DIRECTIONS.iter().map(|(word, _)| *word).collect();
    let parameters = match kind {
        "bandwidth_limit" => {
            json!([range("max_kbps"), range("max_burst_kbps"), choices("direction", json!(directions))])
        }
        "dscp_marking" => json!([choices("dscp_mark", json!(DSCP_MARKS))]),
        _ => {
            let kind: String = kind.chars().take(100).collect();
            let message = format!("QoS rule type {kind} could not be found.");
            return Err(Fault::new(FaultKind::NotFound, "QosRuleTypeNotFound", message));
        }
    };
    Ok(json!({"type": kind, "drivers": [{"name": DRIVER, "supported_parameters": parameters}]}))
}
