//! Two projects in one cloud: what one may see and do of the other's.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::client::Client;
use crate::lab::{Lab, Outcome, id};

crate::cases!["isolation":
    strangers_see_nothing,
    strangers_change_nothing,
    members_may_not_bind,
];

/// A member of another project: the one that was given, or one made for this case.
async fn stranger(lab: &Lab) -> anyhow::Result<Arc<Client>> {
    match &lab.other {
        Some(other) => Ok(other.clone()),
        None => Ok(Arc::new(lab.person("member").await?.client)),
    }
}

async fn strangers_see_nothing(lab: &Lab) -> Outcome {
    let stranger = stranger(lab).await?;
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    let answer = lab.call_as(&stranger, Method::GET, &path, None).await?;
    lab.same("shown", &json!([answer.status, answer.error_type()]), json!([404, "NetworkNotFound"]));
    let answer = lab.call_as(&stranger, Method::GET, &format!("networks?id={}", id(&network)), None).await?;
    lab.same("listed", &answer.body, json!({"networks": []}));
    Ok(())
}

async fn strangers_change_nothing(lab: &Lab) -> Outcome {
    let stranger = stranger(lab).await?;
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    for (method, body) in [(Method::PUT, Some(json!({"network": {"name": "x"}}))), (Method::DELETE, None)] {
        let answer = lab.call_as(&stranger, method, &path, body).await?;
        lab.same("refused", &json!([answer.status, answer.error_type()]), json!([404, "NetworkNotFound"]));
    }
    let body = json!({"port": {"network_id": network["id"]}});
    let answer = lab.call_as(&stranger, Method::POST, "ports", Some(body)).await?;
    lab.same("port", &json!([answer.status, answer.error_type()]), json!([404, "NetworkNotFound"]));
    Ok(())
}

async fn members_may_not_bind(lab: &Lab) -> Outcome {
    let stranger = stranger(lab).await?;
    let body = json!({"network": {"name": lab.name(), "router:external": true}});
    let answer = lab.call_as(&stranger, Method::POST, "networks", Some(body)).await?;
    lab.same("external", &json!([answer.status, answer.error_type()]), json!([403, "PolicyNotAuthorized"]));
    Ok(())
}
