//! The kinds of rules that QoS policies can have, and what each takes. Kinds that the data plane cannot hold, such as
//! guaranteed bandwidth, are not there, as in a Neutron that does not know them.

use crate::{
    api::{
        answer,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            query::Query,
            resource::{DIRECTIONS, MOST_KBPS},
        },
        openapi::{Operation, Parameter, object},
        routes::Routes,
    },
    engine::Context,
};
use axum::{extract::RawQuery, response::Response};
use http::StatusCode;
use kuryr_neutron::{DSCP_MARKS, Fault, FaultKind};
use serde_json::{Value, json};

/// Who holds the rules.
const DRIVER: &str = "kuryr";
const TYPES: [&str; 2] = ["bandwidth_limit", "dscp_marking"];

/// `/qos/rule-types` and `/qos/rule-types/{type}`.
pub fn routes(base: &str) -> Routes {
    let kind = || json!({"enum": TYPES});
    let which = ["all_supported", "all_rules"];
    let which = which.map(|name| Parameter::query(name, "Chooses the same as without.", json!({"type": "string"})));
    let listed = Operation::neutron("List the kinds of rules that QoS policies can have")
        .with(which)
        .answers(200, move |_| object([("rule_types", json!({"type": "array", "items": object([("type", kind())])}))]))
        .refuses(&[400]);
    let shown = Operation::neutron("Show what a kind of rules takes")
        .answers(200, move |_| {
            let text = || json!({"type": "string"});
            let range = object([("start", json!({"type": "integer"})), ("end", json!({"type": "integer"}))]);
            let choices = json!({"type": "array", "items": {"type": ["string", "integer"]}});
            let parameter = object([
                ("parameter_name", text()),
                ("parameter_type", json!({"enum": ["range", "choices"]})),
                ("parameter_values", json!({"anyOf": [range, choices]})),
            ]);
            let driver =
                object([("name", text()), ("supported_parameters", json!({"type": "array", "items": parameter}))]);
            let drivers = json!({"type": "array", "items": driver});
            object([("rule_type", object([("type", kind()), ("drivers", drivers)]))])
        })
        .refuses(&[404]);
    Routes::default().get(&format!("{base}/qos/rule-types"), list, listed).get(
        &format!("{base}/qos/rule-types/{{kind}}"),
        show,
        shown,
    )
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
