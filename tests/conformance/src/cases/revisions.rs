//! Changes bound to a revision number.

use http::Method;
use serde_json::json;

use crate::client::{Answer, json_body};
use crate::lab::{Lab, Outcome, id};

crate::cases!["revisions":
    that_fit_let_a_change_pass,
    that_do_not_fit_refuse_a_change,
    bind_deletions_too,
    without_sense_are_refused_or_ignored,
    rise_with_every_change,
];

async fn conditional(lab: &Lab, method: Method, path: &str, condition: String) -> anyhow::Result<Answer> {
    let body = (method == Method::PUT).then(|| json_body(&json!({"network": {"description": "d"}})));
    lab.raw(&lab.client, method, path, body, vec![("if-match", condition)]).await
}

async fn that_fit_let_a_change_pass(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    let condition = format!("revision_number={}", network["revision_number"]);
    let answer = conditional(lab, Method::PUT, &path, condition).await?;
    lab.same("status", &json!(answer.status), json!(200));
    lab.same("network", &answer.body["network"]["description"], json!("d"));
    Ok(())
}

async fn that_do_not_fit_refuse_a_change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    let answer = conditional(lab, Method::PUT, &path, "revision_number=99".to_owned()).await?;
    lab.same("status", &json!(answer.status), json!(412));
    lab.same("type", &json!(answer.error_type()), json!("RevisionNumberConstraintFailed"));
    lab.same("unchanged", &lab.show("networks", &network).await?, json!({"description": ""}));
    Ok(())
}

async fn bind_deletions_too(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    let answer = conditional(lab, Method::DELETE, &path, "revision_number=99".to_owned()).await?;
    lab.same("status", &json!(answer.status), json!(412));
    let condition = format!("revision_number={}", network["revision_number"]);
    let answer = conditional(lab, Method::DELETE, &path, condition).await?;
    lab.same("status", &json!(answer.status), json!(204));
    Ok(())
}

async fn without_sense_are_refused_or_ignored(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let path = format!("networks/{}", id(&network));
    for (condition, status, error_type) in [("revision_number=x", 400, "BadRequest"), ("nonsense", 200, "")] {
        let answer = conditional(lab, Method::PUT, &path, condition.to_owned()).await?;
        let right = answer.status == status && answer.error_type() == error_type;
        lab.check(right, || format!("'{condition}': {} {}", answer.status, answer.body));
    }
    Ok(())
}

async fn rise_with_every_change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let mut last = network["revision_number"].as_u64();
    for name in ["one", "two"] {
        let now = lab.update("networks", &network, json!({"name": name})).await?["revision_number"].as_u64();
        lab.check(now > last, || format!("{now:?} after {last:?}"));
        last = now;
    }
    lab.subnet(&network, "10.1.0.0/24").await?;
    let now = lab.show("networks", &network).await?["revision_number"].as_u64();
    lab.check(now > last, || format!("a new subnet leaves the network's revision {now:?}"));
    Ok(())
}
